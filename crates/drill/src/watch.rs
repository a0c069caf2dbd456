//! What is measured during a drill: the host's swap and pressure, the drill's own memory and pressure.

use oomguard_host::Host;
use oomguard_host::proc::{meminfo, memory_events, pressure};

use crate::report::{Pressure, Swap};

/// The figures of one drill, taken again and again.
#[derive(Debug)]
pub(crate) struct Watch<'h> {
    host: &'h Host,
    cgroup: String,
    pub swap: Swap,
    pub peak: u64,
    before: Option<Pressure>,
}

impl<'h> Watch<'h> {
    pub(crate) fn begin(host: &'h Host, cgroup: String) -> Self {
        let mut watch = Self { host, cgroup, swap: Swap::default(), peak: 0, before: None };
        let (total, used) = watch.swap_now();
        watch.swap = Swap { total, before: used, most: used, after: used };
        watch.before = waited(host, "/proc/pressure/memory");
        watch
    }

    /// Looks once more.
    pub(crate) fn look(&mut self) {
        let (total, used) = self.swap_now();
        self.swap = Swap { total, most: self.swap.most.max(used), after: used, ..self.swap };
        // The kernel keeps the peak itself since Linux 5.19.
        let number = |name: &str| {
            let bytes = self.host.read(&format!("/sys/fs/cgroup{}/{name}", self.cgroup)).ok()?;
            String::from_utf8_lossy(&bytes).trim().parse::<u64>().ok()
        };
        let now = number("memory.peak").or_else(|| number("memory.current")).unwrap_or(0);
        self.peak = self.peak.max(now);
    }

    /// How long the host's tasks waited since the beginning.
    pub(crate) fn pressure(&self) -> Option<Pressure> {
        let (before, now) = (self.before?, waited(self.host, "/proc/pressure/memory")?);
        Some(Pressure {
            some_ms: now.some_ms.saturating_sub(before.some_ms),
            full_ms: now.full_ms.saturating_sub(before.full_ms),
        })
    }

    /// How long the drill's tasks waited since it began: its cgroup is new.
    pub(crate) fn pressure_of_drill(&self) -> Option<Pressure> {
        waited(self.host, &format!("/sys/fs/cgroup{}/memory.pressure", self.cgroup))
    }

    /// How many processes the kernel killed in the drill, by its own count.
    pub(crate) fn kills(&self) -> Option<u64> {
        let bytes = self.host.read(&format!("/sys/fs/cgroup{}/memory.events", self.cgroup)).ok()?;
        memory_events::parse(&bytes).ok().map(|events| events.oom_kill)
    }

    fn swap_now(&self) -> (u64, u64) {
        let bytes = self.host.read("/proc/meminfo").unwrap_or_default();
        let [total, free] = meminfo::values(&bytes, ["SwapTotal", "SwapFree"]).map(Option::unwrap_or_default);
        (total, total.saturating_sub(free))
    }
}

fn waited(host: &Host, path: &str) -> Option<Pressure> {
    let pressure = pressure::parse(&host.read(path).ok()?).ok()?;
    Some(Pressure {
        some_ms: pressure.some.total_us / 1000,
        full_ms: pressure.full.map_or(0, |full| full.total_us / 1000),
    })
}
