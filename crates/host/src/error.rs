//! Errors of machine access.

use std::io;

use oomguard_text::shown;

use crate::parse_error::ParseError;

/// Characters of a path or command in a message.
const MAX_CHARS: usize = 500;

/// A failed access: the action, the object and the reason.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// A file operation failed.
    #[error("cannot {action} {}: {source}", shown(.path, MAX_CHARS))]
    File {
        /// A verb: `read`, `create`.
        action: &'static str,
        /// The path on the host.
        path: String,
        /// The reason.
        source: io::Error,
    },
    /// A file has unexpected content.
    #[error("{}, {source}", shown(.path, MAX_CHARS))]
    Content {
        /// The path on the host.
        path: String,
        /// The line and the error.
        source: ParseError,
    },
    /// A program could not be started.
    #[error("cannot run {}: {source}", shown(.program, MAX_CHARS))]
    Start {
        /// The program.
        program: String,
        /// The reason.
        source: io::Error,
    },
    /// A program failed.
    #[error("`{}` failed ({status}): {stderr}", shown(.command, MAX_CHARS))]
    Command {
        /// The program and its arguments.
        command: String,
        /// The exit status.
        status: String,
        /// The last lines of its standard error.
        stderr: String,
    },
    /// The operation needs a live machine, and this host is a folder.
    #[error("`{program}` does not run on a host that is a folder (--root)")]
    NotLive {
        /// The program.
        program: String,
    },
}

impl HostError {
    /// Whether there is no such file.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::File { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    /// Whether this user lacks permission.
    #[must_use]
    pub fn is_permission_denied(&self) -> bool {
        matches!(self, Self::File { source, .. } if source.kind() == io::ErrorKind::PermissionDenied)
    }

    pub(crate) fn file(action: &'static str, path: &str, source: impl Into<io::Error>) -> Self {
        Self::File { action, path: path.to_owned(), source: source.into() }
    }
}

/// The result of machine access.
pub type Result<T, E = HostError> = std::result::Result<T, E>;
