//! `/proc/uptime` (proc_uptime(5)).

use super::{fields, number};
use crate::parse_error::ParseError;

/// Clock ticks per second in /proc (`USER_HZ`): 100 on every current architecture.
pub const TICKS_PER_SECOND: u64 = 100;

/// Parses the time since boot in clock ticks, the unit of start times in /proc/PID/stat.
///
/// # Errors
/// The first field is not a number with two decimals.
pub fn parse(bytes: &[u8]) -> Result<u64, ParseError> {
    let fail = || ParseError::new(1, "uptime is not a number of seconds", bytes);
    let field = fields(bytes).next().ok_or_else(fail)?;
    let dot = field.iter().position(|&byte| byte == b'.').ok_or_else(fail)?;
    let (seconds, hundredths) = (&field[..dot], &field[dot + 1..]);
    if hundredths.len() != 2 {
        return Err(fail());
    }
    let seconds: u64 = number(seconds).ok_or_else(fail)?;
    let hundredths: u64 = number(hundredths).ok_or_else(fail)?;
    seconds.checked_mul(TICKS_PER_SECOND).and_then(|ticks| ticks.checked_add(hundredths)).ok_or_else(fail)
}
