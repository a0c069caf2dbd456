//! The job of a host: one line of JSON on standard input, never part of a command line.

pub use oomguard_report::NamedPolicy;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::setup::Phase;

/// The version of the form below.
pub const SCHEMA: &str = "oomguard.fleet-job/1";

/// The task on each host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Check it against its policy.
    Check,
    /// Plan its changes.
    Plan,
    /// Apply its policy.
    Apply,
    /// Show swap, swappiness, pressure and protected processes.
    Status,
    /// Roll back the last apply, or all down to `to`.
    Rollback {
        /// The ID of an apply.
        to: Option<String>,
    },
    /// Plan a rollback.
    Undo {
        /// The ID of an apply.
        to: Option<String>,
    },
    /// Rank processes in the order in which the kernel would kill them.
    Rank {
        /// Expected load, as `NAME:SIZE*N`.
        add: Vec<String>,
        /// With the scores of the policy instead of the current ones.
        as_policy: bool,
    },
    /// Explain OOM kills.
    Incident {
        /// Only since then.
        since: Option<String>,
        /// Only this boot of the journal.
        boot: Option<i32>,
    },
    /// Set it up as a server: install the program and apply the policy, in numbered steps.
    Setup {
        /// The phase.
        phase: Phase,
    },
}

impl Task {
    /// Whether it changes a host, which needs root.
    #[must_use]
    pub fn changes(&self) -> bool {
        matches!(self, Self::Apply | Self::Rollback { .. } | Self::Setup { phase: Phase::Change })
    }

    /// Its command.
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

    /// The preflight on all hosts before one is changed.
    #[must_use]
    pub fn before(&self) -> Self {
        match self {
            Self::Setup { .. } => Self::Setup { phase: Phase::Preflight },
            _ => Self::Plan,
        }
    }

    /// The check of a host after its change, over a new connection.
    #[must_use]
    pub fn after(&self) -> Self {
        match self {
            Self::Setup { .. } => Self::Setup { phase: Phase::Verify },
            _ => Self::Check,
        }
    }
}

/// A job for one host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// `oomguard.fleet-job/1`
    pub schema: String,
    /// The task.
    pub task: Task,
    /// The policy.
    pub policy: NamedPolicy,
    /// The digest of the approved plan: with another plan, nothing is changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<String>,
    /// Who requested a change, if it is not the person who runs the command; the host logs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// Input that is not a job.
#[derive(Debug, thiserror::Error)]
#[error("no job in the form {SCHEMA} on standard input: {0}; only oomguard itself runs `oomguard remote`")]
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

    /// Restricts it to a plan.
    #[must_use]
    pub fn expecting(self, digest: impl Into<String>) -> Self {
        Self { expect: Some(digest.into()), ..self }
    }

    /// Names the requester.
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
    /// When it is not valid, or has another version.
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
