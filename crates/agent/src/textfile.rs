//! The metrics as a file in node_exporter's folder (`--collector.textfile.directory`).

use oomguard_host::{Host, Result};

/// The name of the file.
pub const NAME: &str = "oomguard.prom";

/// Writes `text` (of [`crate::exposition::Format::Text`]) to a folder, so that a reader sees it whole.
///
/// # Errors
/// When it cannot be written.
pub fn write(host: &Host, dir: &str, text: &str) -> Result<()> {
    let path = format!("{}/{NAME}", dir.trim_end_matches('/'));
    // node_exporter runs as a user of its own.
    host.replace_volatile(&path, text.as_bytes(), 0o644)
}
