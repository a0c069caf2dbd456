//! The clocks of a host.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::host::Host;

/// A point in time by both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// Microseconds since boot, including suspend (CLOCK_BOOTTIME); never jumps.
    pub since_boot_us: u64,
    /// Microseconds since 1970 by the host's clock, which may be set at any time.
    pub real_us: u64,
}

impl Host {
    /// Time since 1970 by the host's clock, which may be set at any time.
    fn since_1970(&self) -> Duration {
        match self.fixed_clock() {
            Some(seconds) => Duration::from_secs(seconds),
            None => SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
        }
    }

    /// Seconds since 1970.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.since_1970().as_secs()
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        whole(self.since_1970().as_millis())
    }

    /// CLOCK_MONOTONIC, the clock of the kernel log. For intervals only.
    #[must_use]
    pub fn monotonic(&self) -> Duration {
        match self.fixed_clock() {
            Some(seconds) => Duration::from_secs(seconds),
            None => length(clock_gettime(ClockId::Monotonic)),
        }
    }

    /// CLOCK_MONOTONIC_COARSE, the time of the kernel's last tick: up to 10 ms behind, and does not read the hardware clock,
    /// which takes longer than reading a file where it is emulated.
    #[must_use]
    pub fn tick(&self) -> Duration {
        match self.fixed_clock() {
            Some(seconds) => Duration::from_secs(seconds),
            None => length(clock_gettime(ClockId::MonotonicCoarse)),
        }
    }

    /// [`Host::tick`] in milliseconds.
    #[must_use]
    pub fn tick_ms(&self) -> u64 {
        whole(self.tick().as_millis())
    }

    /// The current time. A fixed clock does not affect the time since boot.
    #[must_use]
    pub fn moment(&self) -> Moment {
        Moment {
            since_boot_us: whole(length(clock_gettime(ClockId::Boottime)).as_micros()),
            real_us: whole(self.since_1970().as_micros()),
        }
    }
}

fn length(time: Timespec) -> Duration {
    let (seconds, nanos) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(seconds.unwrap_or(0), nanos.unwrap_or(0))
}

fn whole(count: u128) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_clock_stands_still_and_a_live_one_advances() {
        let still = Host::live().with_fixed_clock(7);
        assert_eq!((still.now(), still.now_ms(), still.tick_ms()), (7, 7000, 7000));
        assert_eq!(still.monotonic(), still.tick());
        assert_eq!(still.moment().real_us, 7_000_000);
        let host = Host::live();
        assert!(host.now_ms() / 1000 >= host.now().saturating_sub(1));
        let before = (host.monotonic(), host.moment());
        std::thread::sleep(Duration::from_millis(3));
        assert!(host.monotonic() > before.0);
        let (tick, now) = (host.tick(), host.monotonic());
        assert!(tick <= now && now - tick < Duration::from_secs(60), "{tick:?} is not just before {now:?}");
        assert!(host.moment().since_boot_us > before.1.since_boot_us);
    }
}
