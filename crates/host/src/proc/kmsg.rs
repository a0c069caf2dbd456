//! One record of `/dev/kmsg` (kernel `Documentation/ABI/testing/dev-kmsg`).

use super::number;
use crate::parse_error::ParseError;

/// The facility of what the kernel itself says. Anything that a program writes to /dev/kmsg has another one.
pub const KERNEL: u32 = 0;

/// The longest record that the kernel gives out (`PRINTKRB_RECORD_MAX`, before Linux 6.2 `CONSOLE_EXT_LOG_MAX`).
pub const MAX_RECORD: usize = 8192;

/// One record of the kernel's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Who said it; see syslog(3). [`KERNEL`] is the kernel.
    pub facility: u32,
    /// 0 (emergency) to 7 (debug).
    pub level: u8,
    /// Its number; each record has the next one.
    pub sequence: u64,
    /// Microseconds since boot, by the monotonic clock.
    pub time_us: u64,
    /// It goes on where the record before it ended.
    pub continuation: bool,
    /// What was said, on one line; what cannot be printed is written as `\xNN`, as the kernel does itself.
    pub text: String,
    /// `KEY=value` lines: which device it is about.
    pub dictionary: Vec<(String, String)>,
}

/// Reads a record: `6,1234,5678901,-;text`, then lines ` KEY=value`.
///
/// # Errors
/// The prefix has no `;` or lacks a number.
pub fn parse(bytes: &[u8]) -> Result<Record, ParseError> {
    let bytes = &bytes[..bytes.len().min(MAX_RECORD)];
    let end = bytes.iter().position(|&b| b == b';');
    let end = end.ok_or_else(|| ParseError::new(1, "the record has no `;` after its prefix", bytes))?;
    let (prefix, rest) = (&bytes[..end], &bytes[end + 1..]);
    let mut fields = prefix.split(|&b| b == b',');
    let missing = |what: &str| ParseError::new(1, format!("{what} has no number"), prefix);
    let priority: u32 = fields.next().and_then(number).ok_or_else(|| missing("the priority"))?;
    let sequence = fields.next().and_then(number).ok_or_else(|| missing("the sequence"))?;
    let time_us = fields.next().and_then(number).ok_or_else(|| missing("the time"))?;
    // Further fields (`caller=T1`) may follow the flags and are passed over.
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

/// The bytes as text that can be printed; the kernel has escaped what it wrote, and nobody else is trusted to.
fn shown(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        match byte {
            b' '..=b'~' => text.push(char::from(byte)),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    text
}
