//! Files that need not survive a boot: replaced atomically, not synced.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;

use crate::error::{HostError, Result};
use crate::files::temp_sibling;
use crate::host::Host;

impl Host {
    /// Replaces a file atomically for readers, without a sync: a power cut may leave the old file, the new one or none.
    ///
    /// # Errors
    /// When it cannot be written or renamed.
    pub fn replace_volatile(&self, path: &str, bytes: &[u8], mode: u32) -> Result<()> {
        let new = temp_sibling(path);
        // Left behind by a killed process.
        match fs::remove_file(self.real(&new)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(HostError::file("remove", &new, e));
            }
            _ => {}
        }
        let mut file = self.create_new(&new, mode)?;
        let fail = |e| HostError::file("write", path, e);
        file.write_all(bytes).map_err(fail)?;
        file.set_permissions(fs::Permissions::from_mode(mode)).map_err(fail)?;
        drop(file);
        fs::rename(self.real(&new), self.real(path))
            .map_err(|e| HostError::file("rename a new file to", path, e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_despite_leftovers() {
        let dir = tempfile::tempdir().unwrap();
        let host = Host::folder(dir.path());
        fs::write(host.real("/.a.oomguard-new"), "half").unwrap();
        host.replace_volatile("/a", b"one", 0o644).unwrap();
        host.replace_volatile("/a", b"two", 0o644).unwrap();
        assert_eq!(host.read("/a").unwrap(), b"two");
        assert_eq!(host.lstat("/a").unwrap().unwrap().mode, 0o644);
        assert_eq!(host.list_dir("/").unwrap(), ["a"]);
        assert!(host.replace_volatile("/none/a", b"", 0o644).is_err());
    }
}
