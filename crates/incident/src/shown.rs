//! How names, lines and amounts of a log are shown.

use oomguard_text::shown;

/// The most characters of a log line that are kept.
pub const MAX_LINE: usize = 240;

/// The most characters of a name (comm, unit, cgroup) that are kept. A cgroup path of Kubernetes has about 250.
pub const MAX_NAME: usize = 512;

/// A name of the log, see [`shown`](oomguard_text::shown).
pub fn name(raw: &[u8]) -> String {
    shown(raw, MAX_NAME)
}

/// A line of the log, see [`shown`](oomguard_text::shown).
pub fn line(raw: &[u8]) -> String {
    shown(raw, MAX_LINE)
}

/// An amount in KiB, see [`oomguard_text::size`].
pub fn size(kib: u64) -> String {
    oomguard_text::size(kib.saturating_mul(1024))
}

/// The same, or a dash if the log does not show it.
pub fn size_or_dash(kib: Option<u64>) -> String {
    kib.map_or_else(|| "-".to_owned(), size)
}
