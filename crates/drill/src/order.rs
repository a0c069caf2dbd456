//! What a drill is to do, and how large its parts are.

use std::time::Duration;

use oomguard_spec::size::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Less than this has no room for a tmux server, a bystander and a load beside each other.
pub const MIN_LIMIT: u64 = 64 << 20;
/// More than this shows nothing that this does not show.
const MAX_DEFAULT_LIMIT: u64 = 256 << 20;
/// A drill takes at most this part of the memory that is available.
const PART: u64 = 8;
/// What a bystander has at most, where the limit is the whole machine.
const MAX_BYSTANDER: u64 = 64 << 20;

/// A load that the program itself makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scene {
    /// Eight processes that need half as much again as there is, together.
    Compile,
    /// One process that needs half as much again as there is.
    Leak,
    /// Twenty-four small processes.
    Swarm,
}

impl Scene {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Compile => "compile",
            Self::Leak => "leak",
            Self::Swarm => "swarm",
        }
    }

    /// So many processes.
    #[must_use]
    pub fn processes(self) -> u32 {
        match self {
            Self::Compile => 8,
            Self::Leak => 1,
            Self::Swarm => 24,
        }
    }

    /// What its processes take of a memory of this size.
    #[must_use]
    pub fn sizes(self, memory: u64) -> Sizes {
        let processes = u64::from(self.processes());
        Sizes { each: memory / 2 * 3 / processes, bystander: (memory / (4 * processes)).min(MAX_BYSTANDER) }
    }
}

/// How large the parts of a drill are, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// What each process of the load grows to.
    pub each: u64,
    /// What the bystander holds: less than a process of the load has when memory runs out, so that with scores as they
    /// should be the load goes first; and more than a load that is protected seems to have.
    pub bystander: u64,
}

/// Whose memory runs out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// A cgroup of the drill's own.
    Cgroup,
    /// The host's.
    Host,
}

/// What the load is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// This program's own.
    Scene(Scene),
    /// A command of a shell, in a folder.
    Command {
        /// What `sh -c` takes.
        line: String,
        /// Where it runs.
        folder: String,
        /// As this user; without one, as root.
        user: Option<String>,
    },
}

/// What a drill is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The load.
    pub work: Work,
    /// Whose memory runs out.
    pub scope: Scope,
    /// The drill's own limit; not used where the host's memory is to run out.
    pub limit: Bytes,
    /// When the load is ended, however far it is.
    pub time: Duration,
    /// The keeper starts at this score, as one that a script has set. Without it, at 0: the guard protects it or nobody does.
    pub keeper_score: Option<i32>,
    /// This program, as systemd and a shell are to start it.
    pub program: String,
}

/// The most that a drill may have, with so much memory available.
#[must_use]
pub fn max_limit(available: u64) -> u64 {
    available / PART
}

/// The limit, where nobody names one.
#[must_use]
pub fn default_limit(available: u64) -> u64 {
    (max_limit(available) >> 20 << 20).min(MAX_DEFAULT_LIMIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drill_is_a_small_part_of_what_is_free() {
        assert_eq!(default_limit(64 << 30), 256 << 20);
        assert_eq!(default_limit(1 << 30), 128 << 20);
        assert_eq!(default_limit((1 << 30) + 5000), 128 << 20);
        assert!(default_limit(300 << 20) < MIN_LIMIT);
    }

    /// The kernel's sum: memory, and for the score its share in thousandths of all.
    #[test]
    fn with_right_scores_the_load_is_first_and_with_inherited_ones_the_bystander_is() {
        // What a process of this program takes without any load.
        let bare = 3 << 20;
        for memory in [MIN_LIMIT, 100 << 20, 256 << 20] {
            for scene in [Scene::Compile, Scene::Leak, Scene::Swarm] {
                let Sizes { each, bystander } = scene.sizes(memory);
                let n = u64::from(scene.processes());
                assert!(each * n > memory, "{scene:?} runs into the limit");
                // As much as each has when the limit is reached, all growing alike: a tmux server and others have 16 MiB.
                let load = i64::try_from((memory - bystander - (16 << 20)) / n).unwrap();
                let bystander = i64::try_from(bystander).unwrap();
                assert!(load > bystander, "{scene:?} of {memory}: {load} {bystander}");
                let protection = i64::try_from(memory).unwrap() / 1000 * 800;
                assert!(load + bare - protection < bystander + bare, "{scene:?} of {memory}");
            }
        }
    }
}
