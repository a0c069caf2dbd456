//! The two clocks of a host.

use std::time::{SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

use crate::host::Host;

/// A moment, by both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// Microseconds since the boot, sleep included (CLOCK_BOOTTIME): never set, never jumps.
    pub since_boot_us: u64,
    /// Microseconds since 1970, by the host's clock: somebody may have set it.
    pub real_us: u64,
}

impl Host {
    /// This moment. A host whose clock stands still has the real boot clock all the same.
    #[must_use]
    pub fn moment(&self) -> Moment {
        let boot = clock_gettime(ClockId::Boottime);
        let real = match self.fixed_clock() {
            Some(seconds) => u128::from(seconds) * 1_000_000,
            None => SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_micros()),
        };
        Moment {
            since_boot_us: boot.tv_sec as u64 * 1_000_000 + boot.tv_nsec as u64 / 1000,
            real_us: u64::try_from(real).unwrap_or(u64::MAX),
        }
    }
}
