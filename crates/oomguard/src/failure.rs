//! Why a command did not do what it was asked, and the exit code for it.

use oomguard_converge::apply::ApplyError;
use oomguard_converge::history::HistoryError;
use oomguard_host::HostError;

use crate::output::counted;

/// What the exit codes mean.
pub mod code {
    /// As it should be.
    pub const AS_IT_SHOULD_BE: u8 = 0;
    /// An error: what was asked could not be done.
    pub const ERROR: u8 = 1;
    /// Something differs from the policy.
    pub const DIFFERS: u8 = 2;
    /// Some of several hosts failed, or were not reached.
    pub const SOME_FAILED: u8 = 3;
    /// Wrong usage.
    pub const USAGE: u8 = 64;
}

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub enum Failure {
    /// Located messages about a document, ready to print.
    Document(String),
    /// Anything else.
    Message {
        /// The exit code.
        code: u8,
        /// What went wrong.
        what: String,
        /// What to do next, a line each.
        hints: Vec<String>,
    },
}

impl Failure {
    /// An error of the machine or the input.
    pub fn error(what: impl ToString) -> Self {
        Self::Message { code: code::ERROR, what: what.to_string(), hints: Vec::new() }
    }

    /// A wrong use of the command.
    pub fn usage(what: impl ToString) -> Self {
        Self::Message { code: code::USAGE, what: what.to_string(), hints: Vec::new() }
    }

    /// The same, with something to do next.
    pub fn hint(mut self, hint: impl ToString) -> Self {
        if let Self::Message { hints, .. } = &mut self {
            hints.push(hint.to_string());
        }
        self
    }
}

impl Failure {
    /// What went wrong, without hints.
    pub fn what(self) -> String {
        match self {
            Self::Document(message) | Self::Message { what: message, .. } => message,
        }
    }
}

impl From<HostError> for Failure {
    fn from(error: HostError) -> Self {
        Self::error(error)
    }
}

impl From<HistoryError> for Failure {
    fn from(error: HistoryError) -> Self {
        let unknown = matches!(error, HistoryError::Unknown { .. });
        Self::Message {
            code: if unknown { code::USAGE } else { code::ERROR },
            what: error.to_string(),
            hints: vec![],
        }
    }
}

impl From<ApplyError> for Failure {
    fn from(error: ApplyError) -> Self {
        let mut what = error.to_string();
        let hints = match error {
            ApplyError::Journal(error) => return error.into(),
            ApplyError::Refused(refusals) => {
                what = format!("nothing was changed, for {}:", counted(refusals.len(), "reason"));
                refusals
                    .into_iter()
                    .flat_map(|refusal| [refusal.reason, format!("  -> {}", refusal.advice)])
                    .collect()
            }
            ApplyError::HostChanged { differences } => {
                let mut hints = differences;
                hints.push("make a new plan with `oomguard plan -o FILE` and read it again".to_owned());
                hints
            }
            ApplyError::Step { .. } => vec![
                "nothing after that step was done; the same command again goes on from here".to_owned(),
                "`oomguard rollback` undoes what was done".to_owned(),
            ],
            _ => Vec::new(),
        };
        Self::Message { code: code::ERROR, what, hints }
    }
}
