//! `/proc/PID/oom_score_adj` (proc_pid_oom_score_adj(5)).

use super::number;
use crate::parse_error::ParseError;

/// `OOM_SCORE_ADJ_MIN`: the OOM killer never kills the process.
pub const MIN: i32 = -1000;
/// `OOM_SCORE_ADJ_MAX`: the process is killed first.
pub const MAX: i32 = 1000;

/// Parses the score, from -1000 to 1000.
///
/// # Errors
/// It is not a number, or outside the range.
pub fn parse(bytes: &[u8]) -> Result<i32, ParseError> {
    let score = number(bytes.trim_ascii())
        .ok_or_else(|| ParseError::new(1, "oom_score_adj is not a number", bytes))?;
    if !(MIN..=MAX).contains(&score) {
        let what = "oom_score_adj is outside -1000..1000";
        return Err(ParseError::new(1, what, bytes));
    }
    Ok(score)
}
