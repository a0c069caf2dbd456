//! Creates a swap file in durable steps, and runs swapon(8) and swapoff(8).

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

use rustix::fs::{FallocateFlags, IFlags, OFlags};

use crate::error::{HostError, Result};
use crate::host::Host;

/// The label in the header of every swap file that oomguard creates, by which it recognises its own.
pub const LABEL: &str = "oomguard";

/// How to allocate the blocks of a swap file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allocation {
    /// fallocate(2).
    Fallocate,
    /// Write zeros, where swapon(2) takes fallocated blocks for holes.
    Zeros,
}

impl Host {
    /// Creates an empty file with mode 0600.
    ///
    /// NOCOW (btrfs) works only while the file is empty (chattr(1), btrfs(5)).
    ///
    /// # Errors
    /// When the file exists or cannot be created.
    pub fn swapfile_create(&self, path: &str, nocow: bool) -> Result<()> {
        let file = self.create_new(path, 0o600)?;
        if nocow {
            let flags = rustix::fs::ioctl_getflags(&file)
                .map_err(|e| HostError::file("read the file flags of", path, e))?;
            rustix::fs::ioctl_setflags(&file, flags | IFlags::NOCOW)
                .map_err(|e| HostError::file("turn off copy-on-write for", path, e))?;
        }
        file.sync_all().map_err(|e| HostError::file("sync", path, e))
    }

    /// Allocates the blocks of a created file durably. `progress` gets the bytes allocated so far.
    ///
    /// # Errors
    /// When the disk is full or the allocation fails.
    pub fn swapfile_allocate(
        &self,
        path: &str,
        size: u64,
        how: Allocation,
        progress: &mut dyn FnMut(u64),
    ) -> Result<()> {
        let fail = |e: std::io::Error| HostError::file("allocate", path, e);
        let file = self.open_own(path)?;
        match how {
            Allocation::Fallocate => {
                let allocated = rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, size);
                match allocated {
                    Ok(()) => progress(size),
                    Err(rustix::io::Errno::OPNOTSUPP) => write_zeros(&file, size, progress).map_err(fail)?,
                    Err(e) => return Err(fail(e.into())),
                }
            }
            Allocation::Zeros => write_zeros(&file, size, progress).map_err(fail)?,
        }
        file.sync_all().map_err(fail)
    }

    /// Writes the swap header with [`LABEL`], durably.
    ///
    /// # Errors
    /// When mkswap(8) fails.
    pub fn swapfile_format(&self, path: &str) -> Result<()> {
        let real = self.real(path);
        self.run_ok("mkswap", &["--label", LABEL, &real.to_string_lossy()])?;
        self.open_own(path)?.sync_all().map_err(|e| HostError::file("sync", path, e))
    }

    /// Activates a swap file or device.
    ///
    /// # Errors
    /// When swapon(8) fails.
    pub fn swap_on(&self, path: &str, priority: Option<i16>) -> Result<()> {
        let real = self.real(path);
        let real = real.to_string_lossy();
        match priority {
            Some(priority) => self.run_ok("swapon", &["--priority", &priority.to_string(), &real])?,
            None => self.run_ok("swapon", &[&real])?,
        };
        Ok(())
    }

    /// Deactivates a swap area. The kernel first reads its pages back into memory, or refuses.
    ///
    /// # Errors
    /// When swapoff(8) fails; the area is then still active.
    pub fn swap_off(&self, path: &str) -> Result<()> {
        self.run_ok("swapoff", &[&self.real(path).to_string_lossy()])?;
        Ok(())
    }

    fn open_own(&self, path: &str) -> Result<File> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(OFlags::NOFOLLOW.bits() as i32)
            .open(self.real(path))
            .map_err(|e| HostError::file("open", path, e))
    }
}

fn write_zeros(mut file: &File, size: u64, progress: &mut dyn FnMut(u64)) -> std::io::Result<()> {
    const CHUNK: usize = 4 << 20;
    /// Write dirty pages back regularly: a large file must not fill memory.
    const SYNC_EVERY: u64 = 256 << 20;
    let zeros = vec![0u8; CHUNK];
    let mut done = 0u64;
    while done < size {
        let now = zeros.len().min(usize::try_from(size - done).unwrap_or(CHUNK));
        file.write_all(&zeros[..now])?;
        done += now as u64;
        if done.is_multiple_of(SYNC_EVERY) {
            file.sync_data()?;
        }
        progress(done);
    }
    Ok(())
}
