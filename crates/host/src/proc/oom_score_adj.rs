//! `/proc/PID/oom_score_adj` (proc_pid_oom_score_adj(5)).

use super::number;
use crate::parse_error::ParseError;

/// The lowest value: the process is never killed for memory (`OOM_SCORE_ADJ_MIN`).
pub const MIN: i32 = -1000;
/// The highest value: the process goes first (`OOM_SCORE_ADJ_MAX`).
pub const MAX: i32 = 1000;

/// Reads the score, a number between -1000 and 1000.
///
/// # Errors
/// It is no number, or outside the range.
pub fn parse(bytes: &[u8]) -> Result<i32, ParseError> {
    let score = number(bytes.trim_ascii())
        .ok_or_else(|| ParseError::new(1, "oom_score_adj is not a number", bytes))?;
    if !(MIN..=MAX).contains(&score) {
        let what = "oom_score_adj is outside -1000..1000";
        return Err(ParseError::new(1, what, bytes));
    }
    Ok(score)
}
