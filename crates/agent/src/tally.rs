//! Kills that were heard of one by one, against a counter of the kernel.

/// What was heard, and what the counter says.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Kills that were heard of since the counter was first read.
    heard: u64,
    /// Kills that were only counted, and told of so.
    told: u64,
    /// The counter when it was first read.
    first: Option<u64>,
    /// How many were missing at the last look.
    missing: u64,
}

impl Tally {
    /// One that begins with this value of the counter.
    #[must_use]
    pub fn from(counter: u64) -> Self {
        Self { first: Some(counter), ..Self::default() }
    }

    /// One more was heard of.
    pub fn hear(&mut self) {
        self.heard += 1;
    }

    /// Takes the counter, read after all that was to be heard was heard; how many kills nobody was told of.
    ///
    /// The kernel counts a kill just before it logs it, so what is missing is told of when it is still missing at the next
    /// look, a few seconds later.
    pub fn look(&mut self, counter: u64) -> u64 {
        let first = *self.first.get_or_insert_with(|| {
            // What was heard so far is in the counter's first value.
            self.heard = 0;
            counter
        });
        let missing = counter.saturating_sub(first).saturating_sub(self.heard + self.told);
        let sure = missing.min(self.missing);
        self.missing = missing - sure;
        self.told += sure;
        sure
    }

    /// Takes the counter where nothing is ever heard.
    pub fn look_alone(&mut self, counter: u64) -> u64 {
        self.look(counter) + self.look(counter)
    }

    /// Kills that are known of since the counter was first read.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.heard + self.told
    }
}
