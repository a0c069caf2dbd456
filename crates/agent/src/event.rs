//! Events: what the agent reports, how severe each one is, and its sentence.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantNames};

use oomguard_text::DisplayText;

mod message;

/// The name and version of one event in the log, for hooks and for webhooks.
pub const SCHEMA: &str = "oomguard.event/1";

/// Severity, in the order of syslog(3).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema, IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Level {
    /// Something was killed or is about to be: act now.
    Critical,
    /// Something does not work.
    Error,
    /// Needs attention.
    Warning,
    /// A condition has cleared, or is worth knowing.
    Notice,
    /// Normal operation.
    Info,
}

impl Level {
    /// The number that sd-daemon(3) puts before a line.
    #[must_use]
    pub fn priority(self) -> u8 {
        match self {
            Self::Critical => 2,
            Self::Error => 3,
            Self::Warning => 4,
            Self::Notice => 5,
            Self::Info => 6,
        }
    }

    /// The name as it is serialized: `critical`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// What ran out of memory.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, IntoStaticStr, VariantNames,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Constraint {
    /// The host.
    Global,
    /// A cgroup, at its limit.
    Memcg,
    /// Not in the kernel's line, or the line was lost.
    Unknown,
}

/// Swap usage relative to the thresholds of the policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SwapStep {
    /// Below both thresholds.
    #[default]
    Cleared,
    /// Above the warning threshold.
    Warning,
    /// Above the critical threshold, while memory is low or swap I/O is high.
    Critical,
}

/// How a protected process ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Killed by the OOM killer.
    OomKilled,
    /// Killed by this signal.
    Signal(i32),
    /// Exited with this status.
    Exited(i32),
    /// The exit was not observed.
    Unknown,
}

/// Where records were lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The kernel log, /dev/kmsg.
    Kmsg,
    /// The process connector.
    Connector,
    /// The agent's own queue for the event log, hook and webhook.
    Queue,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, IntoStaticStr, VariantNames)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Event {
    /// The kernel's OOM killer killed a process.
    OomKill {
        /// Process id.
        pid: i32,
        /// Command name, at most 15 bytes.
        comm: DisplayText,
        /// User id.
        uid: Option<u32>,
        /// oom_score_adj.
        score: Option<i32>,
        /// Resident memory.
        rss_bytes: Option<u64>,
        /// What ran out of memory.
        constraint: Constraint,
        /// The cgroup that reached its limit.
        limited_cgroup: Option<DisplayText>,
        /// The cgroup of the process.
        cgroup: Option<DisplayText>,
    },
    /// The kernel counted more OOM kills than its log shows, because the log overflowed.
    UnloggedKills {
        /// Number of missing kills.
        count: u64,
    },
    /// Processes in a cgroup were OOM-killed, and the kernel log does not name them.
    CgroupOom {
        /// The cgroup; its descendants are included.
        cgroup: DisplayText,
        /// Kills since the last event.
        kills: u64,
    },
    /// Memory pressure has been above the policy's threshold for the policy's time.
    PressureHigh {
        /// Share of the last minute in which all tasks were stalled on memory, in percent.
        full_avg60_percent: f64,
        /// The threshold.
        above_percent: u8,
    },
    /// Memory pressure is back to normal.
    PressureLow {
        /// Share of the last minute in which all tasks were stalled on memory, in percent.
        full_avg60_percent: f64,
    },
    /// Swap usage crossed one of the policy's thresholds.
    SwapUsage {
        /// The step now.
        step: SwapStep,
        /// The step before.
        was: SwapStep,
        /// Used swap.
        used_bytes: u64,
        /// All swap.
        total_bytes: u64,
        /// Memory available without swapping.
        available_bytes: u64,
    },
    /// A keeper that the policy protects ended.
    ProtectedProcessDied {
        /// Process id.
        pid: i32,
        /// Command name.
        comm: DisplayText,
        /// systemd unit.
        unit: Option<DisplayText>,
        /// Its oom_score_adj.
        score: i32,
        /// How it ended.
        ending: Ending,
    },
    /// A keeper started and got its score.
    KeeperProtected {
        /// Process id.
        pid: i32,
        /// Command name.
        comm: DisplayText,
        /// systemd unit.
        unit: Option<DisplayText>,
        /// oom_score_adj before.
        from: i32,
        /// oom_score_adj now.
        to: i32,
    },
    /// Undeclared protection was removed from load.
    LeakFixed {
        /// Process id.
        pid: i32,
        /// Command name.
        comm: DisplayText,
        /// systemd unit.
        unit: Option<DisplayText>,
        /// oom_score_adj before.
        from: i32,
        /// oom_score_adj now.
        to: i32,
    },
    /// The guard could not write a score: a keeper is not protected, or load still is.
    ScoreWriteFailed {
        /// Process id.
        pid: i32,
        /// Command name.
        comm: DisplayText,
        /// Its oom_score_adj, unchanged.
        score: i32,
        /// The reason.
        why: DisplayText,
    },
    /// Records were lost before they were read.
    LostEvents {
        /// Where.
        source: Source,
        /// How many, where that is known.
        count: Option<u64>,
    },
    /// A kernel interface is unavailable.
    SourceUnavailable {
        /// The interface.
        source: DisplayText,
        /// The reason.
        why: DisplayText,
        /// What the agent does instead.
        fallback: DisplayText,
    },
    /// The policy was reloaded.
    PolicyReloaded {
        /// Where it comes from.
        policy: DisplayText,
    },
    /// The new policy is not valid; the previous one stays in force.
    PolicyRejected {
        /// Where it comes from.
        policy: DisplayText,
        /// The error.
        why: DisplayText,
    },
    /// The agent started.
    AgentStarted {
        /// Its version.
        version: DisplayText,
        /// Where the policy comes from.
        policy: DisplayText,
    },
    /// The agent stopped on request.
    AgentStopped,
}

/// The kinds of events as they are named in the log, in the order of [`Event`].
pub const KINDS: &[&str] = Event::VARIANTS;

impl Event {
    /// The kind as it is named in the log: `oom_kill`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.into()
    }

    /// How severe it is.
    #[must_use]
    pub fn level(&self) -> Level {
        match self {
            Self::OomKill { .. } | Self::UnloggedKills { .. } => Level::Critical,
            Self::ProtectedProcessDied { ending, .. } => match ending {
                Ending::OomKilled => Level::Critical,
                Ending::Exited(0) => Level::Info,
                Ending::Signal(_) | Ending::Exited(_) | Ending::Unknown => Level::Warning,
            },
            Self::SwapUsage { step, .. } => match step {
                SwapStep::Critical => Level::Critical,
                SwapStep::Warning => Level::Warning,
                SwapStep::Cleared => Level::Notice,
            },
            Self::PolicyRejected { .. } => Level::Error,
            Self::CgroupOom { .. }
            | Self::PressureHigh { .. }
            | Self::ScoreWriteFailed { .. }
            | Self::LostEvents { .. }
            | Self::SourceUnavailable { .. } => Level::Warning,
            Self::PressureLow { .. } | Self::LeakFixed { .. } => Level::Notice,
            Self::KeeperProtected { .. }
            | Self::PolicyReloaded { .. }
            | Self::AgentStarted { .. }
            | Self::AgentStopped => Level::Info,
        }
    }

    /// The event as a sentence without a capital and a full stop, for logs and tables.
    #[must_use]
    pub fn message(&self) -> String {
        self.to_string()
    }
}

/// An event with its time, as it is in the log and as hooks get it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Entry {
    /// `oomguard.event/1`
    pub schema: String,
    /// When, in UTC: `2026-01-23T14:05:06.789Z`.
    pub time: String,
    /// How severe it is.
    pub level: Level,
    /// The event as a sentence.
    pub message: DisplayText,
    /// The event.
    #[serde(flatten)]
    pub event: Event,
}

impl Entry {
    /// `time_ms` is in milliseconds since 1970.
    #[must_use]
    pub fn new(event: Event, time_ms: u64) -> Self {
        let time = i64::try_from(time_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
        Self {
            schema: SCHEMA.to_owned(),
            time: format!("{:.3}", time.unwrap_or_default()),
            level: event.level(),
            message: DisplayText::new(event.message()),
            event,
        }
    }

    /// When it happened, in milliseconds since 1970; `None` when `time` is not a valid time.
    #[must_use]
    pub fn time_ms(&self) -> Option<u64> {
        let time: jiff::Timestamp = self.time.parse().ok()?;
        u64::try_from(time.as_millisecond()).ok()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// One of each kind, in the order of [`KINDS`].
    pub(crate) fn one_of_each() -> Vec<Event> {
        let comm = || DisplayText::new("tmux: server");
        let unit = Some(DisplayText::new("session-3.scope"));
        vec![
            Event::OomKill {
                pid: 812,
                comm: "rustc".into(),
                uid: Some(1000),
                score: Some(0),
                rss_bytes: Some(3 << 30),
                constraint: Constraint::Memcg,
                limited_cgroup: Some("/a".into()),
                cgroup: Some("/a/b".into()),
            },
            Event::UnloggedKills { count: 3 },
            Event::CgroupOom { cgroup: "/user.slice".into(), kills: 1 },
            Event::PressureHigh { full_avg60_percent: 12.5, above_percent: 10 },
            Event::PressureLow { full_avg60_percent: 0.5 },
            Event::SwapUsage {
                step: SwapStep::Critical,
                was: SwapStep::Warning,
                used_bytes: 9 << 30,
                total_bytes: 10 << 30,
                available_bytes: 1 << 20,
            },
            Event::ProtectedProcessDied {
                pid: 1,
                comm: comm(),
                unit: unit.clone(),
                score: -800,
                ending: Ending::Signal(9),
            },
            Event::KeeperProtected { pid: 1, comm: comm(), unit: unit.clone(), from: 0, to: -800 },
            Event::LeakFixed { pid: 1, comm: comm(), unit, from: -800, to: 0 },
            Event::ScoreWriteFailed { pid: 1, comm: comm(), score: -800, why: "it is not ours".into() },
            Event::LostEvents { source: Source::Kmsg, count: Some(7) },
            Event::SourceUnavailable {
                source: "connector".into(),
                why: "no".into(),
                fallback: "a scan".into(),
            },
            Event::PolicyReloaded { policy: "ci".into() },
            Event::PolicyRejected { policy: "ci".into(), why: "no size".into() },
            Event::AgentStarted { version: "1".into(), policy: "ci".into() },
            Event::AgentStopped,
        ]
    }

    #[test]
    fn every_kind_has_its_name_and_round_trips() {
        let kinds: Vec<_> = one_of_each().iter().map(Event::kind).collect();
        assert_eq!(kinds, KINDS);
        for event in one_of_each() {
            let entry = Entry::new(event.clone(), 1_769_177_106_789);
            let json = serde_json::to_value(&entry).unwrap();
            assert_eq!(json["kind"], event.kind());
            assert_eq!(json["schema"], SCHEMA);
            assert_eq!(serde_json::from_value::<Entry>(json).unwrap(), entry);
            assert!(entry.message.as_str().chars().all(|c| !oomguard_text::is_unsafe(c)));
            assert!(entry.message.as_str().starts_with(|c: char| !c.is_uppercase()));
        }
    }

    #[test]
    fn hooks_get_this_json() {
        let kill = one_of_each().remove(0);
        let entry = Entry::new(kill, 1_769_177_106_789);
        let expected = json!({
            "schema": "oomguard.event/1", "time": "2026-01-23T14:05:06.789Z", "level": "critical",
            "message": "the kernel killed rustc (pid 812, oom_score_adj 0): /a reached its memory limit",
            "kind": "oom_kill", "pid": 812, "comm": "rustc", "uid": 1000, "score": 0, "rss_bytes": 3_221_225_472_u64,
            "constraint": "memcg", "limited_cgroup": "/a", "cgroup": "/a/b",
        });
        assert_eq!(serde_json::to_value(&entry).unwrap(), expected);
        assert_eq!(entry.time_ms(), Some(1_769_177_106_789));
        assert_eq!(Entry::new(Event::AgentStopped, 0).time, "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn text_is_sanitized_when_it_is_deserialized() {
        let json = json!({"kind": "cgroup_oom", "cgroup": "/a\u{1b}[2J", "kills": 1});
        match serde_json::from_value::<Event>(json).unwrap() {
            Event::CgroupOom { cgroup, .. } => assert_eq!(cgroup, "/a\\x1b[2J"),
            other => panic!("{other:?}"),
        }
        let ending: Value = serde_json::to_value(Ending::Unknown).unwrap();
        assert_eq!(ending, "unknown");
    }
}
