//! Reading the same files of the kernel again and again: held open where that can be, with buffers that are kept, so
//! that reading needs no memory of its own when there is none.

use std::fs::File;
use std::io::Write;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use rustix::fs::{Mode, OFlags, RawDir, SeekFrom};

use crate::error::{HostError, Result};
use crate::host::Host;

/// No small file of /proc that is read here has more: `stat` has at most about 400 bytes, `cgroup` a path.
const SMALL: usize = 8 << 10;
const NAMES: usize = 32 << 10;
/// The kernel hands out the lines of such a file until the next one does not fit into a page (`fs/seq_file.c`). The lines
/// of those that are held are shorter than 256 bytes, so a piece with more room than that is the last one. Asking once more makes the
/// kernel write the whole file anew, to find that there is nothing after it.
const WHOLE_PIECE: usize = (4 << 10) - 256;

/// A file of the kernel that is held open and read from its beginning each time.
#[derive(Debug)]
pub struct HeldFile {
    file: File,
    path: String,
    buffer: Box<[u8]>,
}

impl Host {
    /// Opens a file of the kernel (/proc, /sys) to read its first `most` bytes again and again. No line of it may be as
    /// long as half a page.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn hold(&self, path: &str, most: usize) -> Result<HeldFile> {
        let file = File::open(self.real(path)).map_err(|e| HostError::file("open", path, e))?;
        Ok(HeldFile { file, path: path.to_owned(), buffer: vec![0; most].into() })
    }

    /// The names of the folders in a folder; empty when there is no such folder. Links are no folders.
    ///
    /// # Errors
    /// When the folder is there and cannot be read.
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

    /// Opens /proc to look at all processes again and again.
    ///
    /// # Errors
    /// When it is not there.
    pub fn scan(&self) -> Result<Scan> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = rustix::fs::open(self.real("/proc"), flags, Mode::empty())
            .map_err(|e| HostError::file("open", "/proc", e))?;
        Ok(Scan { dir, names: vec![MaybeUninit::uninit(); NAMES].into(), buffer: vec![0; SMALL].into() })
    }
}

impl HeldFile {
    /// What is in it now.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn read(&mut self) -> Result<&[u8]> {
        let mut len = 0;
        loop {
            let fail = |e| HostError::file("read", &self.path, e);
            let read = self.file.read_at(&mut self.buffer[len..], len as u64).map_err(fail)?;
            len += read;
            // A file of the kernel that is longer than a page comes in several pieces.
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
    /// Puts the numbers of all processes into `pids`, ascending; its old numbers go.
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

    /// Reads a small file of a process; `None` when the process is gone, hidden, or cannot be read.
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
