//! The report of `oomguard status`.

use oomguard_converge::Facts;
use oomguard_converge::facts::swap::{Area, AreaKind, Owner};
use oomguard_converge::facts::{Process, Unread};
use oomguard_converge::target_score::{Bound, target_score};
use oomguard_host::proc::pressure::Averages;
use oomguard_spec::policy::Policy;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The version of the form below.
pub const STATUS_SCHEMA: &str = "oomguard.status/1";

/// What `oomguard status` reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StatusReport {
    /// `oomguard.status/1`
    pub schema: String,
    /// The hostname.
    pub host: String,
    /// MemTotal in bytes.
    pub memory_bytes: u64,
    /// MemAvailable in bytes.
    pub available_bytes: Option<u64>,
    /// Every active swap area.
    pub swap: Vec<SwapStatus>,
    /// vm.swappiness now.
    pub swappiness: Option<u32>,
    /// The value that the next boot sets, as the file has it; absent if no file sets it.
    pub swappiness_after_boot: Option<String>,
    /// Where that is set: `PATH:LINE`.
    pub swappiness_from: Option<String>,
    /// PSI `full` of memory: the percentage of the last 10, 60 and 300 seconds in which all tasks were stalled.
    pub pressure_full: Option<[f64; 3]>,
    /// PSI `some` of memory: the percentage in which at least one task was stalled.
    pub pressure_some: Option<[f64; 3]>,
    /// Protected processes and keepers.
    pub processes: Vec<ProcessStatus>,
    /// What this user could not read.
    pub unread: Vec<Unread>,
}

/// An active swap area.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SwapStatus {
    /// The file or device.
    pub path: String,
    /// In bytes.
    pub size_bytes: u64,
    /// In bytes.
    pub used_bytes: u64,
    /// The area with the highest priority is used first.
    pub priority: i32,
    /// Where it comes from.
    pub made_by: SwapOrigin,
    /// Whether the next boot enables it.
    pub after_boot: bool,
}

/// Where a swap area comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SwapOrigin {
    /// oomguard created it.
    Oomguard,
    /// Something else created it.
    Other,
    /// The journal that would tell cannot be read.
    Unknown,
    /// Compressed memory, which is no swap on disk.
    Zram,
}

/// A protected process or keeper.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProcessStatus {
    /// The process ID.
    pub pid: i32,
    /// The command name.
    pub comm: String,
    /// Its system unit.
    pub unit: Option<String>,
    /// Its oom_score_adj.
    pub score: i32,
    /// The required score: `-900`, `0 or higher`; absent if the policy does not set one.
    pub should: Option<String>,
    /// Whether it has that score.
    pub right: bool,
}

impl StatusReport {
    /// The status of a host under a policy.
    #[must_use]
    pub fn new(host: String, policy: &Policy, facts: &Facts) -> Self {
        let averages = |a: &Averages| [a.avg10, a.avg60, a.avg300];
        let pressure = facts.pressure.as_ref();
        Self {
            schema: STATUS_SCHEMA.to_owned(),
            host,
            memory_bytes: facts.memory.mem_total,
            available_bytes: facts.memory.mem_available,
            swap: facts.swap.areas.iter().map(|area| SwapStatus::new(area, facts)).collect(),
            swappiness: facts.swappiness.live,
            swappiness_after_boot: facts.swappiness.winner().map(|line| line.value.clone()),
            swappiness_from: facts.swappiness.winner().map(|line| format!("{}:{}", line.path, line.line)),
            pressure_full: pressure.and_then(|p| p.full.as_ref()).map(averages),
            pressure_some: pressure.map(|p| averages(&p.some)),
            processes: facts.processes.list.iter().map(|p| ProcessStatus::new(p, policy)).collect(),
            unread: facts.unread.clone(),
        }
    }

    /// Whether a part of the report is empty because it could not be read.
    #[must_use]
    pub fn is_unread(&self, what: &str) -> bool {
        self.unread.iter().any(|unread| unread.what == what)
    }
}

impl SwapStatus {
    fn new(area: &Area, facts: &Facts) -> Self {
        Self {
            path: area.path.clone(),
            size_bytes: area.size,
            used_bytes: area.used,
            priority: area.priority,
            made_by: match (area.kind, area.owner) {
                (AreaKind::Zram, _) => SwapOrigin::Zram,
                (_, Owner::Ours) => SwapOrigin::Oomguard,
                (_, Owner::Foreign) => SwapOrigin::Other,
                (_, Owner::Unknown) => SwapOrigin::Unknown,
            },
            after_boot: facts.swap.is_persistent(&area.path),
        }
    }
}

impl SwapOrigin {
    /// As people read it.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Oomguard => "oomguard",
            Self::Other => "other",
            Self::Unknown => "unknown",
            Self::Zram => "zram",
        }
    }
}

impl ProcessStatus {
    fn new(process: &Process, policy: &Policy) -> Self {
        let bound = target_score(process, policy).bound;
        Self {
            pid: process.pid,
            comm: process.comm.clone(),
            unit: process.unit.clone(),
            score: process.score,
            should: match bound {
                Bound::Exactly(score) => Some(score.to_string()),
                Bound::AtLeast(score) => Some(format!("{score} or higher")),
                Bound::Any => None,
            },
            right: bound.correction(process.score).is_none(),
        }
    }
}
