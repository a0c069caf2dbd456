//! `/proc/PID/statm` (proc_pid_statm(5); kernel `fs/proc/array.c`, `proc_pid_statm`).

use super::{fields, required};
use crate::parse_error::ParseError;

/// The resident memory in pages: the second field. 0 for kernel threads and zombies.
///
/// # Errors
/// It is missing or not a number.
pub fn parse_resident(bytes: &[u8]) -> Result<u64, ParseError> {
    required(1, "resident", fields(bytes).nth(1), bytes)
}
