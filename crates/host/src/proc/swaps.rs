//! `/proc/swaps` (proc_swaps(5); kernel `mm/swapfile.c`, `swap_show`).

use super::{fields, kib, lines, required};
use crate::octal;
use crate::parse_error::ParseError;
use serde::{Deserialize, Serialize};

/// What an active swap area lies on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SwapKind {
    /// A file in a filesystem.
    File,
    /// A block device: a partition, a logical volume, zram.
    Partition,
}

/// One active swap area.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwapArea {
    /// The path, unescaped, without the kernel's ` (deleted)`. Bytes that are not UTF-8 become U+FFFD.
    pub path: String,
    /// The file was unlinked while active. (A live file whose own name ends in ` (deleted)` reads the same.)
    pub deleted: bool,
    /// File or block device.
    pub kind: SwapKind,
    /// Bytes that can hold swapped pages: the area without its header page and bad pages,
    /// so a 16 GiB file shows 17179865088 here with pages of 4 KiB.
    pub size: u64,
    /// Bytes in use.
    pub used: u64,
    /// The priority; higher is used first. Areas made without one count down from -2 (-1 before Linux 4.14).
    pub priority: i32,
}

/// Reads `/proc/swaps`; no areas where swap is off (or the file is empty).
///
/// # Errors
/// The header is missing, or a line has not the five columns.
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
    // The path ends at the first blank; the kernel escapes space, tab, newline and backslash in it.
    let end = line.iter().position(|b| matches!(b, b' ' | b'\t'));
    let (name, mut rest) = line.split_at(end.unwrap_or(line.len()));
    if name.is_empty() {
        return Err(ParseError::new(number, "the path is missing", line));
    }
    // Escaped by the kernel; a reader that already decoded may hand it on with a plain blank.
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
