//! `/proc/swaps` (proc_swaps(5); kernel `mm/swapfile.c`, `swap_show`).

use super::{fields, kib, lines, required};
use crate::octal;
use crate::parse_error::ParseError;
use serde::{Deserialize, Serialize};

/// The type of a swap area.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SwapKind {
    /// A file in a file system.
    File,
    /// A block device: a partition, a logical volume, zram.
    Partition,
}

/// An active swap area.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwapArea {
    /// The path, decoded, without the kernel's ` (deleted)`. Bytes that are not UTF-8 become U+FFFD.
    pub path: String,
    /// The file was unlinked while active. A file whose name ends in ` (deleted)` looks the same.
    pub deleted: bool,
    /// File or block device.
    pub kind: SwapKind,
    /// Usable bytes, without the header page and bad pages: 17179865088 for a 16 GiB file with pages of 4 KiB.
    pub size: u64,
    /// Bytes in use.
    pub used: u64,
    /// The priority; higher ones are used first. The kernel assigns -2 and below (-1 before Linux 4.14) by default.
    pub priority: i32,
}

/// Parses `/proc/swaps`.
///
/// # Errors
/// The header is missing, or a line does not have the five columns.
pub fn parse(bytes: &[u8]) -> Result<Vec<SwapArea>, ParseError> {
    let mut areas = Vec::new();
    for (number, line) in lines(bytes) {
        if number == 1 {
            if !line.is_empty() && !line.starts_with(b"Filename") {
                return Err(ParseError::new(number, "the header is missing", line));
            }
            continue;
        }
        if line.is_empty() {
            continue;
        }
        areas.push(area(number, line)?);
    }
    Ok(areas)
}

fn area(number: usize, line: &[u8]) -> Result<SwapArea, ParseError> {
    // The kernel escapes space, tab, newline and backslash in the path.
    let end = line.iter().position(|b| matches!(b, b' ' | b'\t'));
    let (name, mut rest) = line.split_at(end.unwrap_or(line.len()));
    if name.is_empty() {
        return Err(ParseError::new(number, "the path is missing", line));
    }
    // The kernel escapes this space, too; input that was decoded before has a plain one.
    let mut deleted = false;
    let mut path = octal::decode_text(name);
    if let Some(plain) = path.strip_suffix(" (deleted)") {
        path = plain.to_string();
        deleted = true;
    } else if let Some(after) = rest.strip_prefix(b" (deleted)") {
        rest = after;
        deleted = true;
    }
    let mut columns = fields(rest);
    let kind = match columns.next() {
        Some(b"file") => SwapKind::File,
        Some(b"partition") => SwapKind::Partition,
        _ => {
            let what = "the type is neither file nor partition";
            return Err(ParseError::new(number, what, line));
        }
    };
    let size = required(number, "the size", columns.next(), line)?;
    let used = required(number, "the used size", columns.next(), line)?;
    let priority = required(number, "the priority", columns.next(), line)?;
    Ok(SwapArea {
        path,
        deleted,
        kind,
        size: kib(number, "the size", size, line)?,
        used: kib(number, "the used size", used, line)?,
        priority,
    })
}
