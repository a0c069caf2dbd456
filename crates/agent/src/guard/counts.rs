//! What the guard has counted since it started.

use super::ActKind;

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
    pub(super) fn count(&mut self, kind: ActKind) {
        match kind {
            ActKind::Protected => self.protected += 1,
            ActKind::Unleaked => self.unleaked += 1,
        }
    }

    /// Execs and renamings that the kernel told of.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }

    /// How often events were lost: each time one or more.
    #[must_use]
    pub fn lost_events(&self) -> u64 {
        self.lost_events
    }

    /// Full looks at all processes.
    #[must_use]
    pub fn rescans(&self) -> u64 {
        self.rescans
    }

    /// Keepers that got their score.
    #[must_use]
    pub fn protected(&self) -> u64 {
        self.protected
    }

    /// Processes whose protection was taken off.
    #[must_use]
    pub fn unleaked(&self) -> u64 {
        self.unleaked
    }

    /// Processes whose floor was raised, so that their user cannot protect them again.
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
