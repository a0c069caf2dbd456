//! Writes the metrics for node_exporter's textfile collector (`--collector.textfile.directory`).

use oomguard_host::{Host, Result};

/// The file name.
pub const NAME: &str = "oomguard.prom";

/// Writes `text` (in [`crate::exposition::Format::Text`]) atomically.
///
/// # Errors
/// When it cannot be written.
pub fn write(host: &Host, dir: &str, text: &str) -> Result<()> {
    let path = format!("{}/{NAME}", dir.trim_end_matches('/'));
    // node_exporter runs as a user of its own.
    host.replace_volatile(&path, text.as_bytes(), 0o644)
}
