//! What is reported of a log: the JSON of `oomguard incident --format json`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::minutes::Growth;

/// The name and version of the JSON.
pub const SCHEMA: &str = "oomguard.incident/1";

/// The OOM incidents of a log. A value that the log does not show is null.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// `oomguard.incident/1`
    pub schema: String,
    /// The log: a path, `-`, `journal` or `/dev/kmsg`.
    pub source: String,
    /// Records missing from the log, as far as it reports them.
    pub lost_records: u64,
    /// One per episode, in the order of the log.
    pub incidents: Vec<Incident>,
}

/// One episode of memory running out, however many processes it killed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Incident {
    /// Start: the date and time as logged, or the seconds since boot.
    pub start: Option<String>,
    /// Time of the last kill.
    pub end: Option<String>,
    /// The memory that ran out.
    pub scope: Scope,
    /// The cgroup whose limit was hit, if any.
    pub oom_memcg: Option<String>,
    /// The cgroup of all victims, if they share one.
    pub memcg: Option<String>,
    /// Why memory ran out.
    pub cause: Cause,
    /// Contributing causes.
    pub also: Vec<Cause>,
    /// The cause as a sentence.
    pub summary: String,
    /// Whose limit was hit: the host, the victim's own cgroup, or a parent cgroup.
    pub limit: LimitOf,
    /// Log lines that support the cause.
    pub evidence: Vec<Evidence>,
    /// The processes whose allocation invoked the OOM killer, one per kernel report.
    pub triggers: Vec<Trigger>,
    /// Killed processes, in order.
    pub kills: Vec<Kill>,
    /// Kills beyond the first 10,000.
    pub kills_left_out: u64,
    /// Processes named only by the OOM reaper: their kill line is missing.
    pub reaped_only: Vec<Trigger>,
    /// The largest processes at the kill, by resident and swapped memory.
    pub top_consumers: Vec<Consumer>,
    /// The program that held the most.
    pub culprit: Option<Culprit>,
    /// The program that grew the most in the minutes before, if the recorder has them.
    pub growth: Option<Growth>,
    /// Why the kernel chose these victims, one sentence each.
    pub why: Vec<String>,
    /// Memory by type.
    pub memory: Memory,
    /// What else was lost with the victims.
    pub lost: Lost,
    /// Recommended changes.
    pub advice: Vec<Advice>,
    /// Earlier incidents in this log.
    pub before: Before,
    /// Kernel release, such as `6.1.0-18-amd64`.
    pub kernel: Option<String>,
}

/// The memory that ran out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// The host's memory.
    Global,
    /// The limit of a cgroup.
    Memcg,
    /// The memory nodes allowed by a cpuset.
    Cpuset,
    /// Several of these.
    Mixed,
    /// The log does not show it.
    #[default]
    Unknown,
}

/// Whose limit was hit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LimitOf {
    /// The host's memory.
    Host,
    /// The limit of the victim's own cgroup.
    OwnCgroup,
    /// The limit of a parent cgroup of the victim.
    ParentCgroup,
    /// The limit of a cgroup; the log does not show which.
    Cgroup,
    /// The log does not show it.
    #[default]
    Unknown,
}

/// Why memory ran out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Memory and swap were full.
    MemoryAndSwapFull,
    /// Memory was full and no swap was configured.
    NoSwap,
    /// One process grew without bound.
    Leak,
    /// Many processes of one program ran at once.
    Burst,
    /// A cgroup reached its limit.
    CgroupLimit,
    /// Shared memory or tmpfs files filled memory.
    Shmem,
    /// Kernel memory (slab or page tables) filled RAM.
    SlabOrPageTables,
    /// Memory was free but too fragmented.
    Fragmentation,
    /// Memory was free, but not in the requested zone or node.
    LowZone,
    /// The OOM killer was invoked manually: SysRq-f.
    Sysrq,
    /// The log does not show it.
    #[default]
    Unknown,
}

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// Line number, from 1.
    pub line: u64,
    /// The message, cut to 240 characters.
    pub text: String,
}

/// A process by name and pid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Trigger {
    /// Its name.
    pub comm: Option<String>,
    /// Its pid.
    pub pid: Option<u32>,
}

/// A killed process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Kill {
    /// The killer: `kernel`, `systemd-oomd`, `earlyoom`, `nohang`, `talos`, or `kubelet` if only kubelet reports the kill.
    pub by: String,
    /// Process id.
    pub pid: Option<u32>,
    /// Process name (comm), at most 15 bytes.
    pub comm: Option<String>,
    /// User id.
    pub uid: Option<u32>,
    /// Size of the address space (not memory in use).
    pub total_vm_kib: Option<u64>,
    /// Anonymous memory.
    pub anon_rss_kib: Option<u64>,
    /// Mapped files.
    pub file_rss_kib: Option<u64>,
    /// Shared memory.
    pub shmem_rss_kib: Option<u64>,
    /// Page tables.
    pub pgtables_kib: Option<u64>,
    /// Swapped memory, from the task table.
    pub swap_kib: Option<u64>,
    /// oom_score_adj, from the kill line or the task table.
    pub oom_score_adj: Option<i64>,
    /// Its cgroup.
    pub memcg: Option<String>,
    /// The cgroup whose limit was hit.
    pub oom_memcg: Option<String>,
    /// When.
    pub time: Option<String>,
    /// Line number of the kill, from 1.
    pub line: u64,
}

/// A process of the task table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Consumer {
    /// Process id.
    pub pid: u32,
    /// Its name.
    pub comm: Option<String>,
    /// Resident memory; null if the log does not show the page size.
    pub rss_kib: Option<u64>,
    /// Swapped out.
    pub swap_kib: Option<u64>,
    /// oom_score_adj.
    pub oom_score_adj: Option<i64>,
    /// Whether it was killed.
    pub killed: bool,
}

/// The program that held the most memory, summed over its processes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Culprit {
    /// Its name.
    pub program: String,
    /// Number of processes.
    pub processes: u64,
    /// Resident memory; shared pages are counted once per process.
    pub rss_kib: Option<u64>,
    /// Swapped memory.
    pub swap_kib: Option<u64>,
    /// Share of the memory of all processes, in percent.
    pub share_percent: u8,
    /// The cgroup, where the log shows it.
    pub memcg: Option<String>,
    /// Number of its processes that were killed.
    pub killed: u64,
}

/// Memory by type, in KiB; null if the log does not show it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Memory {
    /// Total memory.
    pub ram_kib: Option<u64>,
    /// Free.
    pub free_kib: Option<u64>,
    /// Anonymous memory of processes.
    pub anon_kib: Option<u64>,
    /// Cached files.
    pub file_kib: Option<u64>,
    /// Shared memory and tmpfs; included in process and cache memory.
    pub shmem_kib: Option<u64>,
    /// Reclaimable slab.
    pub slab_reclaimable_kib: Option<u64>,
    /// Unreclaimable slab.
    pub slab_unreclaimable_kib: Option<u64>,
    /// Page tables.
    pub page_tables_kib: Option<u64>,
    /// Unevictable memory (mlock).
    pub unevictable_kib: Option<u64>,
    /// Memory not accounted for by the others.
    pub unexplained_kib: Option<u64>,
    /// All swap.
    pub swap_total_kib: Option<u64>,
    /// Free swap.
    pub swap_free_kib: Option<u64>,
    /// Usage of the cgroup whose limit was hit.
    pub usage_kib: Option<u64>,
    /// Its limit.
    pub limit_kib: Option<u64>,
    /// What the limit applies to: `memory`, `memory_and_swap` or `swap`.
    pub limit_on: Option<String>,
    /// The swap limit of the cgroup.
    pub swap_limit_kib: Option<u64>,
    /// Page size.
    pub page_kib: Option<u64>,
}

/// What else was lost with the victims.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Lost {
    /// Consequences of the kills, one sentence each, worst first.
    pub what: Vec<String>,
    /// UIDs whose user manager was killed, which ends all their sessions.
    pub user_managers: Vec<u32>,
    /// IDs of login sessions that ended during the incident.
    pub sessions: Vec<String>,
    /// Units that failed, lost a process or were restarted.
    pub units: Vec<UnitLoss>,
    /// Time of a reboot within an hour.
    pub reboot: Option<String>,
}

/// What happened to a unit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UnitLoss {
    /// Its name.
    pub unit: String,
    /// Whether the unit failed.
    pub failed: bool,
    /// Whether one of its processes was killed.
    pub process_killed: bool,
    /// Whether systemd-oomd killed it.
    pub killed_by_oomd: bool,
    /// Whether its main process was killed.
    pub main_killed: bool,
    /// Whether systemd restarted it.
    pub restarted: bool,
}

/// A recommended change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Advice {
    /// What to do.
    pub what: String,
    /// Why.
    pub why: String,
    /// The change as a `memory_config` for `oomguard plan --spec FILE`; null if a policy cannot express it.
    pub policy: Option<serde_json::Value>,
}

/// Earlier incidents in the same log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Before {
    /// How many.
    pub count: u64,
    /// Number with the same cause and culprit.
    pub alike: u64,
    /// Start of the last one.
    pub last: Option<String>,
}

impl Cause {
    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::MemoryAndSwapFull => "memory and swap were full",
            Self::NoSwap => "memory was full and no swap was configured",
            Self::Leak => "one process grew without bound",
            Self::Burst => "many processes of one program ran at once",
            Self::CgroupLimit => "a cgroup reached its limit",
            Self::Shmem => "shared memory or tmpfs files filled memory",
            Self::SlabOrPageTables => "kernel memory (slab or page tables) filled RAM",
            Self::Fragmentation => "memory was free but too fragmented",
            Self::LowZone => "memory was free, but not in the requested zone",
            Self::Sysrq => "the OOM killer was invoked manually (SysRq-f)",
            Self::Unknown => "the log does not show why memory ran out",
        }
    }
}
