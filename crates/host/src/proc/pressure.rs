//! `/proc/pressure/{memory,cpu,io}` and cgroup `*.pressure` (kernel `Documentation/accounting/psi.rst`).

use super::{fields, lines, number as parse_number};
use crate::parse_error::ParseError;
use serde::{Deserialize, Serialize};

/// A line of a pressure file: the share of time in which tasks were stalled.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Averages {
    /// Percent over the last 10 seconds.
    pub avg10: f64,
    /// Percent over the last 60 seconds.
    pub avg60: f64,
    /// Percent over the last 300 seconds.
    pub avg300: f64,
    /// Stall time since boot in microseconds.
    pub total_us: u64,
}

/// The pressure on a resource.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Pressure {
    /// At least one task was stalled.
    pub some: Averages,
    /// All non-idle tasks were stalled at once. Absent for `cpu` before Linux 5.13.
    pub full: Option<Averages>,
}

/// Parses a pressure file. Other lines and columns are skipped.
///
/// # Errors
/// The `some` line is missing, or a line lacks one of its four values.
pub fn parse(bytes: &[u8]) -> Result<Pressure, ParseError> {
    let (mut some, mut full) = (None, None);
    for (number, line) in lines(bytes) {
        match fields(line).next() {
            Some(b"some") if some.is_none() => some = Some(averages(number, line)?),
            Some(b"full") if full.is_none() => full = Some(averages(number, line)?),
            _ => {}
        }
    }
    let some = some.ok_or_else(|| ParseError::new(0, "the \"some\" line is missing", bytes))?;
    Ok(Pressure { some, full })
}

fn averages(number: usize, line: &[u8]) -> Result<Averages, ParseError> {
    const NAMES: [&[u8]; 4] = [b"avg10", b"avg60", b"avg300", b"total"];
    let mut values: [Option<&[u8]>; 4] = [None; 4];
    for field in fields(line) {
        let Some(end) = field.iter().position(|byte| *byte == b'=') else { continue };
        if let Some(at) = NAMES.iter().position(|name| *name == &field[..end]) {
            // Of repeated ones the first counts.
            values[at].get_or_insert(&field[end + 1..]);
        }
    }
    let percent = |at: usize| {
        values[at].and_then(percent).ok_or_else(|| {
            ParseError::new(number, format!("{} is not a number", String::from_utf8_lossy(NAMES[at])), line)
        })
    };
    Ok(Averages {
        avg10: percent(0)?,
        avg60: percent(1)?,
        avg300: percent(2)?,
        total_us: values[3]
            .and_then(parse_number)
            .ok_or_else(|| ParseError::new(number, "total is not a number", line))?,
    })
}

/// A percentage. The kernel writes two decimals (`psi_show` in kernel/sched/psi.c); parsing hundredths is much faster than
/// parsing a float, and the recorder does it every few seconds.
fn percent(text: &[u8]) -> Option<f64> {
    if let [whole @ .., b'.', tens, ones] = text
        && (1..=4).contains(&whole.len())
        && whole.iter().chain([tens, ones]).all(u8::is_ascii_digit)
    {
        let digit = |hundredths: u32, byte: &u8| hundredths * 10 + u32::from(byte - b'0');
        let hundredths = whole.iter().chain([tens, ones]).fold(0, digit);
        return Some(f64::from(hundredths) / 100.0);
    }
    parse_number::<f64>(text).filter(|percent| percent.is_finite() && *percent >= 0.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn hundredths_equal_the_parsed_float(whole in 0u32..12_000, hundredths in 0u32..100) {
            let text = format!("{whole}.{hundredths:02}");
            prop_assert_eq!(percent(text.as_bytes()), Some(text.parse().unwrap()));
        }
    }

    #[test]
    fn other_floats_are_parsed_and_other_text_is_refused() {
        assert_eq!(percent(b"7"), Some(7.0));
        assert_eq!(percent(b"0.125"), Some(0.125));
        for none in [&b""[..], b"-1.00", b"1.0x", b"1.x0", b"inf", b"NaN", b"+1.00"] {
            assert_eq!(percent(none), None, "{}", String::from_utf8_lossy(none));
        }
    }
}
