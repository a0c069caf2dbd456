//! Reconciles kills read from the kernel log with a counter of the kernel.

/// Kills read one by one, and the counter.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Kills read from the log since the counter was first read.
    logged: u64,
    /// Kills that only the counter showed, already reported.
    unlogged: u64,
    /// The counter when it was first read.
    first: Option<u64>,
    /// Kills not in the log at the last reconciliation.
    missing: u64,
}

impl Tally {
    /// Starts at a value of the counter.
    #[must_use]
    pub fn from(counter: u64) -> Self {
        Self { first: Some(counter), ..Self::default() }
    }

    /// Records a kill from the log.
    pub fn record_kill(&mut self) {
        self.logged += 1;
    }

    /// Takes the counter, read after the log was drained; returns how many kills are missing from the log.
    ///
    /// The kernel counts a kill just before it logs it, so a kill is reported as missing only when it still is at the next
    /// call, a few seconds later.
    pub fn reconcile(&mut self, counter: u64) -> u64 {
        let first = *self.first.get_or_insert_with(|| {
            // The counter's first value includes the kills read so far.
            self.logged = 0;
            counter
        });
        let missing = counter.saturating_sub(first).saturating_sub(self.logged + self.unlogged);
        let sure = missing.min(self.missing);
        self.missing = missing - sure;
        self.unlogged += sure;
        sure
    }

    /// Takes the counter where there is no log to wait for.
    pub fn reconcile_without_log(&mut self, counter: u64) -> u64 {
        self.reconcile(counter) + self.reconcile(counter)
    }

    /// All kills since the counter was first read.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.logged + self.unlogged
    }
}
