//! What the running kernel says by a system call: finer clocks, the size of a page.

use std::time::{SystemTime, UNIX_EPOCH};

use rustix::time::ClockId;

use crate::host::Host;

impl Host {
    /// Milliseconds since 1970, by the host's clock, which people and NTP may set.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        let since = || SystemTime::now().duration_since(UNIX_EPOCH);
        self.fixed_clock().map_or_else(
            || since().map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX)),
            |seconds| seconds.saturating_mul(1000),
        )
    }

    /// Milliseconds by the clock that never jumps and that the kernel's log uses (`CLOCK_MONOTONIC`).
    #[must_use]
    pub fn monotonic_ms(&self) -> u64 {
        if let Some(seconds) = self.fixed_clock() {
            return seconds.saturating_mul(1000);
        }
        let now = rustix::time::clock_gettime(ClockId::Monotonic);
        let (seconds, rest) =
            (u64::try_from(now.tv_sec).unwrap_or(0), u64::try_from(now.tv_nsec).unwrap_or(0));
        seconds.saturating_mul(1000).saturating_add(rest / 1_000_000)
    }

    /// Bytes of a page, the unit of the counters in /proc/vmstat.
    #[must_use]
    pub fn page_size(&self) -> u64 {
        rustix::param::page_size() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks() {
        let still = Host::live().with_fixed_clock(7);
        assert_eq!((still.now_ms(), still.monotonic_ms()), (7000, 7000));
        let host = Host::live();
        assert!(host.now_ms() / 1000 >= host.now().saturating_sub(1));
        let before = host.monotonic_ms();
        std::thread::sleep(std::time::Duration::from_millis(3));
        assert!(host.monotonic_ms() > before);
        assert!(host.page_size().is_power_of_two());
    }
}
