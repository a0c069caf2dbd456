//! What can go wrong when a machine is touched.

use std::io;

use crate::parse_error::ParseError;

/// A failed touch of the machine: what was tried, on what, and why it failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// A file operation failed.
    #[error("cannot {action} {path}: {source}")]
    File {
        /// What was tried: `read`, `create`, ...
        action: &'static str,
        /// The path, as the host sees it.
        path: String,
        /// The system's reason.
        source: io::Error,
    },
    /// A file has bytes that nobody expected.
    #[error("{path}, {source}")]
    Content {
        /// The path, as the host sees it.
        path: String,
        /// Where and what.
        source: ParseError,
    },
    /// A program could not be started.
    #[error("cannot run {program}: {source}")]
    Start {
        /// The program.
        program: String,
        /// The system's reason.
        source: io::Error,
    },
    /// A program ran and failed.
    #[error("`{command}` failed ({status}): {stderr}")]
    Command {
        /// The program and its arguments.
        command: String,
        /// How it ended.
        status: String,
        /// The end of what it printed as error.
        stderr: String,
    },
    /// A live machine is needed, and this host is a folder.
    #[error("`{program}` is not run for a host that is a folder (--root)")]
    NotLive {
        /// The program.
        program: String,
    },
}

impl HostError {
    /// Whether the reason is that there is no such file.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::File { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    /// Whether the reason is that this user may not.
    #[must_use]
    pub fn is_permission_denied(&self) -> bool {
        matches!(self, Self::File { source, .. } if source.kind() == io::ErrorKind::PermissionDenied)
    }

    pub(crate) fn file(action: &'static str, path: &str, source: impl Into<io::Error>) -> Self {
        Self::File { action, path: path.to_owned(), source: source.into() }
    }
}

/// A result whose error is a [`HostError`].
pub type Result<T, E = HostError> = std::result::Result<T, E>;
