//! `/proc/PID/mountinfo` (proc_pid_mountinfo(5); kernel `fs/proc_namespace.c`).

use super::{lines, required};
use crate::octal;
use crate::parse_error::ParseError;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};

/// A mount. Strings are decoded; bytes that are not UTF-8 become U+FFFD.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// The mount id.
    pub id: u32,
    /// The id of the parent mount; not in the list for the root.
    pub parent: u32,
    /// The mount point, relative to the process's root.
    pub mount_point: String,
    /// The directory within the file system: `/`, a btrfs subvolume, the source of a bind mount.
    pub root: String,
    /// The file system type: `ext4`, `btrfs`, `fuse.sshfs`.
    pub fs_type: String,
    /// The device or another name for the source; may be empty.
    pub source: String,
    /// Options of this mount: `rw,relatime`.
    pub options: String,
    /// Options of the file system: `rw,errors=remount-ro`.
    pub super_options: String,
}

/// Parses `/proc/self/mountinfo`.
///
/// # Errors
/// A line lacks an id, the ` - ` separator, or a field.
pub fn parse(bytes: &[u8]) -> Result<Vec<Mount>, ParseError> {
    lines(bytes).filter(|(_, line)| !line.is_empty()).map(|(number, line)| mount(number, line)).collect()
}

fn mount(number: usize, line: &[u8]) -> Result<Mount, ParseError> {
    // Split at single spaces: an empty source leaves two in a row.
    let mut words = line.split(|&b| b == b' ');
    let id = required(number, "the mount id", words.next(), line)?;
    let parent = required(number, "the parent id", words.next(), line)?;
    let mut text = |what: &str| {
        words.next().map(octal::decode_text).ok_or_else(|| ParseError::new(number, what.to_string(), line))
    };
    text("the device number is missing")?;
    let root = text("the root is missing")?;
    let mount_point = text("the mount point is missing")?;
    let options = text("the mount options are missing")?;
    if !words.any(|word| word == b"-") {
        return Err(ParseError::new(number, "the - separator is missing", line));
    }
    let mut text = |what: &str| {
        words.next().map(octal::decode_text).ok_or_else(|| ParseError::new(number, what.to_string(), line))
    };
    let fs_type = text("the file system type is missing")?;
    let source = text("the source is missing")?;
    let mut super_options = text("the file system options are missing")?;
    for more in words {
        super_options.push(' ');
        super_options.push_str(&octal::decode_text(more));
    }
    Ok(Mount { id, parent, mount_point, root, fs_type, source, options, super_options })
}

/// The mount of an absolute path without symbolic links.
///
/// Walks like the kernel, from the root to the mounts on it: a hidden mount is not found, and of several on one directory
/// the last one counts. Without `/` in the list (in a chroot) the longest mount point counts.
pub fn mount_of<'a>(mounts: &'a [Mount], path: &str) -> Option<&'a Mount> {
    let over: Vec<&Mount> = mounts.iter().filter(|m| is_prefix(&m.mount_point, path)).collect();
    let ids: HashSet<u32> = mounts.iter().map(|m| m.id).collect();
    let is_first = |m: &Mount| m.parent == m.id || !ids.contains(&m.parent);
    let Some(root) = over.iter().rev().find(|m| is_first(m) && components(&m.mount_point) == 0) else {
        return over.into_iter().max_by_key(|m| components(&m.mount_point));
    };
    let mut below: HashMap<u32, Vec<&Mount>> = HashMap::new();
    for &mount in &over {
        if !is_first(mount) {
            below.entry(mount.parent).or_default().push(mount);
        } else if components(&mount.mount_point) > 0 {
            // Its parent is not in the list: treat the root as its parent.
            below.entry(root.id).or_default().push(mount);
        }
    }
    // Removes each id once, so that cycles end.
    let mut here = *root;
    while let Some(candidates) = below.remove(&here.id) {
        // The shortest mount point; of equal ones the last.
        match candidates.into_iter().rev().min_by_key(|m| components(&m.mount_point)) {
            Some(next) => here = next,
            None => break,
        }
    }
    Some(here)
}

/// Whether `path` starts with the components of `point`.
fn is_prefix(point: &str, path: &str) -> bool {
    if !path.starts_with('/') || !point.starts_with('/') {
        return false;
    }
    let mut parts = path.split('/').filter(|c| !c.is_empty());
    point.split('/').filter(|c| !c.is_empty()).all(|c| parts.next() == Some(c))
}

fn components(path: &str) -> usize {
    path.split('/').filter(|c| !c.is_empty()).count()
}
