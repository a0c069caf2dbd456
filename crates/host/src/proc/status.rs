//! `/proc/PID/status` (proc_pid_status(5)).

use super::{fields, kib, lines, required};
use crate::parse_error::ParseError;

/// The real user id: the first number of the `Uid:` line.
///
/// The kernel escapes newlines in `Name:`, so a process cannot forge the line.
///
/// # Errors
/// The `Uid:` line is missing or has no number.
pub fn parse_uid(bytes: &[u8]) -> Result<u32, ParseError> {
    for (number, line) in lines(bytes) {
        if let Some(rest) = line.strip_prefix(b"Uid:") {
            return required(number, "Uid", fields(rest).next(), line);
        }
    }
    Err(ParseError::new(0, "Uid is missing", bytes))
}

/// The memory of a process in bytes, as the OOM killer counts it (kernel `mm/oom_kill.c`, `oom_badness`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Memory {
    /// `RssAnon` + `RssFile` + `RssShmem`, which is `VmRSS`.
    pub rss: u64,
    /// `VmSwap`.
    pub swap: u64,
    /// `VmPTE`: page tables.
    pub page_tables: u64,
}

/// The memory of a process; `None` for kernel threads and zombies, which have none.
///
/// # Errors
/// A known line is not a number.
pub fn parse_memory(bytes: &[u8]) -> Result<Option<Memory>, ParseError> {
    let mut memory = Memory::default();
    let mut has_any = false;
    for (number, line) in lines(bytes) {
        let Some(colon) = line.iter().position(|&b| b == b':') else { continue };
        let (name, rest) = line.split_at(colon);
        let field = match name {
            b"VmRSS" => &mut memory.rss,
            b"VmSwap" => &mut memory.swap,
            b"VmPTE" => &mut memory.page_tables,
            _ => continue,
        };
        has_any = true;
        let value = required(number, "memory", fields(&rest[1..]).next(), line)?;
        *field = kib(number, "memory", value, line)?;
    }
    Ok(has_any.then_some(memory))
}
