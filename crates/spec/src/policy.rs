//! What a host must look like, whatever document or role it came from.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::score::Score;
use crate::size::Bytes;
use crate::unit::UnitPattern;

/// A memory policy for one host.
///
/// A part that is `None` is not asked for: `check` does not look at it and `apply` leaves it alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// The swap that the host must have.
    pub swap: Option<SwapPolicy>,
    /// `vm.swappiness`: 0 to 200 (up to 100 before Linux 5.8), see Documentation/admin-guide/sysctl/vm.rst.
    pub swappiness: Option<u8>,
    /// Who is protected from the OOM killer, and what is not.
    pub oom_protection: Option<Protection>,
    /// When somebody is told.
    pub alerts: Alerts,
    /// Whether `apply` installs the agent, which keeps protection on keepers and off the load. `None`: it does where
    /// there is an `oom_protection`; see [`Policy::wants_agent`].
    #[serde(default)]
    pub agent: Option<bool>,
}

impl Policy {
    /// Whether the agent belongs on a host with this policy.
    #[must_use]
    pub fn wants_agent(&self) -> bool {
        self.agent.unwrap_or(self.oom_protection.is_some())
    }
}

/// The swap that a host must have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SwapPolicy {
    /// What is wanted.
    pub size: SwapSize,
    /// The least that is accepted. With a size relative to memory: the least that is ever wanted.
    pub minimum: Option<Bytes>,
    /// Where a new swap file goes. Absolute.
    pub file: String,
    /// `swapon --priority`: 0 to 32767, higher is used first; see swapon(8). `None` lets the kernel choose.
    pub priority: Option<i16>,
}

/// A size of swap: an amount, or a share of the host's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SwapSize {
    /// An amount.
    Bytes(Bytes),
    /// A share of MemTotal, in thousandths: `0.5x` is 500.
    RamPermille(u32),
}

/// What a [`SwapPolicy`] means on a host with a given amount of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SwapTarget {
    /// What `apply` creates where there is no swap and the disk has room.
    pub wanted: Bytes,
    /// Less than this is a finding, when the disk has room for more.
    pub required: Bytes,
    /// Less than this is never created: better refuse than pretend.
    pub floor: Bytes,
}

impl SwapPolicy {
    /// Works out the sizes for a host with `mem_total` bytes of memory.
    ///
    /// An amount is wanted in full, and its `minimum` is accepted where it is already there or the disk allows no
    /// more. A share of memory is wanted in full and at least `minimum`, where the disk allows it, else the share.
    /// Sizes are rounded up to whole mebibytes, so that a plan does not change with a few reserved pages.
    #[must_use]
    pub fn target(&self, mem_total: Bytes) -> SwapTarget {
        match self.size {
            SwapSize::Bytes(size) => {
                let floor = self.minimum.unwrap_or(size).min(size);
                SwapTarget { wanted: size.max(floor), required: floor, floor }
            }
            SwapSize::RamPermille(permille) => {
                let share = mem_total.permille(permille).round_up_to_mib();
                let wanted = share.max(self.minimum.unwrap_or(share));
                SwapTarget { wanted, required: wanted, floor: share }
            }
        }
    }
}

/// Who is protected from the OOM killer, and what is not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Protection {
    /// The score of every user's `systemd --user` (user@.service).
    pub systemd_user: Option<Score>,
    /// The score of tmux, screen and zellij servers.
    pub tmux_sessions: Option<Score>,
    /// The scores of services that must survive.
    pub services: BTreeMap<UnitPattern, ServiceRule>,
    /// What anything started inside a keeper's session runs at. Never lower for anything in user.slice.
    pub load: Score,
    /// The scores of services that go first.
    pub expendable: BTreeMap<UnitPattern, Score>,
    /// Keepers that are no service of the system: the first rule that names a process decides.
    #[serde(default)]
    pub processes: Vec<ProcessRule>,
}

/// Names keepers among the processes. All that is given must be so; `exe`, `command` or `cgroup` is always given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProcessRule {
    /// The program that it runs: the path that /proc/PID/exe links to. It must belong to root or, where `user` is
    /// given, to that user: a path of another mount namespace proves nothing.
    pub exe: Option<String>,
    /// Its name (/proc/PID/comm, at most 15 bytes). A process chooses its own.
    pub command: Option<String>,
    /// Its real user: a name of /etc/passwd, or a number.
    pub user: Option<String>,
    /// The cgroup that it is in, or is below of: `/user.slice/user-1000.slice`.
    pub cgroup: Option<String>,
    /// Its oom_score_adj.
    pub score: Score,
}

/// How one service is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceRule {
    /// `OOMScoreAdjust=`, see systemd.exec(5).
    pub score: Score,
    /// `MemoryLow=`, see systemd.resource-control(5).
    pub memory_low: Option<Bytes>,
}

/// When somebody is told. Read and kept here; the agent acts on it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Alerts {
    /// Used swap, as a share of all swap.
    pub swap_usage: Option<SwapUsageAlert>,
    /// `true`: any OOM kill.
    pub oom_events: bool,
    /// Memory pressure (PSI, `full avg60`).
    pub memory_pressure: Option<Threshold>,
    /// A program that is run for each event, with the event as JSON on its standard input. Absolute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook: Option<String>,
    /// An http or https address that each event is posted to as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<String>,
}

/// The two steps of the alert for used swap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SwapUsageAlert {
    /// Somebody should look.
    pub warning: Option<Threshold>,
    /// Somebody must act.
    pub critical: Option<Threshold>,
}

/// A percentage that must be exceeded for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    /// Percent, 0 to 100.
    pub above_percent: u8,
    /// For how many seconds. 0: at once.
    pub for_seconds: u32,
}
