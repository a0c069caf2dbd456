//! The running program as a file: compared, hashed and copied to where a service finds it.

use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::os::unix::fs::MetadataExt;

use sha2::{Digest, Sha256};

use crate::error::{HostError, Result};
use crate::files::Access;
use crate::host::Host;

const CHUNK: usize = 64 << 10;

impl Host {
    /// Whether the running program is known; see [`Host::with_current_exe`] for folders.
    #[must_use]
    pub fn has_current_exe(&self) -> bool {
        self.current_exe().is_some()
    }

    /// Whether a file has the same content as the running program. `false` when there is no file.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub fn is_current_exe(&self, path: &str) -> Result<bool> {
        let Some(there) = self.lstat(path)? else { return Ok(false) };
        let fail = |e| HostError::file("read", path, e);
        let own = self.open_current_exe()?;
        let own_meta = own.metadata().map_err(fail)?;
        if there.len != own_meta.len() {
            return Ok(false);
        }
        let other = File::open(self.real(path)).map_err(fail)?;
        let other_meta = other.metadata().map_err(fail)?;
        // The same file.
        if (other_meta.dev(), other_meta.ino()) == (own_meta.dev(), own_meta.ino()) {
            return Ok(true);
        }
        let mut other = BufReader::with_capacity(CHUNK, other);
        let mut own = BufReader::with_capacity(CHUNK, own);
        let (mut left, mut right) = (vec![0; CHUNK], vec![0; CHUNK]);
        loop {
            let count = own.read(&mut left).map_err(fail)?;
            if count == 0 {
                return Ok(true);
            }
            match other.read_exact(&mut right[..count]) {
                Ok(()) if left[..count] == right[..count] => {}
                Ok(()) => return Ok(false),
                Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(false),
                Err(e) => return Err(fail(e)),
            }
        }
    }

    /// The SHA-256 of the running program in hexadecimal, and its length in bytes.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn current_exe_sha256(&self) -> Result<(String, u64)> {
        let mut hash = Sha256::new();
        let length = self.each_chunk(&mut |chunk| {
            hash.update(chunk);
            Ok(())
        })?;
        Ok((hex(&hash.finalize()), length))
    }

    /// Copies the running program to a new file under a temporary name, durably. Returns the SHA-256 of the copy.
    ///
    /// # Errors
    /// When the file exists (a symbolic link counts) or cannot be written.
    pub fn copy_current_exe(&self, path: &str, access: Access) -> Result<String> {
        let fail = |e| HostError::file("write", path, e);
        let mut file = self.create_new(path, access.mode)?;
        let mut hash = Sha256::new();
        self.each_chunk(&mut |chunk| {
            hash.update(chunk);
            file.write_all(chunk)
        })?;
        let mode = std::os::unix::fs::PermissionsExt::from_mode(access.mode);
        file.set_permissions(mode).map_err(fail)?;
        file.sync_all().map_err(fail)?;
        Ok(hex(&hash.finalize()))
    }

    fn open_current_exe(&self) -> Result<File> {
        let path = self.current_exe().ok_or_else(|| HostError::NotLive { program: "oomguard".to_owned() })?;
        File::open(path).map_err(|e| HostError::file("read", &path.to_string_lossy(), e))
    }

    fn each_chunk(&self, take: &mut dyn FnMut(&[u8]) -> std::io::Result<()>) -> Result<u64> {
        let fail = |e| HostError::file("copy", "this program", e);
        let mut file = self.open_current_exe()?;
        let mut chunk = vec![0; CHUNK];
        let mut length = 0;
        loop {
            let count = file.read(&mut chunk).map_err(fail)?;
            if count == 0 {
                return Ok(length);
            }
            length += count as u64;
            take(&chunk[..count]).map_err(fail)?;
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::sha256;

    #[test]
    fn a_copy_is_the_program_and_a_changed_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("program");
        let bytes: Vec<u8> = (0..200_000u32).map(|n| (n % 251) as u8).collect();
        std::fs::write(&program, &bytes).unwrap();
        let host = Host::folder(dir.path()).with_current_exe(&program);
        let access = Access { mode: 0o755, owner: None };
        assert_eq!(host.copy_current_exe("/copy", access).unwrap(), sha256(&bytes));
        assert_eq!(host.current_exe_sha256().unwrap(), (sha256(&bytes), 200_000));
        assert_eq!(host.lstat("/copy").unwrap().unwrap().mode, 0o755);
        assert!(host.is_current_exe("/copy").unwrap() && !host.is_current_exe("/none").unwrap());
        assert!(host.copy_current_exe("/copy", access).is_err(), "it was there");
        for changed in [bytes[..199_999].to_vec(), [&bytes[..199_999], b"x"].concat()] {
            std::fs::write(dir.path().join("copy"), changed).unwrap();
            assert!(!host.is_current_exe("/copy").unwrap());
        }
    }
}
