//! `/proc/pressure/{memory,cpu,io}` and cgroup `*.pressure` (kernel `Documentation/accounting/psi.rst`).

use super::{fields, lines, number as parse_number};
use crate::parse_error::ParseError;
use serde::{Deserialize, Serialize};

/// One line of pressure: the share of time in which tasks waited.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Averages {
    /// Percent over the last 10 seconds.
    pub avg10: f64,
    /// Percent over the last 60 seconds.
    pub avg60: f64,
    /// Percent over the last 300 seconds.
    pub avg300: f64,
    /// Time waited since boot, in microseconds.
    pub total_us: u64,
}

/// The pressure on one resource.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Pressure {
    /// At least one task waited.
    pub some: Averages,
    /// All tasks that were not idle waited at once. Absent for `cpu` before Linux 5.13.
    pub full: Option<Averages>,
}

/// Reads a pressure file. Lines other than `some` and `full`, and further columns, are passed over.
///
/// # Errors
/// There is no `some` line, or a line lacks one of its four values.
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
    let value =
        |key: &str| fields(line).find_map(|f| f.strip_prefix(key.as_bytes())?.strip_prefix(b"=".as_slice()));
    let percent = |key: &str| {
        value(key)
            .and_then(parse_number::<f64>)
            .filter(|p| p.is_finite() && *p >= 0.0)
            .ok_or_else(|| ParseError::new(number, format!("{key} has no number"), line))
    };
    Ok(Averages {
        avg10: percent("avg10")?,
        avg60: percent("avg60")?,
        avg300: percent("avg300")?,
        total_us: value("total")
            .and_then(parse_number)
            .ok_or_else(|| ParseError::new(number, "total has no number", line))?,
    })
}
