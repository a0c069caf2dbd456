//! Replaces a user's file atomically: a plan, a formatted document.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// Writes `bytes` to `path` by a rename, so that there is never half a file. A symbolic link is replaced, not followed.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let old = match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
        Ok(meta) => Some(meta).filter(fs::Metadata::is_file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let mut name = OsString::from(".");
    name.push(path.file_name().ok_or(io::ErrorKind::InvalidFilename)?);
    name.push(format!(".{}.new", std::process::id()));
    let new = path.with_file_name(name);
    let file = OpenOptions::new().write(true).create_new(true).open(&new)?;
    let permissions = old.map(|meta| meta.permissions());
    let done = fill(file, bytes, permissions).and_then(|()| fs::rename(&new, path));
    if done.is_err() {
        // The error is reported; a leftover file would only confuse.
        let _ = fs::remove_file(&new);
    }
    done
}

fn fill(mut file: File, bytes: &[u8], permissions: Option<fs::Permissions>) -> io::Result<()> {
    file.write_all(bytes)?;
    if let Some(permissions) = permissions {
        file.set_permissions(permissions)?;
    }
    file.sync_all()
}
