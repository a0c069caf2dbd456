//! `/proc/vmstat` (kernel `mm/vmstat.c`): counters since boot.

use super::{fields, lines, number, required};
use crate::parse_error::ParseError;

/// Counters of swapping and OOM kills.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vmstat {
    /// `pswpin`: pages read from swap.
    pub pswpin: u64,
    /// `pswpout`: pages written to swap.
    pub pswpout: u64,
    /// `pgmajfault`: page faults that needed I/O.
    pub pgmajfault: u64,
    /// `oom_kill`: OOM kills; absent before Linux 4.13.
    pub oom_kill: Option<u64>,
}

/// Parses `/proc/vmstat`. Other lines are skipped; a missing counter is 0.
///
/// # Errors
/// A known counter is not a number.
pub fn parse(bytes: &[u8]) -> Result<Vmstat, ParseError> {
    let mut vmstat = Vmstat::default();
    for (line_number, line) in lines(bytes) {
        let mut parts = fields(line);
        let Some(name) = parts.next() else { continue };
        let mut value = |name: &str| required(line_number, name, parts.next(), line);
        match name {
            b"pswpin" => vmstat.pswpin = value("pswpin")?,
            b"pswpout" => vmstat.pswpout = value("pswpout")?,
            b"pgmajfault" => vmstat.pgmajfault = value("pgmajfault")?,
            b"oom_kill" => vmstat.oom_kill = Some(value("oom_kill")?),
            _ => {}
        }
    }
    Ok(vmstat)
}

/// The named counters, in that order; `None` for one that this kernel does not have. A name that ends in `*` is the sum of
/// all counters with that prefix: `allocstall_*` has one for each memory zone. Malformed lines are skipped.
#[must_use]
pub fn counters<const N: usize>(bytes: &[u8], names: [&str; N]) -> [Option<u64>; N] {
    let mut found = [None::<u64>; N];
    for (_, line) in lines(bytes) {
        let mut parts = fields(line);
        let (Some(name), Some(value)) = (parts.next(), parts.next().and_then(number::<u64>)) else {
            continue;
        };
        for (wanted, slot) in names.iter().zip(&mut found) {
            let is_it = match wanted.as_bytes().split_last() {
                Some((b'*', prefix)) => name.starts_with(prefix),
                _ => name == wanted.as_bytes(),
            };
            if is_it {
                *slot = Some(slot.unwrap_or(0).saturating_add(value));
            }
        }
    }
    found
}
