//! Reading a host into a record.

use oomguard_host::clock::Moment;
use oomguard_host::proc::{meminfo, pressure, vmstat};
use oomguard_host::scan::HeldFile;
use oomguard_host::{Host, HostError, ParseError, Result};

use super::cgroups::{Cgroups, Pace};
use super::processes::{self, Table};
use super::rate::{Rate, Signals};
use super::record::{Counters, Memory, Pressure, Pressures, Record, Waited};

/// What is held open and remembered from record to record.
#[derive(Debug)]
pub struct Snapshots {
    host: Host,
    meminfo: HeldFile,
    vmstat: Option<HeldFile>,
    /// Memory, cpu, io.
    pressure: Option<[HeldFile; 3]>,
    processes: Table,
    cgroups: Cgroups,
}

impl Snapshots {
    pub(super) fn new(host: &Host) -> Result<Self> {
        let hold = |name: &str| host.hold(&format!("/proc/pressure/{name}"), 512).ok();
        let pressure = match [hold("memory"), hold("cpu"), hold("io")] {
            [Some(memory), Some(cpu), Some(io)] => Some([memory, cpu, io]),
            _ => None,
        };
        Ok(Self {
            host: host.clone(),
            meminfo: host.hold("/proc/meminfo", 8 << 10)?,
            vmstat: host.hold("/proc/vmstat", 32 << 10).ok(),
            pressure,
            processes: Table::new(host)?,
            cgroups: Cgroups::new(host),
        })
    }

    /// How many processes the last record looked at.
    pub(super) fn seen(&self) -> usize {
        self.processes.count()
    }

    pub(super) fn take(&mut self, rate: Rate, moment: Moment, record: &mut Record) -> Result<()> {
        record.cut = 0;
        record.pressed = rate.is_pressed();
        record.memory = memory(&mut self.meminfo)?;
        record.pressure = self.pressure.as_mut().and_then(pressures);
        record.counters =
            self.vmstat.as_mut().and_then(|file| Some(counters(file.read().ok()?))).unwrap_or_default();
        let swapping = record.memory.swap_free < record.memory.swap_total;
        let looked = processes::Moment {
            now_us: moment.since_boot_us,
            pressed: record.pressed,
            swapping,
            held: record.memory.anon + record.memory.shmem,
        };
        let quiet = self.processes.take(looked, &mut record.processes)?;
        record.process_count = u32::try_from(self.processes.count()).unwrap_or(u32::MAX);
        let pace = Pace { pressed: record.pressed, quiet };
        self.cgroups.take(&self.host, pace, swapping, &mut record.cgroups);
        Ok(())
    }

    /// Memory and its pressure alone.
    pub(super) fn glance(&mut self) -> Option<Signals> {
        let memory = memory(&mut self.meminfo).ok()?;
        let pressure = self.pressure.as_mut().and_then(|[memory, ..]| one(memory));
        Some(
            Record {
                memory,
                pressure: pressure.map(|memory| Pressures { memory, ..Pressures::default() }),
                ..Record::default()
            }
            .signals(),
        )
    }
}

fn memory(file: &mut HeldFile) -> Result<Memory> {
    const NAMES: [&str; 16] = [
        "MemTotal",
        "MemAvailable",
        "MemFree",
        "Buffers",
        "Cached",
        "AnonPages",
        "Shmem",
        "Slab",
        "SUnreclaim",
        "PageTables",
        "Dirty",
        "Writeback",
        "Committed_AS",
        "SwapTotal",
        "SwapFree",
        "SwapCached",
    ];
    let bytes = file.read()?;
    let found = meminfo::values(bytes, NAMES);
    if found[0].is_none() {
        let source = ParseError::new(0, "MemTotal is missing", bytes);
        return Err(HostError::Content { path: "/proc/meminfo".to_owned(), source });
    }
    let [
        total,
        available,
        free,
        buffers,
        cached,
        anon,
        shmem,
        slab,
        slab_unreclaimable,
        page_tables,
        dirty,
        writeback,
        committed,
        swap_total,
        swap_free,
        swap_cached,
    ] = found.map(Option::unwrap_or_default);
    Ok(Memory {
        total,
        available,
        free,
        buffers,
        cached,
        anon,
        shmem,
        slab,
        slab_unreclaimable,
        page_tables,
        dirty,
        writeback,
        committed,
        swap_total,
        swap_free,
        swap_cached,
    })
}

fn counters(bytes: &[u8]) -> Counters {
    const NAMES: [&str; 12] = [
        "pswpin",
        "pswpout",
        "pgmajfault",
        "oom_kill",
        "allocstall_*",
        "pgscan_kswapd",
        "pgscan_direct",
        "pgsteal_kswapd",
        "pgsteal_direct",
        "workingset_refault_anon",
        "workingset_refault_file",
        "compact_stall",
    ];
    let [
        swap_in,
        swap_out,
        major_faults,
        oom_kills,
        stalls,
        scanned_by_kswapd,
        scanned_directly,
        freed_by_kswapd,
        freed_directly,
        refaults_anon,
        refaults_file,
        compaction_stalls,
    ] = vmstat::counters(bytes, NAMES);
    Counters {
        swap_in,
        swap_out,
        major_faults,
        oom_kills,
        stalls,
        scanned_by_kswapd,
        scanned_directly,
        freed_by_kswapd,
        freed_directly,
        refaults_anon,
        refaults_file,
        compaction_stalls,
    }
}

fn pressures([memory, cpu, io]: &mut [HeldFile; 3]) -> Option<Pressures> {
    Some(Pressures { memory: one(memory)?, cpu: one(cpu)?, io: one(io)? })
}

fn one(file: &mut HeldFile) -> Option<Pressure> {
    let read = pressure::parse(file.read().ok()?).ok()?;
    let waited = |line: pressure::Averages| Waited {
        avg10: line.avg10 as f32,
        avg60: line.avg60 as f32,
        total_us: line.total_us,
    };
    Some(Pressure { some: waited(read.some), full: read.full.map(waited) })
}
