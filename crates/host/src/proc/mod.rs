//! Parsers of procfs files (proc(5)).

pub mod cgroup;
pub mod kernel_cmdline;
pub mod kmsg;
pub mod meminfo;
pub mod memory_events;
pub mod mountinfo;
pub mod oom_score_adj;
pub mod pressure;
pub mod stat;
pub mod statm;
pub mod status;
pub mod swaps;
pub mod uptime;
pub mod version;
pub mod vmstat;

use crate::parse_error::ParseError;

/// The lines without terminators, numbered from 1; no empty line after the last newline.
fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    bytes
        .strip_suffix(b"\n")
        .unwrap_or(bytes)
        .split(|&b| b == b'\n')
        .enumerate()
        .map(|(i, line)| (i + 1, line))
}

/// The fields of a line, separated by ASCII white space.
fn fields(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty())
}

/// A decimal number as the kernel writes it: digits, and `-` for signed types; no `+`.
fn number<T: std::str::FromStr>(field: &[u8]) -> Option<T> {
    if field.first() == Some(&b'+') {
        return None;
    }
    std::str::from_utf8(field).ok()?.parse().ok()
}

/// [`number`] or an error that names the field.
fn required<T: std::str::FromStr>(
    line: usize,
    name: &str,
    field: Option<&[u8]>,
    raw: &[u8],
) -> Result<T, ParseError> {
    field
        .and_then(number)
        .ok_or_else(|| ParseError::new(line, format!("{name} is not a number"), field.unwrap_or(raw)))
}

/// Converts KiB to bytes.
fn kib(line: usize, name: &str, value: u64, raw: &[u8]) -> Result<u64, ParseError> {
    value.checked_mul(1024).ok_or_else(|| ParseError::new(line, format!("{name} is too large"), raw))
}
