//! A record of `/dev/kmsg` (kernel `Documentation/ABI/testing/dev-kmsg`).

use super::number;
use crate::parse_error::ParseError;

/// The facility of the kernel's own messages. Programs that write to /dev/kmsg get another one.
pub const KERNEL: u32 = 0;

/// The longest record (`PRINTKRB_RECORD_MAX`, before Linux 6.2 `CONSOLE_EXT_LOG_MAX`).
pub const MAX_RECORD: usize = 8192;

/// A record of the kernel log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The facility, see syslog(3).
    pub facility: u32,
    /// 0 (emergency) to 7 (debug).
    pub level: u8,
    /// The sequence number.
    pub sequence: u64,
    /// Microseconds of the monotonic clock.
    pub time_us: u64,
    /// It continues the record before it.
    pub continuation: bool,
    /// The message on one line, with unsafe characters escaped.
    pub text: String,
    /// `KEY=value` lines about the device.
    pub dictionary: Vec<(String, String)>,
}

/// Parses a record: `6,1234,5678901,-;text`, then lines ` KEY=value`.
///
/// # Errors
/// The prefix does not end in `;` or lacks a number.
pub fn parse(bytes: &[u8]) -> Result<Record, ParseError> {
    let bytes = &bytes[..bytes.len().min(MAX_RECORD)];
    let end = bytes.iter().position(|&b| b == b';');
    let end = end.ok_or_else(|| ParseError::new(1, "no `;` after the prefix", bytes))?;
    let (prefix, rest) = (&bytes[..end], &bytes[end + 1..]);
    let mut fields = prefix.split(|&b| b == b',');
    let missing = |what: &str| ParseError::new(1, format!("{what} is not a number"), prefix);
    let priority: u32 = fields.next().and_then(number).ok_or_else(|| missing("the priority"))?;
    let sequence = fields.next().and_then(number).ok_or_else(|| missing("the sequence"))?;
    let time_us = fields.next().and_then(number).ok_or_else(|| missing("the time"))?;
    // More fields (`caller=T1`) may follow the flags.
    let flags = fields.next().unwrap_or_default();
    let mut lines = rest.strip_suffix(b"\n").unwrap_or(rest).split(|&b| b == b'\n');
    let text = shown(lines.next().unwrap_or_default());
    let pair = |line: &[u8]| {
        let line = line.strip_prefix(b" ")?;
        let equals = line.iter().position(|&b| b == b'=')?;
        Some((shown(&line[..equals]), shown(&line[equals + 1..])))
    };
    Ok(Record {
        facility: priority >> 3,
        level: (priority & 7) as u8,
        sequence,
        time_us,
        continuation: matches!(flags.first(), Some(b'c' | b'+')),
        text,
        dictionary: lines.filter_map(pair).collect(),
    })
}

/// The kernel escapes what it prints; other writers are not trusted to.
fn shown(bytes: &[u8]) -> String {
    oomguard_text::shown(bytes, MAX_RECORD)
}
