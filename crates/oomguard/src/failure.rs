//! Why a command failed, and its exit status.

use oomguard_converge::apply::ApplyError;
use oomguard_converge::history::HistoryError;
use oomguard_host::HostError;

use crate::output::counted;

/// The exit status; `cli` has the table for users.
pub mod code {
    /// Done; the host matches the policy.
    pub const SUCCESS: u8 = 0;
    /// The command could not be carried out.
    pub const ERROR: u8 = 1;
    /// The host differs from the policy.
    pub const DIFFERS: u8 = 2;
    /// Some hosts failed or could not be reached.
    #[cfg(feature = "fleet")]
    pub const SOME_FAILED: u8 = 3;
    /// Usage error.
    pub const USAGE: u8 = 64;
}

/// Why a command failed.
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
    #[cfg(feature = "fleet")]
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
                hints.push("make a new plan with `oomguard plan -o FILE`".to_owned());
                hints
            }
            ApplyError::Step { .. } => vec![
                "later steps were not started; run the same command again to continue".to_owned(),
                "`oomguard rollback` undoes the steps that were done".to_owned(),
            ],
            _ => Vec::new(),
        };
        Self::Message { code: code::ERROR, what, hints }
    }
}
