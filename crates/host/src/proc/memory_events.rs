//! cgroup v2 `memory.events` (kernel `Documentation/admin-guide/cgroup-v2.rst`).

use super::{fields, lines, required};
use crate::parse_error::ParseError;

/// How often things happened in a cgroup and all below it, since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryEvents {
    /// `high`: processes were slowed down because of `memory.high`.
    pub high: u64,
    /// `max`: usage was about to go over `memory.max`.
    pub max: u64,
    /// `oom`: the limit was reached and memory could not be had.
    pub oom: u64,
    /// `oom_kill`: processes that any OOM killer killed here.
    pub oom_kill: u64,
    /// `oom_group_kill`: whole groups that were killed, since Linux 5.17.
    pub oom_group_kill: u64,
}

/// Reads `memory.events`. Unknown lines are passed over; a counter that is not there is 0.
///
/// # Errors
/// There is no `oom_kill`, or a known line has no number.
pub fn parse(bytes: &[u8]) -> Result<MemoryEvents, ParseError> {
    let mut events = MemoryEvents::default();
    let mut seen = false;
    for (line_number, line) in lines(bytes) {
        let mut parts = fields(line);
        let (name, slot) = match parts.next() {
            Some(b"high") => ("high", &mut events.high),
            Some(b"max") => ("max", &mut events.max),
            Some(b"oom") => ("oom", &mut events.oom),
            Some(b"oom_kill") => ("oom_kill", &mut events.oom_kill),
            Some(b"oom_group_kill") => ("oom_group_kill", &mut events.oom_group_kill),
            _ => continue,
        };
        *slot = required(line_number, name, parts.next(), line)?;
        seen |= name == "oom_kill";
    }
    if seen { Ok(events) } else { Err(ParseError::new(0, "oom_kill is missing", bytes)) }
}
