//! What is recorded. The order of the fields is the file's format: a change needs a new [`super::format::VERSION`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rate::Signals;

/// How many processes of each kind are recorded: the largest, and the fastest growing.
pub const OF_EACH: usize = 15;
/// How many cgroups are recorded at most.
pub const CGROUPS: usize = 12;
/// The longest name of a unit or cgroup that is kept; of a longer one the end is, which tells it from others.
pub const NAME: usize = 80;

/// One look at a host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Record {
    /// Whether it was taken at the fast rate.
    pub pressed: bool,
    /// /proc/meminfo, in bytes.
    pub memory: Memory,
    /// /proc/vmstat: counters since boot.
    pub counters: Counters,
    /// /proc/pressure: time lost waiting for memory, processor and disk. `None` where the kernel has no PSI.
    pub pressure: Option<Pressures>,
    /// How many processes there were.
    pub process_count: u32,
    /// The largest and the fastest growing, the largest first.
    pub processes: Vec<Process>,
    /// The cgroups that hold the most, the largest first. Nested ones count what is below them.
    pub cgroups: Vec<Cgroup>,
    /// How many processes and cgroups did not fit into the record, the least of them.
    pub cut: u16,
}

/// /proc/meminfo, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Memory {
    /// `MemTotal`
    pub total: u64,
    /// `MemAvailable`
    pub available: u64,
    /// `MemFree`
    pub free: u64,
    /// `Buffers`
    pub buffers: u64,
    /// `Cached`
    pub cached: u64,
    /// `AnonPages`
    pub anon: u64,
    /// `Shmem`
    pub shmem: u64,
    /// `Slab`
    pub slab: u64,
    /// `SUnreclaim`
    pub slab_unreclaimable: u64,
    /// `PageTables`
    pub page_tables: u64,
    /// `Dirty`
    pub dirty: u64,
    /// `Writeback`
    pub writeback: u64,
    /// `Committed_AS`
    pub committed: u64,
    /// `SwapTotal`
    pub swap_total: u64,
    /// `SwapFree`
    pub swap_free: u64,
    /// `SwapCached`
    pub swap_cached: u64,
}

/// /proc/vmstat: counters since boot, in pages or events. `None`: this kernel does not have it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counters {
    /// `pswpin`: pages read from swap.
    pub swap_in: Option<u64>,
    /// `pswpout`: pages written to swap.
    pub swap_out: Option<u64>,
    /// `pgmajfault`: faults that waited for a disk.
    pub major_faults: Option<u64>,
    /// `oom_kill`: processes killed for memory.
    pub oom_kills: Option<u64>,
    /// `allocstall_*`: times that somebody had to free memory before getting any.
    pub stalls: Option<u64>,
    /// `pgscan_kswapd`
    pub scanned_by_kswapd: Option<u64>,
    /// `pgscan_direct`
    pub scanned_directly: Option<u64>,
    /// `pgsteal_kswapd`
    pub freed_by_kswapd: Option<u64>,
    /// `pgsteal_direct`
    pub freed_directly: Option<u64>,
    /// `workingset_refault_anon`: pages that were needed again soon after they went to swap.
    pub refaults_anon: Option<u64>,
    /// `workingset_refault_file`: the same of files.
    pub refaults_file: Option<u64>,
    /// `compact_stall`
    pub compaction_stalls: Option<u64>,
}

/// /proc/pressure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Pressures {
    /// Waiting for memory.
    pub memory: Pressure,
    /// Waiting for a processor.
    pub cpu: Pressure,
    /// Waiting for a disk.
    pub io: Pressure,
}

/// The pressure on one resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Pressure {
    /// At least one task waited.
    pub some: Waited,
    /// All tasks that were not idle waited at once. Absent for `cpu` before Linux 5.13.
    pub full: Option<Waited>,
}

/// A share of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Waited {
    /// Percent of the last 10 seconds.
    pub avg10: f32,
    /// Percent of the last 60 seconds.
    pub avg60: f32,
    /// Microseconds since boot.
    pub total_us: u64,
}

/// A process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// When it started, in clock ticks since boot: with the number, this tells it from any other process.
    pub start_time: u64,
    /// Its name, at most 15 bytes.
    pub name: String,
    /// The systemd unit that it is in; of a user's processes the user's own unit. Empty when there is none.
    pub unit: String,
    /// Its oom_score_adj.
    pub score: i32,
    /// Its resident memory, in bytes.
    pub rss: u64,
    /// What it has in swap, in bytes.
    pub swap: u64,
    /// How fast rss and swap grew together since it was last seen, in bytes a second.
    pub growth: i64,
}

/// A cgroup.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cgroup {
    /// Its path below the hierarchy's root.
    pub path: String,
    /// `memory.current`, in bytes.
    pub memory: u64,
    /// `memory.swap.current`, in bytes. `None`: the kernel does not count it.
    pub swap: Option<u64>,
}

impl Record {
    /// An empty record with room for everything, so that filling it needs no memory.
    #[must_use]
    pub fn roomy() -> Self {
        Self {
            processes: Vec::with_capacity(2 * OF_EACH),
            cgroups: Vec::with_capacity(CGROUPS),
            ..Self::default()
        }
    }

    /// What the rate is decided by.
    #[must_use]
    pub fn signals(&self) -> Signals {
        let memory = self.pressure.map(|pressure| pressure.memory);
        Signals {
            total: self.memory.total,
            available: self.memory.available,
            some_avg10: memory.map_or(0.0, |memory| memory.some.avg10),
            full_avg10: memory.and_then(|memory| memory.full).map_or(0.0, |full| full.avg10),
        }
    }
}

/// The end of a name that is too long, at the border of a character.
#[must_use]
pub fn cut_name(name: &str, most: usize) -> &str {
    let mut from = name.len().saturating_sub(most);
    while !name.is_char_boundary(from) {
        from += 1;
    }
    &name[from..]
}
