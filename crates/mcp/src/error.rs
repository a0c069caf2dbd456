//! Why a call failed, as the client reads it.

use oomguard_fleet::failure::Failure;

/// The message of a failed call. It may quote a host or a document, and is escaped when it is sent.
#[derive(Debug)]
pub(crate) struct ToolError(String);

impl ToolError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// A failure of a host, with everything that speaks against the change.
    pub(crate) fn of_host(host: &str, failure: &Failure) -> Self {
        let mut message = format!("{host}: {}\n-> {}", failure.message, failure.advice);
        for refusal in failure.refusals.iter().take(20) {
            message.push_str(&format!("\n{}\n-> {}", refusal.reason, refusal.advice));
        }
        Self(message)
    }

    pub(crate) fn message(&self) -> &str {
        &self.0
    }
}

// As ToolError is no `std::error::Error` itself, every error becomes one with `?`.
impl<E: std::error::Error> From<E> for ToolError {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}
