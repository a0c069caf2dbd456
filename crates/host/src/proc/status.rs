//! `/proc/PID/status` (proc_pid_status(5)).

use super::{fields, lines, required};
use crate::parse_error::ParseError;

/// The real user id: the first number of the `Uid:` line.
///
/// The kernel escapes newlines in `Name:`, so a process cannot forge the line.
///
/// # Errors
/// There is no `Uid:` line, or it has no number.
pub fn parse_uid(bytes: &[u8]) -> Result<u32, ParseError> {
    for (number, line) in lines(bytes) {
        if let Some(rest) = line.strip_prefix(b"Uid:") {
            return required(number, "Uid", fields(rest).next(), line);
        }
    }
    Err(ParseError::new(0, "Uid is missing", bytes))
}
