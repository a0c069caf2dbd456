//! What a drill came to.

use oomguard_text::DisplayText;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::order::{Scene, Scope};

/// The name and version of the report.
pub const SCHEMA: &str = "oomguard.drill/1";

/// What `oomguard drill` prints.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// `oomguard.drill/1`
    pub schema: String,
    /// What the host calls itself.
    pub host: String,
    /// Where the policy comes from, in words.
    pub policy: String,
    /// Seconds since 1970 when it began.
    pub began: u64,
    /// How many seconds it took.
    pub seconds: f64,
    /// The built-in load; nothing where a command was the load.
    pub scene: Option<Scene>,
    /// The command that was the load.
    pub command: Option<String>,
    /// Whose memory was to run out.
    pub scope: Scope,
    /// The drill's memory limit in bytes; nothing where it was the host's memory.
    pub limit_bytes: Option<u64>,
    /// Whether protection was proved: each line of `tried` is good.
    pub proved: bool,
    /// What was tried, and whether it held.
    pub tried: Vec<Tried>,
    /// How it ended.
    pub ending: Ending,
    /// What protection was in force.
    pub protection: Protection,
    /// Who was killed, in that order.
    pub killed: Vec<Kill>,
    /// Kills that the kernel counted in the drill and did not name.
    pub unnamed_kills: u64,
    /// Every protected process of the host, before and after.
    pub protected: Vec<Protected>,
    /// The host's swap.
    pub swap: Swap,
    /// How long tasks of the host waited for memory; nothing where the kernel has no PSI.
    pub pressure: Option<Pressure>,
    /// How long tasks of the drill waited for memory.
    pub pressure_of_drill: Option<Pressure>,
    /// The most memory that the drill had, as far as was seen.
    pub peak_bytes: u64,
}

/// Something that was tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tried {
    /// Whether it held.
    pub good: bool,
    /// What, in words, as it turned out.
    pub what: String,
}

/// How a drill ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The load ended by itself, or was killed as a whole.
    LoadEnded,
    /// The time was over, and the load was ended.
    TimeOver,
    /// The keeper died, and the session with it.
    KeeperDied,
    /// The shell of the keeper's pane died, and the session with it.
    ShellDied,
}

/// What protection was in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Protection {
    /// Whether the agent ran.
    pub agent: bool,
    /// The keeper before the load was started.
    pub keeper: Process,
    /// The score that the policy gives it; nothing where it gives none.
    pub keeper_should: Option<i32>,
    /// The score that the drill gave the keeper on request, as a script would.
    pub keeper_given: Option<i32>,
    /// The lowest score that a process of the load ran at, as last seen of each; nothing where none was seen.
    pub load: Option<i32>,
    /// The policy's score of load: no process of the load may have a lower one.
    pub load_should: i32,
}

/// A process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// Its name.
    pub name: DisplayText,
    /// Its oom_score_adj.
    pub score: i32,
}

/// What a process is in a drill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The tmux server, or the shell in its place.
    Keeper,
    /// The shell of the keeper's pane.
    Shell,
    /// Neither keeper nor load: what a small service or somebody's shell is on a host.
    Bystander,
    /// The load.
    Load,
    /// No part of the drill.
    Elsewhere,
}

/// A process that the kernel killed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Kill {
    /// Its number.
    pub pid: i32,
    /// Its name.
    pub name: DisplayText,
    /// What it was.
    pub role: Role,
    /// Its oom_score_adj.
    pub score: Option<i32>,
    /// Its memory in bytes.
    pub rss_bytes: Option<u64>,
    /// Its cgroup, where the kernel said so.
    pub cgroup: Option<DisplayText>,
}

/// A protected process of the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Protected {
    /// Its number.
    pub pid: i32,
    /// When it started, in clock ticks since boot.
    pub start_time: u64,
    /// Its name.
    pub name: DisplayText,
    /// Its unit.
    pub unit: Option<DisplayText>,
    /// The oom_score_adj that the policy gives it.
    pub score: i32,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a protected process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It lives: the same number, the same start time.
    Lives,
    /// The kernel killed it.
    Killed,
    /// It is gone, and the kernel did not say that it killed it.
    Gone,
}

/// The host's swap, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Swap {
    /// All of it.
    pub total: u64,
    /// Used before.
    pub before: u64,
    /// The most that was used.
    pub most: u64,
    /// Used after.
    pub after: u64,
}

/// How long tasks waited for memory during the drill.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pressure {
    /// Milliseconds in which some task waited.
    pub some_ms: u64,
    /// Milliseconds in which all that were not idle waited.
    pub full_ms: u64,
}
