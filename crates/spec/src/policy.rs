//! The memory policy of a host.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::score::Score;
use crate::size::Bytes;
use crate::unit::UnitPattern;

/// A memory policy for one host.
///
/// A part that is `None` is not managed: `check` ignores it and `apply` leaves it alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// The swap that the host must have.
    pub swap: Option<SwapPolicy>,
    /// `vm.swappiness`: 0 to 200 (up to 100 before Linux 5.8), see Documentation/admin-guide/sysctl/vm.rst.
    pub swappiness: Option<u8>,
    /// Protection from the OOM killer.
    pub oom_protection: Option<Protection>,
    /// Alerts.
    pub alerts: Alerts,
    /// Whether `apply` installs the agent, which protects keepers and resets the scores of their children. `None`:
    /// only with an `oom_protection`; see [`Policy::wants_agent`].
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
    /// The wanted size.
    pub size: SwapSize,
    /// The minimum size that is accepted. With a size relative to memory: the minimum wanted size.
    pub minimum: Option<Bytes>,
    /// Absolute path of a new swap file.
    pub file: String,
    /// `swapon --priority`: 0 to 32767, highest first; see swapon(8). `None`: the kernel chooses.
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
    /// The size that `apply` creates if there is no swap and the disk has room.
    pub wanted: Bytes,
    /// Less than this is a finding if the disk has room for more.
    pub required: Bytes,
    /// `apply` never creates less than this.
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

/// Protection from the OOM killer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Protection {
    /// The score of every user's `systemd --user` (user@.service).
    pub systemd_user: Option<Score>,
    /// The score of tmux, screen and zellij servers.
    pub tmux_sessions: Option<Score>,
    /// The scores of protected services.
    pub services: BTreeMap<UnitPattern, ServiceRule>,
    /// The score of processes started inside a keeper's session; the minimum for user.slice.
    pub load: Score,
    /// The scores of services that are killed first.
    pub expendable: BTreeMap<UnitPattern, Score>,
    /// Keepers that are not system services; the first matching rule applies.
    #[serde(default)]
    pub processes: Vec<ProcessRule>,
}

/// Matches keepers among the processes. All given fields must match; at least one of `exe`, `command` and `cgroup` is set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProcessRule {
    /// Target of /proc/PID/exe. The file must be owned by root or, if `user` is set, by that user, because a path in
    /// another mount namespace proves nothing.
    pub exe: Option<String>,
    /// /proc/PID/comm, at most 15 bytes. A process can choose it freely.
    pub command: Option<String>,
    /// Real user: a name in /etc/passwd or a UID.
    pub user: Option<String>,
    /// The cgroup, or a parent of it: `/user.slice/user-1000.slice`.
    pub cgroup: Option<String>,
    /// oom_score_adj.
    pub score: Score,
}

/// Protection of one service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceRule {
    /// `OOMScoreAdjust=`, see systemd.exec(5).
    pub score: Score,
    /// `MemoryLow=`, see systemd.resource-control(5).
    pub memory_low: Option<Bytes>,
}

/// Alerts. The agent raises them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Alerts {
    /// Used swap as a share of total swap.
    pub swap_usage: Option<SwapUsageAlert>,
    /// Alert of every OOM kill.
    pub oom_events: bool,
    /// Memory pressure (PSI, `full avg60`).
    pub memory_pressure: Option<Threshold>,
    /// Absolute path of a program that is run for each event, with the event as JSON on stdin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook: Option<String>,
    /// An http or https URL to which each event is posted as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<String>,
}

/// The two levels of the swap usage alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SwapUsageAlert {
    /// Needs attention.
    pub warning: Option<Threshold>,
    /// Needs action.
    pub critical: Option<Threshold>,
}

/// A percentage that must be exceeded for some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    /// Percent, 0 to 100.
    pub above_percent: u8,
    /// Duration in seconds; 0: immediately.
    pub for_seconds: u32,
}
