//! The two programs of oomguard as files that can be compared and copied: the command that runs, and the agent's.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

use crate::error::{HostError, Result};
use crate::files::Access;
use crate::host::Host;

/// The file name of the agent's program.
pub const AGENT: &str = "oomguard-agent";
const CHUNK: usize = 64 << 10;

/// A program's file. Its path is this process's, not one under the host's root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramFile {
    path: PathBuf,
}

impl Host {
    /// The program that runs; a folder has one only when it was given one.
    #[must_use]
    pub fn command_file(&self) -> Option<ProgramFile> {
        self.current_exe().map(|path| ProgramFile { path: path.to_path_buf() })
    }

    /// Where the agent's program is looked for: in the file that was named, else beside the program that runs, and for
    /// one in PREFIX/bin in PREFIX/lib/oomguard. Never elsewhere, where it could be of another version.
    ///
    /// It is empty for a folder that was given neither.
    #[must_use]
    pub fn agent_candidates(&self) -> Vec<PathBuf> {
        match (self.agent_program(), self.current_exe()) {
            (Some(path), _) => vec![path.to_path_buf()],
            (None, Some(exe)) => beside(&std::fs::read_link(exe).unwrap_or_else(|_| exe.to_path_buf())),
            (None, None) => Vec::new(),
        }
    }

    /// The agent's program: the first of [`Host::agent_candidates`] that is there.
    #[must_use]
    pub fn agent_file(&self) -> Option<ProgramFile> {
        let found = self.agent_candidates().into_iter().find(|path| path.is_file());
        found.map(|path| ProgramFile { path })
    }
}

fn beside(exe: &Path) -> Vec<PathBuf> {
    let Some(dir) = exe.parent() else { return Vec::new() };
    let prefix = dir.parent().filter(|_| dir.ends_with("bin"));
    let library = prefix.map(|prefix| prefix.join("lib/oomguard").join(AGENT));
    [dir.join(AGENT)].into_iter().chain(library).collect()
}

impl ProgramFile {
    /// Where it is for this process.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a file of the host has the same bytes. `false` when there is none.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub fn is_at(&self, host: &Host, path: &str) -> Result<bool> {
        let Some(there) = host.lstat(path)? else { return Ok(false) };
        let fail = |e| HostError::file("read", path, e);
        let own = self.open()?;
        let own_meta = own.metadata().map_err(fail)?;
        if there.len != own_meta.len() {
            return Ok(false);
        }
        let other = File::open(host.real(path)).map_err(fail)?;
        let other_meta = other.metadata().map_err(fail)?;
        // The agent compares itself with its own file: one file has one content.
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

    /// Its SHA-256 in hexadecimal, and its length in bytes.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn sha256(&self) -> Result<(String, u64)> {
        let mut hash = Sha256::new();
        let length = self.each_chunk(&mut |chunk| {
            hash.update(chunk);
            Ok(())
        })?;
        Ok((hex(&hash.finalize()), length))
    }

    /// Writes a copy to a new file of the host that nobody sees under its final name yet, and makes its bytes durable.
    /// Returns the SHA-256 of what was written.
    ///
    /// # Errors
    /// When the file exists (a symbolic link counts) or cannot be written.
    pub fn copy_to(&self, host: &Host, path: &str, access: Access) -> Result<String> {
        let fail = |e| HostError::file("write", path, e);
        let mut file = host.create_new(path, access.mode)?;
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

    /// Runs it in place of this process (execve(2)). Returns only when that fails, with the reason.
    #[must_use]
    pub fn exec(&self, args: &[OsString]) -> std::io::Error {
        std::os::unix::process::CommandExt::exec(Command::new(&self.path).args(args))
    }

    fn open(&self) -> Result<File> {
        File::open(&self.path).map_err(|e| HostError::file("read", &self.path.to_string_lossy(), e))
    }

    fn each_chunk(&self, take: &mut dyn FnMut(&[u8]) -> std::io::Result<()>) -> Result<u64> {
        let fail = |e| HostError::file("copy", &self.path.to_string_lossy(), e);
        let mut file = self.open()?;
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
        let file = host.command_file().unwrap();
        let access = Access { mode: 0o755, owner: None };
        assert_eq!(file.copy_to(&host, "/copy", access).unwrap(), sha256(&bytes));
        assert_eq!(file.sha256().unwrap(), (sha256(&bytes), 200_000));
        assert_eq!(host.lstat("/copy").unwrap().unwrap().mode, 0o755);
        assert!(file.is_at(&host, "/copy").unwrap() && !file.is_at(&host, "/none").unwrap());
        assert!(file.copy_to(&host, "/copy", access).is_err(), "it was there");
        for changed in [bytes[..199_999].to_vec(), [&bytes[..199_999], b"x"].concat()] {
            std::fs::write(dir.path().join("copy"), changed).unwrap();
            assert!(!file.is_at(&host, "/copy").unwrap());
        }
    }

    #[test]
    fn the_agent_is_found_beside_the_command_or_in_the_library_folder_of_its_prefix() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        for folder in ["usr/bin", "usr/lib/oomguard", "opt"] {
            std::fs::create_dir_all(at(folder)).unwrap();
        }
        let packaged = Host::folder(dir.path()).with_current_exe(&at("usr/bin/oomguard"));
        let unpacked = Host::folder(dir.path()).with_current_exe(&at("opt/oomguard"));
        assert_eq!((packaged.agent_file(), unpacked.agent_file()), (None, None));
        assert_eq!(unpacked.agent_candidates(), [at("opt/oomguard-agent")]);

        std::fs::write(at("usr/lib/oomguard/oomguard-agent"), "").unwrap();
        assert_eq!(packaged.agent_file().unwrap().path(), at("usr/lib/oomguard/oomguard-agent"));
        std::fs::write(at("usr/bin/oomguard-agent"), "").unwrap();
        assert_eq!(packaged.agent_file().unwrap().path(), at("usr/bin/oomguard-agent"));
        assert_eq!(unpacked.agent_file(), None);

        let named = packaged.with_agent_program(&at("named"));
        assert_eq!(named.agent_file(), None, "another one is no substitute");
        std::fs::write(at("named"), "").unwrap();
        assert_eq!(named.agent_file().unwrap().path(), at("named"));
        assert!(Host::folder(dir.path()).agent_candidates().is_empty());
    }
}
