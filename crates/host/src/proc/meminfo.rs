//! `/proc/meminfo` (proc_meminfo(5); kernel `fs/proc/meminfo.c`).

use super::{fields, kib, lines, required};
use crate::parse_error::ParseError;
use serde::{Deserialize, Serialize};

/// The machine's memory in bytes. `kB` in the file means KiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meminfo {
    /// `MemTotal`: usable RAM in bytes.
    pub mem_total: u64,
    /// `MemAvailable`: bytes available without swapping; absent before Linux 3.14.
    pub mem_available: Option<u64>,
    /// `MemFree`: unused RAM in bytes.
    pub mem_free: u64,
    /// `Buffers`: raw block device cache in bytes.
    pub buffers: u64,
    /// `Cached`: page cache in bytes, without swap cache.
    pub cached: u64,
    /// `SwapTotal`: bytes of all active swap areas.
    pub swap_total: u64,
    /// `SwapFree`: bytes of swap not in use.
    pub swap_free: u64,
    /// `SwapCached`: bytes in RAM that also have a copy in swap.
    pub swap_cached: u64,
}

/// Parses `/proc/meminfo`. Unknown lines are skipped; of repeated ones the first counts.
///
/// # Errors
/// A required line is missing, or is not a number in `kB`.
pub fn parse(bytes: &[u8]) -> Result<Meminfo, ParseError> {
    const NAMES: [&str; 8] =
        ["MemTotal", "MemAvailable", "MemFree", "Buffers", "Cached", "SwapTotal", "SwapFree", "SwapCached"];
    let mut found = [None; NAMES.len()];
    for (number, line) in lines(bytes) {
        let Some(colon) = line.iter().position(|&b| b == b':') else {
            continue;
        };
        let (name, rest) = line.split_at(colon);
        let Some(index) = NAMES.iter().position(|n| n.as_bytes() == name) else {
            continue;
        };
        if found[index].is_some() {
            continue;
        }
        let mut parts = fields(&rest[1..]);
        let value = required(number, NAMES[index], parts.next(), line)?;
        if parts.next().is_none_or(|unit| unit != b"kB") {
            let what = format!("{} is not in kB", NAMES[index]);
            return Err(ParseError::new(number, what, line));
        }
        found[index] = Some(kib(number, NAMES[index], value, line)?);
    }
    let get = |index: usize| {
        found[index].ok_or_else(|| ParseError::new(0, format!("{} is missing", NAMES[index]), bytes))
    };
    Ok(Meminfo {
        mem_total: get(0)?,
        mem_available: found[1],
        mem_free: get(2)?,
        buffers: get(3)?,
        cached: get(4)?,
        swap_total: get(5)?,
        swap_free: get(6)?,
        swap_cached: get(7)?,
    })
}

/// The named lines in bytes, in that order; `None` for one that is missing or not in `kB`.
#[must_use]
pub fn values<const N: usize>(bytes: &[u8], names: [&str; N]) -> [Option<u64>; N] {
    let mut found = [None; N];
    for (_, line) in lines(bytes) {
        let Some(colon) = line.iter().position(|&b| b == b':') else { continue };
        let (name, rest) = line.split_at(colon);
        let Some(index) = names.iter().position(|wanted| wanted.as_bytes() == name) else { continue };
        let mut parts = fields(&rest[1..]);
        let (value, unit) = (parts.next().and_then(super::number::<u64>), parts.next());
        if found[index].is_none() && unit == Some(b"kB") {
            found[index] = value.and_then(|kib| kib.checked_mul(1024));
        }
    }
    found
}
