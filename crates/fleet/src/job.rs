//! What a host is asked to do. It travels on standard input, as one line of JSON, and never on a command line.

pub use oomguard_report::NamedPolicy;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::setup::Phase;

/// The version of the form below.
pub const SCHEMA: &str = "oomguard.fleet-job/1";

/// What is done, on each host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Say in which ways it misses its policy.
    Check,
    /// Say what would be changed.
    Plan,
    /// Change it.
    Apply,
    /// Show swap, swappiness, pressure and protected processes.
    Status,
    /// Undo the last apply, or all since (and with) `to`.
    Rollback {
        /// The journal's name of an apply.
        to: Option<String>,
    },
    /// Say what a rollback would undo.
    Undo {
        /// The journal's name of an apply.
        to: Option<String>,
    },
    /// Say in which order the kernel would kill.
    Rank {
        /// Loads to think of, as `NAME:SIZE*N`.
        add: Vec<String>,
        /// With the scores that the policy means, instead of those that are.
        as_policy: bool,
    },
    /// Explain what the OOM killer did.
    Incident {
        /// Only from then on.
        since: Option<String>,
        /// Only this boot of the journal.
        boot: Option<i32>,
    },
    /// Set it up as a server: the program in its place, the policy applied, all in numbered steps.
    Setup {
        /// How far.
        phase: Phase,
    },
}

impl Task {
    /// Whether it changes a host, so that only root may.
    #[must_use]
    pub fn changes(&self) -> bool {
        matches!(self, Self::Apply | Self::Rollback { .. } | Self::Setup { phase: Phase::Change })
    }

    /// The command that asks for it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Plan => "plan",
            Self::Apply => "apply",
            Self::Status => "status",
            Self::Rollback { .. } => "rollback",
            Self::Undo { .. } => "rollback",
            Self::Rank { .. } => "rank",
            Self::Incident { .. } => "incident",
            Self::Setup { .. } => "setup",
        }
    }

    /// What is asked of all hosts before one is changed.
    #[must_use]
    pub fn before(&self) -> Self {
        match self {
            Self::Setup { .. } => Self::Setup { phase: Phase::Preflight },
            _ => Self::Plan,
        }
    }

    /// What is asked of a host after its change, over a new connection.
    #[must_use]
    pub fn after(&self) -> Self {
        match self {
            Self::Setup { .. } => Self::Setup { phase: Phase::Verify },
            _ => Self::Check,
        }
    }
}

/// What one host is asked to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// `oomguard.fleet-job/1`
    pub schema: String,
    /// What.
    pub task: Task,
    /// The policy that it is about.
    pub policy: NamedPolicy,
    /// The digest of the plan that was agreed to: with another plan, nothing is changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<String>,
    /// Who asked for a change, when it is not the person who runs the command; the host's journals keep it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// Why a job is not done.
#[derive(Debug, thiserror::Error)]
#[error("standard input has no job of the form {SCHEMA}: {0}; `oomguard remote` is for oomguard itself")]
pub struct BadJob(String);

impl BadJob {
    pub(crate) fn new(why: &dyn std::error::Error) -> Self {
        Self(why.to_string())
    }
}

impl Job {
    /// A job of this version.
    #[must_use]
    pub fn new(task: Task, policy: NamedPolicy) -> Self {
        Self { schema: SCHEMA.to_owned(), task, policy, expect: None, by: None }
    }

    /// The same, for this plan only.
    #[must_use]
    pub fn expecting(self, digest: impl Into<String>) -> Self {
        Self { expect: Some(digest.into()), ..self }
    }

    /// The same, asked for by this one.
    #[must_use]
    pub fn by(self, who: impl Into<String>) -> Self {
        Self { by: Some(who.into()), ..self }
    }

    /// As one line.
    #[must_use]
    pub fn to_line(&self) -> String {
        // A job is made of strings, numbers and maps of them, which serde_json always writes, on one line.
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }

    /// Reads a job.
    ///
    /// # Errors
    /// When it is none, or of another version.
    pub fn from_line(bytes: &[u8]) -> Result<Self, BadJob> {
        let job: Self = serde_json::from_slice(bytes).map_err(|e| BadJob(e.to_string()))?;
        if job.schema == SCHEMA { Ok(job) } else { Err(BadJob("it has another version".to_owned())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use oomguard_spec::{Builtin, builtin};

    #[test]
    fn a_job_is_one_line_and_comes_back() {
        let policy = NamedPolicy { name: "a\nb".to_owned(), policy: builtin::policy(Builtin::Ci) };
        let job = Job::new(Task::Incident { since: Some("7d".to_owned()), boot: Some(-1) }, policy);
        let line = job.to_line();
        assert_eq!(line.matches('\n').count(), 1);
        assert_eq!(Job::from_line(line.as_bytes()).unwrap(), job);
        assert!(Job::from_line(line.replace("job/1", "job/2").as_bytes()).is_err());
        assert!(Job::from_line(b"").is_err());
    }
}
