//! A file of fixed size that is written in place, so that a write changes no metadata and needs no free space.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};

use rustix::fs::OFlags;

use crate::background_sync::BackgroundSync;
use crate::error::{HostError, Result};
use crate::files::temp_sibling;
use crate::host::Host;

/// An open file of fixed length.
#[derive(Debug)]
pub struct RingFile {
    file: File,
    path: String,
    len: u64,
    /// Syncs in the background.
    background: Option<BackgroundSync>,
}

/// The state of a ring file's path.
#[derive(Debug)]
pub enum RingState {
    /// No such file.
    Missing,
    /// A regular file with mode 0600, one link and the trusted owner.
    Ready(RingFile),
    /// Another file, left alone, with the reason.
    Foreign(String),
}

impl Host {
    /// Opens the ring file at `path` for one writer. Does not follow symbolic links and creates nothing.
    ///
    /// # Errors
    /// When it exists and cannot be opened, or another process writes to it.
    pub fn open_ring(&self, path: &str) -> Result<RingState> {
        let fail = |e| HostError::file("open", path, e);
        match fs::symlink_metadata(self.real(path)) {
            Ok(meta) if !meta.is_file() => return Ok(RingState::Foreign("not a regular file".to_owned())),
            Ok(_) => {}
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(RingState::Missing),
            Err(e) => return Err(fail(e)),
        }
        // NONBLOCK: a FIFO that took its place since must not block.
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32;
        let opened = OpenOptions::new().read(true).write(true).custom_flags(flags).open(self.real(path));
        let file = opened.map_err(fail)?;
        let meta = file.metadata().map_err(fail)?;
        if let Some(why) = self.foreign(&meta) {
            return Ok(RingState::Foreign(why.to_owned()));
        }
        lock(&file, path)?;
        Ok(RingState::Ready(RingFile::new(file, path, meta.len())))
    }

    fn foreign(&self, meta: &fs::Metadata) -> Option<&'static str> {
        if !meta.is_file() {
            Some("not a regular file")
        } else if meta.uid() != self.trusted_uid() {
            Some("not owned by root")
        } else if meta.mode() & 0o077 != 0 {
            Some("accessible to users other than root")
        } else if meta.nlink() != 1 {
            Some("has more than one link")
        } else {
            None
        }
    }

    /// Creates or replaces the ring file at `path`: `len` bytes, mode 0600, `head` and then zeros. All blocks are written, so
    /// that no later write allocates any. Durable on return.
    ///
    /// # Errors
    /// When the disk is full or the file cannot be written.
    pub fn create_ring(&self, path: &str, len: u64, head: &[u8]) -> Result<RingFile> {
        let new = temp_sibling(path);
        // Left behind by an interrupted start.
        self.remove_file(&new)?;
        let file = self.create_new(&new, 0o600)?;
        let filled = fill(&file, len, head).and_then(|()| file.sync_all());
        if let Err(e) = filled {
            // Do not leave a partial file.
            let _ = self.remove_file(&new);
            return Err(HostError::file("write", path, e));
        }
        lock(&file, path)?;
        self.rename_over(&new, path)?;
        Ok(RingFile::new(file, path, len))
    }
}

fn fill(mut file: &File, len: u64, head: &[u8]) -> std::io::Result<()> {
    const CHUNK: u64 = 64 << 10;
    // Independent of the umask.
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    file.write_all(head)?;
    let zeros = vec![0; CHUNK as usize];
    let mut left = len.saturating_sub(head.len() as u64);
    while left > 0 {
        let now = left.min(CHUNK);
        file.write_all(&zeros[..now as usize])?;
        left -= now;
    }
    Ok(())
}

/// Whether io_submit(2) does not support syncs: before Linux 4.18, on some file systems, and in some sandboxes.
fn is_unsupported(error: &std::io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS | libc::EOPNOTSUPP | libc::EPERM))
}

/// Ensures one writer: the kernel releases the lock when its process dies.
fn lock(file: &File, path: &str) -> Result<()> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(fs::TryLockError::WouldBlock) => {
            Err(HostError::file("lock", path, std::io::Error::other("another process writes to it")))
        }
        Err(fs::TryLockError::Error(e)) => Err(HostError::file("lock", path, e)),
    }
}

impl RingFile {
    fn new(file: File, path: &str, len: u64) -> Self {
        Self { file, path: path.to_owned(), len, background: None }
    }

    /// The length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether the length is 0.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Writes `bytes` in place at `offset`.
    ///
    /// # Errors
    /// When the range is not within the file, or the write fails.
    pub fn write_at(&self, bytes: &[u8], offset: u64) -> Result<()> {
        let fail = |e| HostError::file("write", &self.path, e);
        if offset.checked_add(bytes.len() as u64).is_none_or(|end| end > self.len) {
            return Err(fail(std::io::ErrorKind::InvalidInput.into()));
        }
        self.file.write_all_at(bytes, offset).map_err(fail)
    }

    /// Fills `bytes` from `offset`.
    ///
    /// # Errors
    /// When the range is not within the file, or the read fails.
    pub fn read_at(&self, bytes: &mut [u8], offset: u64) -> Result<()> {
        self.file.read_exact_at(bytes, offset).map_err(|e| HostError::file("read", &self.path, e))
    }

    /// Makes writes durable (fdatasync(2)).
    ///
    /// # Errors
    /// When the sync fails.
    pub fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(|e| HostError::file("sync", &self.path, e))
    }

    /// Starts a sync in the background. `false` while the previous one runs: call again later. Waits like [`RingFile::sync`]
    /// where the kernel has no background sync.
    ///
    /// # Errors
    /// When the previous sync failed, or this one cannot start.
    pub fn sync_soon(&mut self) -> Result<bool> {
        if self.background.is_none() {
            // Retried each time: the system-wide limit of requests may be free by then.
            self.background = BackgroundSync::new().ok();
        }
        let Some(background) = &mut self.background else { return self.sync().map(|()| true) };
        match background.start(&self.file) {
            Err(e) if is_unsupported(&e) => self.sync().map(|()| true),
            started => started.map_err(|e| HostError::file("sync", &self.path, e)),
        }
    }
}
