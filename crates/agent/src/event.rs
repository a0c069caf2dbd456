//! What happened: the types of all events, how bad each is, and how it is said to people.

use oomguard_spec::size::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text::Text;

/// The name and version of one event in the log, for hooks and for webhooks.
pub const SCHEMA: &str = "oomguard.event/1";

/// How bad an event is, by the numbers of syslog(3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Something died, or will: somebody must act now.
    Critical,
    /// Something does not work.
    Error,
    /// Somebody should look.
    Warning,
    /// It is over, or worth knowing.
    Notice,
    /// All in order.
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

    /// Its name.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
            Self::Info => "info",
        }
    }
}

/// Whose memory ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Constraint {
    /// The machine's.
    Global,
    /// A cgroup's, at its limit.
    Memcg,
    /// The kernel's line did not say, or was lost.
    Unknown,
}

/// How far the used swap is over the policy's thresholds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SwapStep {
    /// Under both.
    #[default]
    Cleared,
    /// Somebody should look.
    Warning,
    /// Somebody must act.
    Critical,
}

/// How a protected process ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The OOM killer killed it.
    OomKilled,
    /// A signal ended it; its number.
    Signal(i32),
    /// It ended by itself; its exit code.
    Exited(i32),
    /// Nobody saw how.
    Unseen,
}

/// Something that was lost because it was not read in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The kernel's log, /dev/kmsg.
    Kmsg,
    /// The process connector.
    Connector,
    /// The agent's own queue for the event log, hooks and webhooks.
    Queue,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    /// The kernel's OOM killer killed a process.
    OomKill {
        /// Its number.
        pid: i32,
        /// Its name, at most 15 bytes.
        comm: Text,
        /// Its user.
        uid: Option<u32>,
        /// Its oom_score_adj.
        score: Option<i32>,
        /// Its memory in RAM.
        rss_bytes: Option<u64>,
        /// Whose memory ran out.
        constraint: Constraint,
        /// The cgroup that was at its limit.
        limited_cgroup: Option<Text>,
        /// The cgroup that it was in.
        cgroup: Option<Text>,
    },
    /// The kernel counted more kills than it told of: its log overflowed.
    UnseenKills {
        /// How many more.
        count: u64,
    },
    /// The counter of a cgroup says that processes in it or below it were killed, and the kernel's log does not name them.
    CgroupOom {
        /// The cgroup.
        cgroup: Text,
        /// How many, since the last event.
        kills: u64,
    },
    /// Memory pressure is above the policy's threshold, and has been for the policy's time.
    PressureHigh {
        /// The share of the last minute in which nothing could run for want of memory, in percent.
        full_avg60_percent: f64,
        /// The threshold.
        above_percent: u8,
    },
    /// Memory pressure is low again.
    PressureLow {
        /// The share of the last minute in which nothing could run for want of memory, in percent.
        full_avg60_percent: f64,
    },
    /// Used swap went over or under one of the policy's thresholds.
    SwapUsage {
        /// Where it is now.
        step: SwapStep,
        /// Where it was.
        was: SwapStep,
        /// Used swap.
        used_bytes: u64,
        /// All swap.
        total_bytes: u64,
        /// Memory that programs can still get without swapping.
        available_bytes: u64,
    },
    /// A keeper that the policy protects has ended.
    ProtectedProcessDied {
        /// Its number.
        pid: i32,
        /// Its name.
        comm: Text,
        /// Its unit.
        unit: Option<Text>,
        /// The score that it had.
        score: i32,
        /// How it ended.
        ending: Ending,
    },
    /// A keeper started and was given its score.
    KeeperProtected {
        /// Its number.
        pid: i32,
        /// Its name.
        comm: Text,
        /// Its unit.
        unit: Option<Text>,
        /// The score before.
        from: i32,
        /// The score now.
        to: i32,
    },
    /// Load was protected without being declared, and the protection was taken off.
    LeakMended {
        /// Its number.
        pid: i32,
        /// Its name.
        comm: Text,
        /// Its unit.
        unit: Option<Text>,
        /// The score before.
        from: i32,
        /// The score now.
        to: i32,
    },
    /// The guard could not write a score: a keeper is not protected, or load stays so.
    ScoreNotWritten {
        /// Its number.
        pid: i32,
        /// Its name.
        comm: Text,
        /// Its score.
        score: i32,
        /// Why it could not be written.
        why: Text,
    },
    /// Events were lost; what was in them nobody knows.
    LostEvents {
        /// Where.
        source: Source,
        /// How many, where that is known.
        count: Option<u64>,
    },
    /// A source of the kernel's cannot be used; what is done instead.
    SourceMissing {
        /// Which.
        source: Text,
        /// Why.
        why: Text,
        /// What is done instead.
        instead: Text,
    },
    /// The policy was read again.
    PolicyReloaded {
        /// Where it comes from.
        policy: Text,
    },
    /// The policy could not be read, and the one before stays.
    PolicyRejected {
        /// Where it comes from.
        policy: Text,
        /// What is wrong with it.
        why: Text,
    },
    /// The agent began its work.
    AgentStarted {
        /// Its version.
        version: Text,
        /// Where the policy comes from.
        policy: Text,
    },
    /// The agent ends, as it was asked to.
    AgentStopped,
}

/// The kinds of events as they are named in the log, in the order of [`Event`].
pub const KINDS: [&str; 16] = [
    "oom_kill",
    "unseen_kills",
    "cgroup_oom",
    "pressure_high",
    "pressure_low",
    "swap_usage",
    "protected_process_died",
    "keeper_protected",
    "leak_mended",
    "score_not_written",
    "lost_events",
    "source_missing",
    "policy_reloaded",
    "policy_rejected",
    "agent_started",
    "agent_stopped",
];

impl Event {
    /// Its kind as it is named in the log.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        let place = match self {
            Self::OomKill { .. } => 0,
            Self::UnseenKills { .. } => 1,
            Self::CgroupOom { .. } => 2,
            Self::PressureHigh { .. } => 3,
            Self::PressureLow { .. } => 4,
            Self::SwapUsage { .. } => 5,
            Self::ProtectedProcessDied { .. } => 6,
            Self::KeeperProtected { .. } => 7,
            Self::LeakMended { .. } => 8,
            Self::ScoreNotWritten { .. } => 9,
            Self::LostEvents { .. } => 10,
            Self::SourceMissing { .. } => 11,
            Self::PolicyReloaded { .. } => 12,
            Self::PolicyRejected { .. } => 13,
            Self::AgentStarted { .. } => 14,
            Self::AgentStopped => 15,
        };
        KINDS[place]
    }

    /// How bad it is.
    #[must_use]
    pub fn level(&self) -> Level {
        match self {
            Self::OomKill { .. } | Self::UnseenKills { .. } => Level::Critical,
            Self::ProtectedProcessDied { ending, .. } => match ending {
                Ending::OomKilled => Level::Critical,
                Ending::Exited(0) => Level::Info,
                Ending::Signal(_) | Ending::Exited(_) | Ending::Unseen => Level::Warning,
            },
            Self::SwapUsage { step, .. } => match step {
                SwapStep::Critical => Level::Critical,
                SwapStep::Warning => Level::Warning,
                SwapStep::Cleared => Level::Notice,
            },
            Self::PolicyRejected { .. } => Level::Error,
            Self::CgroupOom { .. }
            | Self::PressureHigh { .. }
            | Self::ScoreNotWritten { .. }
            | Self::LostEvents { .. }
            | Self::SourceMissing { .. } => Level::Warning,
            Self::PressureLow { .. } | Self::LeakMended { .. } => Level::Notice,
            Self::KeeperProtected { .. }
            | Self::PolicyReloaded { .. }
            | Self::AgentStarted { .. }
            | Self::AgentStopped => Level::Info,
        }
    }

    /// What happened, as a sentence.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::OomKill { pid, comm, score, constraint, limited_cgroup, .. } => {
                let why = match (constraint, limited_cgroup) {
                    (Constraint::Global, _) => "the machine ran out of memory".to_owned(),
                    (Constraint::Memcg, Some(cgroup)) => format!("{cgroup} reached its memory limit"),
                    (Constraint::Memcg, None) => "its cgroup reached its memory limit".to_owned(),
                    (Constraint::Unknown, _) => "why was not said".to_owned(),
                };
                let score = score.map_or(String::new(), |score| format!(" at {score}"));
                format!("the kernel killed {comm} (pid {pid}){score}: {why}")
            }
            Self::UnseenKills { count } => format!(
                "the kernel counted {} that its log does not show: the log overflowed",
                counted(*count, "OOM kill")
            ),
            Self::CgroupOom { cgroup, kills } => {
                format!("{} in {cgroup} without a line in the kernel's log", counted(*kills, "OOM kill"))
            }
            Self::PressureHigh { full_avg60_percent, above_percent } => format!(
                "for {full_avg60_percent:.1} % of the last minute nothing could run for want of memory, more than \
                 {above_percent} %"
            ),
            Self::PressureLow { full_avg60_percent } => {
                format!("memory pressure is low again: {full_avg60_percent:.1} % of the last minute")
            }
            Self::SwapUsage { step, used_bytes, total_bytes, available_bytes, .. } => {
                let what = match step {
                    SwapStep::Critical => "swap is nearly full, and memory is short or swap is moving",
                    SwapStep::Warning => "much swap is used",
                    SwapStep::Cleared => "swap usage is fine again",
                };
                let (used, total, available) =
                    (Bytes(*used_bytes), Bytes(*total_bytes), Bytes(*available_bytes));
                format!("{what}: {used} of {total}, {available} of memory available")
            }
            Self::ProtectedProcessDied { pid, comm, ending, .. } => {
                let how = match ending {
                    Ending::OomKilled => "was killed by the OOM killer".to_owned(),
                    Ending::Signal(number) => format!("was ended by signal {number}"),
                    Ending::Exited(code) => format!("ended by itself with {code}"),
                    Ending::Unseen => "is gone".to_owned(),
                };
                format!("the protected process {comm} (pid {pid}) {how}")
            }
            Self::KeeperProtected { pid, comm, from, to, .. } => {
                format!("{comm} (pid {pid}) is a keeper: its oom_score_adj went from {from} to {to}")
            }
            Self::LeakMended { pid, comm, from, to, .. } => {
                format!(
                    "{comm} (pid {pid}) was protected without being declared: its oom_score_adj went from {from} to {to}"
                )
            }
            Self::ScoreNotWritten { pid, comm, score, why } => {
                format!("{comm} (pid {pid}) stays at {score}: {why}")
            }
            Self::LostEvents { source, count } => {
                let source = match source {
                    Source::Kmsg => "of the kernel's log were overwritten before they were read",
                    Source::Connector => {
                        "of the process connector were lost; all processes are looked at again"
                    }
                    Source::Queue => "for the event log, hook or webhook did not fit into the queue",
                };
                let number = count.map_or("some records".to_owned(), |count| counted(count, "record"));
                format!("{number} {source}")
            }
            Self::SourceMissing { source, why, instead } => {
                format!("{source} cannot be used ({why}): {instead}")
            }
            Self::PolicyReloaded { policy } => format!("the policy was read again: {policy}"),
            Self::PolicyRejected { policy, why } => {
                format!("{policy} cannot be used, and what was in force before stays in force: {why}")
            }
            Self::AgentStarted { version, policy } => format!("oomguard {version} begins; policy: {policy}"),
            Self::AgentStopped => "the agent ends".to_owned(),
        }
    }
}

/// `1 record`, `2 records`.
fn counted(number: u64, word: &str) -> String {
    format!("{number} {word}{}", if number == 1 { "" } else { "s" })
}

/// An event with when it happened, as it is in the log and as hooks get it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Entry {
    /// `oomguard.event/1`
    pub schema: String,
    /// When, in UTC: `2026-01-23T14:05:06.789Z`.
    pub time: String,
    /// How bad it is.
    pub level: Level,
    /// What happened, as a sentence.
    pub message: Text,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

impl Entry {
    /// An event at a time, in milliseconds since 1970.
    #[must_use]
    pub fn new(event: Event, time_ms: u64) -> Self {
        let time = i64::try_from(time_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
        Self {
            schema: SCHEMA.to_owned(),
            time: format!("{:.3}", time.unwrap_or_default()),
            level: event.level(),
            message: Text::new(&event.message()),
            event,
        }
    }

    /// When it happened, in milliseconds since 1970; `None` when its time is none.
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
        let comm = || Text::new("tmux: server");
        let unit = Some(Text::new("session-3.scope"));
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
            Event::UnseenKills { count: 3 },
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
            Event::LeakMended { pid: 1, comm: comm(), unit, from: -800, to: 0 },
            Event::ScoreNotWritten { pid: 1, comm: comm(), score: -800, why: "it is not ours".into() },
            Event::LostEvents { source: Source::Kmsg, count: Some(7) },
            Event::SourceMissing { source: "connector".into(), why: "no".into(), instead: "a scan".into() },
            Event::PolicyReloaded { policy: "ci".into() },
            Event::PolicyRejected { policy: "ci".into(), why: "no size".into() },
            Event::AgentStarted { version: "1".into(), policy: "ci".into() },
            Event::AgentStopped,
        ]
    }

    #[test]
    fn each_kind_has_its_name_and_reads_back() {
        let kinds: Vec<_> = one_of_each().iter().map(Event::kind).collect();
        assert_eq!(kinds, KINDS);
        for event in one_of_each() {
            let entry = Entry::new(event.clone(), 1_769_177_106_789);
            let json = serde_json::to_value(&entry).unwrap();
            assert_eq!(json["kind"], event.kind());
            assert_eq!(json["schema"], SCHEMA);
            assert_eq!(serde_json::from_value::<Entry>(json).unwrap(), entry);
            assert!(entry.message.as_str().chars().all(|c| !c.is_control()));
            assert!(entry.message.as_str().starts_with(|c: char| !c.is_uppercase()));
        }
    }

    #[test]
    fn an_entry_as_hooks_get_it() {
        let kill = one_of_each().remove(0);
        let entry = Entry::new(kill, 1_769_177_106_789);
        let expected = json!({
            "schema": "oomguard.event/1", "time": "2026-01-23T14:05:06.789Z", "level": "critical",
            "message": "the kernel killed rustc (pid 812) at 0: /a reached its memory limit",
            "kind": "oom_kill", "pid": 812, "comm": "rustc", "uid": 1000, "score": 0, "rss_bytes": 3_221_225_472_u64,
            "constraint": "memcg", "limited_cgroup": "/a", "cgroup": "/a/b",
        });
        assert_eq!(serde_json::to_value(&entry).unwrap(), expected);
        assert_eq!(entry.time_ms(), Some(1_769_177_106_789));
        assert_eq!(Entry::new(Event::AgentStopped, 0).time, "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn text_from_outside_is_made_safe_when_it_is_read_too() {
        let json = json!({"kind": "cgroup_oom", "cgroup": "/a\u{1b}[2J", "kills": 1});
        match serde_json::from_value::<Event>(json).unwrap() {
            Event::CgroupOom { cgroup, .. } => assert_eq!(cgroup.as_str(), "/a?[2J"),
            other => panic!("{other:?}"),
        }
        let ending: Value = serde_json::to_value(Ending::Unseen).unwrap();
        assert_eq!(ending, "unseen");
    }
}
