//! Repeated reads of kernel files with held descriptors and kept buffers, so that reading allocates nothing when memory is
//! short.

use std::fs::File;
use std::io::Write;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use rustix::fs::{Mode, OFlags, RawDir, SeekFrom};

use crate::error::{HostError, Result};
use crate::host::Host;

/// The buffer for a small file of /proc: `stat` has at most about 400 bytes, `cgroup` a path.
const SMALL: usize = 8 << 10;
const NAMES: usize = 32 << 10;
/// The kernel returns lines until the next one does not fit into a page (`fs/seq_file.c`). Lines of held files are shorter
/// than 256 bytes, so a read that leaves more room in the page is the last one. One more read would make the kernel format
/// the whole file again.
const WHOLE_PIECE: usize = (4 << 10) - 256;

/// A kernel file that stays open and is read from its beginning each time.
#[derive(Debug)]
pub struct HeldFile {
    file: File,
    path: String,
    buffer: Box<[u8]>,
}

impl Host {
    /// Opens a kernel file (/proc, /sys) for repeated reads of its first `max_len` bytes. Its lines must be shorter than 256
    /// bytes.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn hold(&self, path: &str, max_len: usize) -> Result<HeldFile> {
        let file = File::open(self.real(path)).map_err(|e| HostError::file("open", path, e))?;
        Ok(HeldFile { file, path: path.to_owned(), buffer: vec![0; max_len].into() })
    }

    /// The names of the folders in a folder, without symbolic links; empty when there is no such folder.
    ///
    /// # Errors
    /// When the folder exists and cannot be read.
    pub fn subdirectories(&self, path: &str) -> Result<Vec<String>> {
        let fail = |e| HostError::file("list", path, e);
        let entries = match std::fs::read_dir(self.real(path)) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(fail(e)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(fail)?;
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        Ok(names)
    }

    /// Opens /proc for repeated scans of all processes.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn scan(&self) -> Result<Scan> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = rustix::fs::open(self.real("/proc"), flags, Mode::empty())
            .map_err(|e| HostError::file("open", "/proc", e))?;
        Ok(Scan { dir, names: vec![MaybeUninit::uninit(); NAMES].into(), buffer: vec![0; SMALL].into() })
    }
}

impl HeldFile {
    /// The current content.
    ///
    /// # Errors
    /// When the read fails.
    pub fn read(&mut self) -> Result<&[u8]> {
        let mut len = 0;
        loop {
            let fail = |e| HostError::file("read", &self.path, e);
            let read = self.file.read_at(&mut self.buffer[len..], len as u64).map_err(fail)?;
            len += read;
            // A file longer than a page needs several reads.
            if read < WHOLE_PIECE || len == self.buffer.len() {
                return Ok(&self.buffer[..len]);
            }
        }
    }
}

/// An open /proc with buffers of its own.
#[derive(Debug)]
pub struct Scan {
    dir: OwnedFd,
    names: Box<[MaybeUninit<u8>]>,
    buffer: Box<[u8]>,
}

impl Scan {
    /// Fills `pids` with the pids of all processes, ascending.
    ///
    /// # Errors
    /// When /proc cannot be listed.
    pub fn pids(&mut self, pids: &mut Vec<i32>) -> Result<()> {
        let fail = |e: rustix::io::Errno| HostError::file("list", "/proc", e);
        pids.clear();
        rustix::fs::seek(&self.dir, SeekFrom::Start(0)).map_err(fail)?;
        let mut entries = RawDir::new(&self.dir, &mut self.names);
        while let Some(entry) = entries.next() {
            let name = entry.map_err(fail)?;
            if let Some(pid) = number(name.file_name().to_bytes()) {
                pids.push(pid);
            }
        }
        pids.sort_unstable();
        Ok(())
    }

    /// Reads a small file of a process; `None` when it has exited, is hidden, or cannot be read.
    pub fn read(&mut self, pid: i32, name: &str) -> Option<&[u8]> {
        let mut path = [0; 64];
        let mut left = path.as_mut_slice();
        write!(left, "{pid}/{name}").ok()?;
        let len = 64 - left.len();
        let path = path.get(..len)?;
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.dir, path, flags, Mode::empty()).ok()?;
        let len = rustix::io::read(&file, &mut self.buffer[..]).ok()?;
        Some(&self.buffer[..len])
    }
}

fn number(name: &[u8]) -> Option<i32> {
    if !name.first()?.is_ascii_digit() {
        return None;
    }
    std::str::from_utf8(name).ok()?.parse().ok()
}
