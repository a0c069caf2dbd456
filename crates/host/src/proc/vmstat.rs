//! `/proc/vmstat`: counters since boot (kernel `mm/vmstat.c`, `vmstat_text`).

use super::{fields, lines, number};

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
