//! What the guard has counted since it started.

use super::ChangeKind;

/// What the guard has counted since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GuardCounts {
    pub(super) events: u64,
    pub(super) lost_events: u64,
    pub(super) rescans: u64,
    pub(super) protected: u64,
    pub(super) unleaked: u64,
    pub(super) floors: u64,
    pub(super) failed: u64,
}

impl GuardCounts {
    pub(super) fn count(&mut self, kind: ChangeKind) {
        match kind {
            ChangeKind::Protected => self.protected += 1,
            ChangeKind::Unleaked => self.unleaked += 1,
        }
    }

    /// Execs and renames that the kernel has reported.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }

    /// How often events were lost, one or more each time.
    #[must_use]
    pub fn lost_events(&self) -> u64 {
        self.lost_events
    }

    /// Scans of all processes.
    #[must_use]
    pub fn rescans(&self) -> u64 {
        self.rescans
    }

    /// Keepers that were protected.
    #[must_use]
    pub fn protected(&self) -> u64 {
        self.protected
    }

    /// Processes whose undeclared protection was removed.
    #[must_use]
    pub fn unleaked(&self) -> u64 {
        self.unleaked
    }

    /// Processes whose floor was raised, so that their user cannot protect them.
    #[must_use]
    pub fn floors(&self) -> u64 {
        self.floors
    }

    /// Writes that the kernel refused.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failed
    }
}
