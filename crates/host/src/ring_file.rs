//! A file of fixed size that is written in place, so that a write changes no metadata and needs no free space.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};

use rustix::fs::OFlags;

use crate::background_sync::BackgroundSync;
use crate::error::{HostError, Result};
use crate::files::temp_sibling;
use crate::host::Host;

/// An open file whose length never changes.
#[derive(Debug)]
pub struct RingFile {
    file: File,
    path: String,
    len: u64,
    /// What makes writes durable while this process goes on.
    background: Option<BackgroundSync>,
}

/// What is at the path of a ring file.
#[derive(Debug)]
pub enum RingState {
    /// Nothing.
    Missing,
    /// A regular file that only its trusted owner may read or write, with one name.
    Ready(RingFile),
    /// Something that is not written to, and why.
    Foreign(String),
}

impl Host {
    /// Opens the ring file at `path` for one writer. Symbolic links are not followed and nothing is created.
    ///
    /// # Errors
    /// When it is there and cannot be opened, or another process writes to it.
    pub fn open_ring(&self, path: &str) -> Result<RingState> {
        let fail = |e| HostError::file("open", path, e);
        match fs::symlink_metadata(self.real(path)) {
            Ok(meta) if !meta.is_file() => return Ok(RingState::Foreign("it is no regular file".to_owned())),
            Ok(_) => {}
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(RingState::Missing),
            Err(e) => return Err(fail(e)),
        }
        // NONBLOCK: whatever took its place since must not make us wait.
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32;
        let opened = OpenOptions::new().read(true).write(true).custom_flags(flags).open(self.real(path));
        let file = opened.map_err(fail)?;
        let meta = file.metadata().map_err(fail)?;
        if let Some(why) = self.foreign(&meta) {
            return Ok(RingState::Foreign(why.to_owned()));
        }
        alone(&file, path)?;
        Ok(RingState::Ready(RingFile::new(file, path, meta.len())))
    }

    fn foreign(&self, meta: &fs::Metadata) -> Option<&'static str> {
        if !meta.is_file() {
            Some("it is no regular file")
        } else if meta.uid() != self.trusted_uid() {
            Some("it does not belong to root")
        } else if meta.mode() & 0o077 != 0 {
            Some("others than root may read or write it")
        } else if meta.nlink() != 1 {
            Some("it has a second name")
        } else {
            None
        }
    }

    /// Puts a new ring file of `len` bytes at `path`, mode 0600, replacing what is there: `head`, then zeros.
    /// All of its blocks are written, so that no later write allocates any. It is durable on return.
    ///
    /// # Errors
    /// When the disk has no room or the system refuses.
    pub fn create_ring(&self, path: &str, len: u64, head: &[u8]) -> Result<RingFile> {
        let new = temp_sibling(path);
        // What a start that was cut left behind.
        self.remove_file(&new)?;
        let file = self.create_new(&new, 0o600)?;
        let filled = fill(&file, len, head).and_then(|()| file.sync_all());
        if let Err(e) = filled {
            // What failed is said; a stray file would only take up room.
            let _ = self.remove_file(&new);
            return Err(HostError::file("write", path, e));
        }
        alone(&file, path)?;
        self.rename_over(&new, path)?;
        Ok(RingFile::new(file, path, len))
    }
}

fn fill(mut file: &File, len: u64, head: &[u8]) -> std::io::Result<()> {
    const CHUNK: u64 = 64 << 10;
    // The umask must not decide.
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

/// Whether io_submit(2) refuses syncs as such: before Linux 4.18, on some file systems, and in some sandboxes.
fn is_no_such_thing(error: &std::io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS | libc::EOPNOTSUPP | libc::EPERM))
}

/// One writer: the kernel frees the lock when its process dies.
fn alone(file: &File, path: &str) -> Result<()> {
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

    /// Its length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether it has no bytes at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Writes `bytes` in place at `offset`.
    ///
    /// # Errors
    /// When that is not within the file, or the system refuses.
    pub fn write_at(&self, bytes: &[u8], offset: u64) -> Result<()> {
        let fail = |e| HostError::file("write", &self.path, e);
        if offset.checked_add(bytes.len() as u64).is_none_or(|end| end > self.len) {
            return Err(fail(std::io::ErrorKind::InvalidInput.into()));
        }
        self.file.write_all_at(bytes, offset).map_err(fail)
    }

    /// Fills `bytes` from `offset` on.
    ///
    /// # Errors
    /// When the file has not so many bytes, or the system refuses.
    pub fn read_at(&self, bytes: &mut [u8], offset: u64) -> Result<()> {
        self.file.read_exact_at(bytes, offset).map_err(|e| HostError::file("read", &self.path, e))
    }

    /// Makes what was written durable: fdatasync(2), which leaves times alone.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(|e| HostError::file("sync", &self.path, e))
    }

    /// Has the kernel do the same while this process goes on. `false`: it is not through with the last time yet, and this is to
    /// be asked again. Where it does no such thing, this waits as [`RingFile::sync`] does.
    ///
    /// # Errors
    /// When the disk did not take it the last time, or does not take it now.
    pub fn sync_soon(&mut self) -> Result<bool> {
        if self.background.is_none() {
            // Asked again each time: what others have taken of the places may be free by then.
            self.background = BackgroundSync::new().ok();
        }
        let Some(background) = &mut self.background else { return self.sync().map(|()| true) };
        match background.start(&self.file) {
            Err(e) if is_no_such_thing(&e) => self.sync().map(|()| true),
            started => started.map_err(|e| HostError::file("sync", &self.path, e)),
        }
    }
}
