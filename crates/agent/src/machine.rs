//! The machine's own numbers, read when somebody asks for the metrics.

use std::sync::atomic::Ordering;

use oomguard_host::proc::{meminfo, pressure, vmstat};
use oomguard_host::scan::HeldFile;
use oomguard_host::{Host, HostError, ParseError, Result};

use crate::alerts::Sample;
use crate::metrics::{Metrics, Seconds};
use crate::recorder::Record;

const MEMINFO: &str = "/proc/meminfo";
const VMSTAT: &str = "/proc/vmstat";
const PRESSURE: &str = "/proc/pressure/memory";

/// The files that are looked at every few seconds, held open.
#[derive(Debug)]
pub struct Gauges {
    meminfo: HeldFile,
    vmstat: HeldFile,
    /// A kernel may have no PSI.
    pressure: Option<HeldFile>,
}

/// What the files say at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// What the alerts of a policy need.
    pub sample: Sample,
    /// How many processes the kernel's OOM killer has killed since boot; `None` where the kernel does not count.
    pub oom_kills: Option<u64>,
}

impl Reading {
    /// What the recorder saw when `at_ms` was the time of [`Host::tick_ms`].
    #[must_use]
    pub fn of(record: &Record, at_ms: u64, page_size: u64) -> Self {
        let (memory, counters) = (&record.memory, &record.counters);
        let moved = counters.swap_in.unwrap_or(0).saturating_add(counters.swap_out.unwrap_or(0));
        let full = record.pressure.and_then(|pressure| pressure.memory.full);
        let sample = Sample {
            at_ms,
            memory_total: memory.total,
            memory_available: memory.available,
            swap_total: memory.swap_total,
            swap_used: memory.swap_total.saturating_sub(memory.swap_free),
            swap_moved: moved.saturating_mul(page_size),
            full_avg60: full.map(|full| f64::from(full.avg60)),
        };
        Self { sample, oom_kills: counters.oom_kills }
    }
}

impl Gauges {
    /// Opens them.
    ///
    /// # Errors
    /// When /proc/meminfo or /proc/vmstat cannot be opened. A kernel without PSI is no error.
    pub fn open(host: &Host) -> Result<Self> {
        Ok(Self {
            meminfo: host.hold(MEMINFO, 8 << 10)?,
            vmstat: host.hold(VMSTAT, 32 << 10)?,
            pressure: host.hold(PRESSURE, 512).ok(),
        })
    }

    /// Reads them.
    ///
    /// # Errors
    /// When /proc/meminfo or /proc/vmstat cannot be read.
    pub fn read(&mut self, host: &Host) -> Result<Reading> {
        let meminfo = meminfo::parse(self.meminfo.read()?).map_err(|e| content(MEMINFO, e))?;
        let vmstat = vmstat::parse(self.vmstat.read()?).map_err(|e| content(VMSTAT, e))?;
        let pressure = self.pressure.as_mut().and_then(|file| pressure::parse(file.read().ok()?).ok());
        let sample = Sample {
            at_ms: host.tick_ms(),
            memory_total: meminfo.mem_total,
            memory_available: meminfo.mem_available.unwrap_or(meminfo.mem_free),
            swap_total: meminfo.swap_total,
            swap_used: meminfo.swap_total.saturating_sub(meminfo.swap_free),
            swap_moved: vmstat.pswpin.saturating_add(vmstat.pswpout).saturating_mul(host.page_size()),
            full_avg60: pressure.and_then(|pressure| pressure.full).map(|full| full.avg60),
        };
        Ok(Reading { sample, oom_kills: vmstat.oom_kill })
    }
}

/// Sets the machine's metrics to what is now. What cannot be read stays as it was, and is counted.
pub fn refresh(host: &Host, metrics: &Metrics) {
    let count = |failed: bool| {
        if failed {
            metrics.read_errors.inc();
        }
    };
    let memory = parsed(host, MEMINFO, meminfo::parse);
    count(memory.is_err());
    if let Ok(memory) = memory {
        metrics.memory_total.set(signed(memory.mem_total));
        metrics.memory_available.set(signed(memory.mem_available.unwrap_or(memory.mem_free)));
        metrics.swap_size.set(signed(memory.swap_total));
        metrics.swap_used.set(signed(memory.swap_total.saturating_sub(memory.swap_free)));
    }
    let vmstat = parsed(host, VMSTAT, vmstat::parse);
    count(vmstat.is_err());
    if let Ok(vmstat) = vmstat {
        let page = host.page_size();
        metrics.swap_in.inner().store(vmstat.pswpin.saturating_mul(page), Ordering::Relaxed);
        metrics.swap_out.inner().store(vmstat.pswpout.saturating_mul(page), Ordering::Relaxed);
        metrics.kernel_oom_kills.inner().store(vmstat.oom_kill.unwrap_or(0), Ordering::Relaxed);
    }
    let swappiness = host.read("/proc/sys/vm/swappiness");
    let swappiness = swappiness.ok().and_then(|bytes| String::from_utf8(bytes).ok()?.trim().parse().ok());
    count(swappiness.is_none());
    if let Some(swappiness) = swappiness {
        metrics.swappiness.set(swappiness);
    }
    // A kernel may have no PSI; that is no error.
    if let Ok(pressure) = parsed(host, PRESSURE, pressure::parse) {
        set_seconds(&metrics.waiting, pressure.some.total_us);
        if let Some(full) = pressure.full {
            set_seconds(&metrics.stalled, full.total_us);
            metrics.full_avg60.set(full.avg60 / 100.0);
        }
    }
}

fn parsed<T>(host: &Host, path: &str, parse: fn(&[u8]) -> std::result::Result<T, ParseError>) -> Result<T> {
    let bytes = host.read(path)?;
    parse(&bytes).map_err(|source| content(path, source))
}

fn content(path: &str, source: ParseError) -> HostError {
    HostError::Content { path: path.to_owned(), source }
}

fn set_seconds(counter: &Seconds, microseconds: u64) {
    // How the counter keeps a fraction: its bits.
    counter.inner().store((microseconds as f64 / 1e6).to_bits(), Ordering::Relaxed);
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
