//! What is reported of a log: the JSON of `oomguard incident --format json`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::minutes::Growth;

/// The name and version of the JSON.
pub const SCHEMA: &str = "oomguard.incident/1";

/// Everything that a log says about memory running out. A value that the log does not show is null.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// `oomguard.incident/1`
    pub schema: String,
    /// What was read: a file, `-`, `journal` or `/dev/kmsg`.
    pub source: String,
    /// Records that are missing in the log, as far as it says so.
    pub lost_records: u64,
    /// One for each episode, in the order of the log.
    pub incidents: Vec<Incident>,
}

/// One episode of memory running out, however many processes it killed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Incident {
    /// When it began: a date and time as the log has it, else the seconds after boot.
    pub start: Option<String>,
    /// When the last process was killed.
    pub end: Option<String>,
    /// What ran out.
    pub scope: Scope,
    /// The cgroup whose limit was hit, when it was one.
    pub oom_memcg: Option<String>,
    /// The cgroup of all victims, when it is one.
    pub memcg: Option<String>,
    /// Why memory ran out.
    pub cause: Cause,
    /// What contributed.
    pub also: Vec<Cause>,
    /// The cause in a sentence.
    pub summary: String,
    /// Whose limit it was: the host's, the victim's own cgroup's, or that of a cgroup above it.
    pub limit: LimitOf,
    /// The lines that prove it.
    pub evidence: Vec<Evidence>,
    /// Who asked for memory when there was none; one for each report of the kernel whose head is there.
    pub triggers: Vec<Trigger>,
    /// Who was killed, in order, each once.
    pub kills: Vec<Kill>,
    /// Kills beyond the first 10,000.
    pub kills_left_out: u64,
    /// Processes that only the kernel's reaper names: their kill line is lost.
    pub reaped_only: Vec<Trigger>,
    /// Who had the most memory at the kill, by resident and swapped memory.
    pub top_consumers: Vec<Consumer>,
    /// The program that held the most.
    pub culprit: Option<Culprit>,
    /// The program that grew the most over the minutes before, when a recorder kept them.
    pub growth: Option<Growth>,
    /// Why the kernel took these, a sentence each.
    pub why: Vec<String>,
    /// Where the memory was.
    pub memory: Memory,
    /// What went down with the victims.
    pub lost: Lost,
    /// What to change.
    pub advice: Vec<Advice>,
    /// The incidents before it in this log.
    pub before: Before,
    /// The kernel's release, `6.1.0-18-amd64`.
    pub kernel: Option<String>,
}

/// What ran out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// The host's memory.
    Global,
    /// The limit of a cgroup.
    Memcg,
    /// The memory of the nodes that a cpuset allows.
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
    /// The limit of the cgroup that the victim was in.
    OwnCgroup,
    /// The limit of a cgroup above the victim's.
    ParentCgroup,
    /// Of a cgroup; the log does not show of which.
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
    /// Memory was full, and there was no swap.
    NoSwap,
    /// One process grew without end.
    Leak,
    /// Many processes of one program ran at once.
    Burst,
    /// A cgroup reached its limit.
    CgroupLimit,
    /// Shared memory or files in a tmpfs filled it.
    Shmem,
    /// The kernel's own memory filled it: slab or page tables.
    SlabOrPageTables,
    /// Memory was free, but not in one piece.
    Fragmentation,
    /// Memory was free, but not in the zone or on the node that was asked for.
    LowZone,
    /// Somebody asked for it: SysRq-f.
    Sysrq,
    /// The log does not show it.
    #[default]
    Unknown,
}

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// Its number, counted from 1.
    pub line: u64,
    /// Its message, cut to 240 characters.
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

/// Somebody who was killed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Kill {
    /// Who killed: `kernel`, `systemd-oomd`, `earlyoom`, `nohang`, `talos`, or `kubelet` when only it tells of the kill.
    pub by: String,
    /// Process id.
    pub pid: Option<u32>,
    /// Its name, at most 15 bytes.
    pub comm: Option<String>,
    /// User id.
    pub uid: Option<u32>,
    /// Address space; not what was used.
    pub total_vm_kib: Option<u64>,
    /// Anonymous memory.
    pub anon_rss_kib: Option<u64>,
    /// Mapped files.
    pub file_rss_kib: Option<u64>,
    /// Shared memory.
    pub shmem_rss_kib: Option<u64>,
    /// Page tables.
    pub pgtables_kib: Option<u64>,
    /// Swapped out, from the task table.
    pub swap_kib: Option<u64>,
    /// oom_score_adj, from the kill line or the task table.
    pub oom_score_adj: Option<i64>,
    /// Its cgroup.
    pub memcg: Option<String>,
    /// The cgroup whose limit was hit.
    pub oom_memcg: Option<String>,
    /// When.
    pub time: Option<String>,
    /// The line that names it, counted from 1.
    pub line: u64,
}

/// A process of the task table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Consumer {
    /// Process id.
    pub pid: u32,
    /// Its name.
    pub comm: Option<String>,
    /// Resident memory; null where the log does not show how large a page is.
    pub rss_kib: Option<u64>,
    /// Swapped out.
    pub swap_kib: Option<u64>,
    /// oom_score_adj.
    pub oom_score_adj: Option<i64>,
    /// Whether it was killed.
    pub killed: bool,
}

/// The program that held the most memory, all its processes together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Culprit {
    /// Its name.
    pub program: String,
    /// How many processes it had.
    pub processes: u64,
    /// Their resident memory, with what they share counted for each.
    pub rss_kib: Option<u64>,
    /// Their swapped memory.
    pub swap_kib: Option<u64>,
    /// Their part of what all processes of the table held, in percent.
    pub share_percent: u8,
    /// The cgroup, where the log shows it.
    pub memcg: Option<String>,
    /// How many of its processes were killed.
    pub killed: u64,
}

/// Where the memory was, in KiB. What the log does not show is null.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Memory {
    /// All of it.
    pub ram_kib: Option<u64>,
    /// Free.
    pub free_kib: Option<u64>,
    /// Anonymous memory of processes.
    pub anon_kib: Option<u64>,
    /// Cached files.
    pub file_kib: Option<u64>,
    /// Shared memory and tmpfs; a part of what processes and caches hold.
    pub shmem_kib: Option<u64>,
    /// Slab that can be reclaimed.
    pub slab_reclaimable_kib: Option<u64>,
    /// Slab that cannot.
    pub slab_unreclaimable_kib: Option<u64>,
    /// Page tables.
    pub page_tables_kib: Option<u64>,
    /// Cannot be reclaimed (mlock).
    pub unevictable_kib: Option<u64>,
    /// What none of these explains.
    pub unexplained_kib: Option<u64>,
    /// All swap.
    pub swap_total_kib: Option<u64>,
    /// Free swap.
    pub swap_free_kib: Option<u64>,
    /// Of the cgroup whose limit was hit: what it used.
    pub usage_kib: Option<u64>,
    /// Its limit.
    pub limit_kib: Option<u64>,
    /// What the limit is on: `memory`, `memory_and_swap` or `swap`.
    pub limit_on: Option<String>,
    /// Its own swap limit.
    pub swap_limit_kib: Option<u64>,
    /// The size of a page.
    pub page_kib: Option<u64>,
}

/// What went down with the victims.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Lost {
    /// What follows from who was killed, a sentence each, the worst first.
    pub what: Vec<String>,
    /// Users whose user manager was killed: all their sessions.
    pub user_managers: Vec<u32>,
    /// Login sessions that ended within the incident, by their number.
    pub sessions: Vec<String>,
    /// Units that failed, lost a process or were started again.
    pub units: Vec<UnitLoss>,
    /// When the host booted again within an hour.
    pub reboot: Option<String>,
}

/// What happened to a unit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UnitLoss {
    /// Its name.
    pub unit: String,
    /// Whether it went down as a whole.
    pub failed: bool,
    /// Whether a process of it was killed.
    pub process_killed: bool,
    /// Whether it was systemd-oomd that killed it.
    pub killed_by_oomd: bool,
    /// Whether its main process was killed.
    pub main_killed: bool,
    /// Whether systemd started it again.
    pub restarted: bool,
}

/// Something to change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Advice {
    /// What to do.
    pub what: String,
    /// Why.
    pub why: String,
    /// The difference to the policy: a `memory_config` as `oomguard plan --spec FILE` takes it. Null when no policy
    /// says this.
    pub policy: Option<serde_json::Value>,
}

/// The incidents before one in the same log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Before {
    /// How many.
    pub count: u64,
    /// How many of them had the same cause and the same culprit.
    pub alike: u64,
    /// When the last of them began.
    pub last: Option<String>,
}

impl Cause {
    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::MemoryAndSwapFull => "memory and swap were full",
            Self::NoSwap => "memory was full, and there was no swap",
            Self::Leak => "one process grew without end",
            Self::Burst => "many processes of one program ran at once",
            Self::CgroupLimit => "a cgroup reached its limit",
            Self::Shmem => "shared memory or files in a tmpfs filled memory",
            Self::SlabOrPageTables => "the kernel's own memory (slab or page tables) filled it",
            Self::Fragmentation => "memory was free, but not in one piece",
            Self::LowZone => "memory was free, but not in the zone that was asked for",
            Self::Sysrq => "somebody asked the kernel to kill (SysRq-f)",
            Self::Unknown => "the log does not show why memory ran out",
        }
    }
}
