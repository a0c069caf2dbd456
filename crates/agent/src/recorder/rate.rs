//! How often a record is taken: decided by memory and pressure alone, with hysteresis.

use std::time::Duration;

use oomguard_host::psi::{Trigger, Waiting};

/// The interval when nothing is the matter: five seconds, and a little less. A write changes the file's time, and ext4 commits that
/// five seconds later, which the next write would wait for; so it goes into the same commit.
pub const CALM: Duration = Duration::from_millis(4_900);
/// The interval when memory is short.
pub const PRESSED: Duration = Duration::from_millis(250);
/// The kernel tells when tasks waited a tenth of a second for memory.
pub const TRIGGER: Trigger = Trigger { waiting: Waiting::Some, stall_us: 100_000, window_us: 1_000_000 };
/// So many calm records in a row end the fast rate: 30 seconds.
const CALM_AGAIN: u16 = 120;

/// What the rate is decided by.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Signals {
    /// MemTotal, in bytes.
    pub total: u64,
    /// MemAvailable, in bytes.
    pub available: u64,
    /// Memory pressure, `some avg10`, in percent.
    pub some_avg10: f32,
    /// Memory pressure, `full avg10`, in percent.
    pub full_avg10: f32,
}

impl Signals {
    /// Memory is short: less than a tenth is available, or tasks wait for it.
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.available < self.total / 10 || self.some_avg10 >= 5.0 || self.full_avg10 >= 1.0
    }

    /// Less than a quarter is available: with so much left, nothing that starts now has it all within a calm interval
    /// without the kernel seeing pressure first.
    #[must_use]
    pub fn may_soon_be_short(&self) -> bool {
        self.available < self.total / 4
    }

    /// Well away from being short. Between the two the rate stays as it is.
    #[must_use]
    pub fn is_calm(&self) -> bool {
        self.available > self.total / 100 * 15 && self.some_avg10 < 2.0 && self.full_avg10 < 0.5
    }
}

/// How often records are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rate {
    /// Every five seconds.
    #[default]
    Calm,
    /// Four times a second.
    Pressed {
        /// How many records in a row were calm.
        calm: u16,
    },
}

impl Rate {
    /// The fast rate, from its beginning.
    #[must_use]
    pub fn pressed() -> Self {
        Self::Pressed { calm: 0 }
    }

    /// Whether this is the fast rate.
    #[must_use]
    pub fn is_pressed(self) -> bool {
        matches!(self, Self::Pressed { .. })
    }

    /// The time from one record to the next.
    #[must_use]
    pub fn interval(self) -> Duration {
        if self.is_pressed() { PRESSED } else { CALM }
    }

    /// The rate after a record that saw `signals`: fast at once, slow again after 30 calm seconds.
    #[must_use]
    pub fn next(self, signals: &Signals) -> Self {
        match self {
            _ if signals.is_short() => Self::pressed(),
            Self::Calm => Self::Calm,
            Self::Pressed { calm } if calm >= CALM_AGAIN => Self::Calm,
            Self::Pressed { calm } if signals.is_calm() => Self::Pressed { calm: calm + 1 },
            Self::Pressed { .. } => Self::pressed(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn available(percent: u64) -> Signals {
        Signals { total: 1000, available: percent * 10, ..Signals::default() }
    }

    #[test]
    fn fast_at_once_and_slow_again_after_thirty_seconds() {
        assert_eq!(Rate::Calm.next(&available(10)), Rate::Calm);
        let mut rate = Rate::Calm.next(&available(9));
        assert_eq!(rate.interval(), PRESSED);
        // Between the two bounds nothing changes, however long.
        for _ in 0..1000 {
            rate = rate.next(&available(12));
        }
        assert!(rate.is_pressed());
        let mut records = 0;
        while rate.is_pressed() {
            rate = rate.next(&available(50));
            records += 1;
        }
        assert_eq!(PRESSED * (records - 1), Duration::from_secs(30));
    }

    #[test]
    fn a_relapse_begins_the_thirty_seconds_anew() {
        let mut rate = Rate::pressed();
        for _ in 0..100 {
            rate = rate.next(&available(50));
        }
        rate = rate.next(&available(12));
        assert_eq!(rate, Rate::pressed());
    }

    #[test]
    fn pressure_counts_where_memory_seems_available() {
        let full = Signals { full_avg10: 1.0, ..available(50) };
        let some = Signals { some_avg10: 5.0, ..available(50) };
        assert!(Rate::Calm.next(&full).is_pressed() && Rate::Calm.next(&some).is_pressed());
        assert!(
            !Rate::Calm.next(&Signals { some_avg10: 4.9, full_avg10: 0.9, ..available(50) }).is_pressed()
        );
    }
}
