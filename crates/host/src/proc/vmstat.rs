//! `/proc/vmstat` (kernel `mm/vmstat.c`): counters since boot.

use super::{fields, lines, number, required};
use crate::parse_error::ParseError;

/// The counters that tell of swapping and killing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vmstat {
    /// `pswpin`: pages that were read from swap.
    pub pswpin: u64,
    /// `pswpout`: pages that were written to swap.
    pub pswpout: u64,
    /// `pgmajfault`: faults that had to wait for a disk.
    pub pgmajfault: u64,
    /// `oom_kill`: processes that the OOM killer killed; absent before Linux 4.13.
    pub oom_kill: Option<u64>,
}

/// Reads `/proc/vmstat`. Other lines are passed over; a counter that is not there is 0.
///
/// # Errors
/// A known line has no number.
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

/// The counters that are named, in that order; `None` for one that this kernel does not have. A name that ends in `*`
/// is the sum of all that begin so: `allocstall_*` is one counter for each memory zone.
///
/// Lines that are no `NAME NUMBER` are passed over: there is nothing to be said about them that helps anybody.
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
