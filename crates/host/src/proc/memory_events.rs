//! cgroup v2 `memory.events` (kernel `Documentation/admin-guide/cgroup-v2.rst`).

use super::{fields, lines, required};
use crate::parse_error::ParseError;

/// Event counters of a cgroup and its descendants since it was created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryEvents {
    /// `high`: processes were throttled at `memory.high`.
    pub high: u64,
    /// `max`: usage was about to exceed `memory.max`.
    pub max: u64,
    /// `oom`: the limit was reached and an allocation was about to fail.
    pub oom: u64,
    /// `oom_kill`: processes killed by any OOM killer.
    pub oom_kill: u64,
    /// `oom_group_kill`: group kills, since Linux 5.17.
    pub oom_group_kill: u64,
}

/// Parses `memory.events`. Unknown lines are skipped; a missing counter is 0.
///
/// # Errors
/// `oom_kill` is missing, or a known counter is not a number.
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
