//! The facts that changes rest on and do not contain. A plan's digest covers them, so that it changes when they do.

#![deny(clippy::wildcard_enum_match_arm, reason = "a new change must say which facts it rests on")]

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::change::Change;
use crate::facts::Facts;
use crate::layout;

/// A fact that a change rests on. None of them changes by itself from one minute to the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "fact", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fact {
    /// A swap on disk that is on.
    Swap {
        /// The file or device.
        path: String,
        /// Its size in bytes.
        size: u64,
        /// Its priority.
        priority: i32,
    },
    /// The link that starts the agent at boot.
    AgentLink {
        /// What it points to; `None`: there is no link.
        target: Option<String>,
    },
    /// The agent that runs.
    Agent {
        /// Whether one runs.
        running: bool,
        /// The SHA-256 of the policy that it has loaded.
        policy: Option<String>,
    },
}

/// The facts that a list of changes rests on.
pub(crate) fn of(changes: &[Change], facts: &Facts) -> Vec<Fact> {
    let (mut swap, mut link, mut agent) = (false, false, false);
    for change in changes {
        match change {
            Change::SwapCreate { .. }
            | Change::SwapOn { .. }
            | Change::SwapOff { .. }
            | Change::SwapRetire { .. } => swap = true,
            Change::LinkPut { path, .. } | Change::LinkRemove { path, .. } => {
                link |= path == layout::AGENT_WANTS;
            }
            Change::AgentStart | Change::AgentStop => agent = true,
            // They contain what they replace: bytes, a hash, a value, a process with its start time.
            Change::FileWrite { .. }
            | Change::FileRemove { .. }
            | Change::DirRemove { .. }
            | Change::ProgramInstall { .. }
            | Change::ProgramRemove { .. }
            | Change::Sysctl { .. }
            | Change::ReloadSystem
            | Change::ReloadUserManager { .. }
            | Change::Score { .. } => {}
        }
    }
    let mut found = Vec::new();
    if swap {
        found.extend(facts.swap.on_disk().map(|area| Fact::Swap {
            path: area.path.clone(),
            size: area.size,
            priority: area.priority,
        }));
    }
    if link {
        found.push(Fact::AgentLink { target: facts.agent.link.clone() });
    }
    if agent {
        let running = facts.agent.running.as_ref();
        let policy = running.and_then(|running| running.policy.clone());
        found.push(Fact::Agent { running: running.is_some(), policy });
    }
    found
}
