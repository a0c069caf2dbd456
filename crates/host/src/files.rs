//! Reading files, and changing them so that a power cut leaves the old or the new one.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::time::{Duration, UNIX_EPOCH};

use rustix::fs::{OFlags, RenameFlags};
use sha2::{Digest, Sha256};

use crate::error::{HostError, Result};
use crate::host::Host;

/// Longer files are refused rather than read into memory.
const MAX_FILE: u64 = 16 << 20;
const PAGE: usize = 4 << 10;

/// The type of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A block device.
    BlockDevice,
    /// A FIFO, socket or character device.
    Other,
}

/// The result of lstat(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta {
    /// The type.
    pub kind: Kind,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// The permission bits, without the type.
    pub mode: u32,
    /// The length in bytes.
    pub len: u64,
}

/// Mode and owner of a new file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// The permission bits.
    pub mode: u32,
    /// User and group; `None` for those of this process.
    pub owner: Option<(u32, u32)>,
}

impl Host {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, or is longer than 16 MiB.
    pub fn read(&self, path: &str) -> Result<Vec<u8>> {
        let fail = |e| HostError::file("read", path, e);
        let mut file = File::open(self.real(path)).map_err(fail)?;
        // Most files are shorter than a page: one read, and one that finds the end. On the stack, because musl maps and unmaps
        // memory for each buffer of this size, and std starts with 32 bytes.
        let mut page = [0; PAGE];
        let first = file.read(&mut page).map_err(fail)?;
        let mut bytes = page[..first].to_vec();
        file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(fail)?;
        if bytes.len() as u64 > MAX_FILE {
            return Err(HostError::file("read", path, std::io::Error::other("longer than 16 MiB")));
        }
        Ok(bytes)
    }

    /// Reads a file; `None` when there is no such file.
    ///
    /// # Errors
    /// When it exists and cannot be read.
    pub fn read_optional(&self, path: &str) -> Result<Option<Vec<u8>>> {
        match self.read(path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if e.is_not_found() => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Reads at most the first `len` bytes of a file.
    ///
    /// # Errors
    /// When it cannot be read, or is a symbolic link.
    pub fn read_head(&self, path: &str, len: usize) -> Result<Vec<u8>> {
        let fail = |e: std::io::Error| HostError::file("read", path, e);
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(OFlags::NOFOLLOW.bits() as i32)
            .open(self.real(path))
            .map_err(fail)?;
        let mut bytes = Vec::with_capacity(len);
        file.take(len as u64).read_to_end(&mut bytes).map_err(fail)?;
        Ok(bytes)
    }

    /// lstat(2); `None` when there is no such file.
    ///
    /// # Errors
    /// When lstat(2) fails.
    pub fn lstat(&self, path: &str) -> Result<Option<Meta>> {
        match fs::symlink_metadata(self.real(path)) {
            Ok(meta) => Ok(Some(meta_of(&meta))),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(HostError::file("stat", path, e)),
        }
    }

    /// The modification time since 1970, of a symbolic link its own; `None` when there is no such file.
    ///
    /// # Errors
    /// When lstat(2) fails.
    pub fn modified(&self, path: &str) -> Result<Option<Duration>> {
        let fail = |e| HostError::file("stat", path, e);
        match fs::symlink_metadata(self.real(path)) {
            Ok(meta) => {
                let time = meta.modified().map_err(fail)?;
                Ok(Some(time.duration_since(UNIX_EPOCH).unwrap_or_default()))
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(fail(e)),
        }
    }

    /// The target of a symbolic link as written; `None` when it is not a link or cannot be read.
    #[must_use]
    pub fn link_target(&self, path: &str) -> Option<String> {
        Some(fs::read_link(self.real(path)).ok()?.to_string_lossy().into_owned())
    }

    /// The names in a folder, sorted; empty when there is no such folder.
    ///
    /// # Errors
    /// When the folder exists and cannot be read.
    pub fn list_dir(&self, path: &str) -> Result<Vec<String>> {
        let fail = |e| HostError::file("list", path, e);
        let entries = match fs::read_dir(self.real(path)) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(fail(e)),
        };
        let mut names = Vec::new();
        for entry in entries {
            names.push(entry.map_err(fail)?.file_name().to_string_lossy().into_owned());
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Writes to a file of the kernel (/proc, /sys) with one write; never creates it.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn write_live(&self, path: &str, bytes: &[u8]) -> Result<()> {
        let fail = |e| HostError::file("write", path, e);
        // In a folder that stands for a machine this is a plain file, which must be truncated.
        let mut file =
            OpenOptions::new().write(true).truncate(!self.is_live()).open(self.real(path)).map_err(fail)?;
        file.write_all(bytes).map_err(fail)
    }

    /// Creates `path` and missing parents with mode 0755, each durable before the next.
    ///
    /// # Errors
    /// When one cannot be created.
    pub fn create_dirs(&self, path: &str) -> Result<()> {
        let mut done = String::new();
        for part in path.split('/').filter(|part| !part.is_empty()) {
            let parent = if done.is_empty() { "/".to_owned() } else { done.clone() };
            done.push('/');
            done.push_str(part);
            match fs::create_dir(self.real(&done)) {
                Ok(()) => {
                    let open = fs::Permissions::from_mode(0o755);
                    fs::set_permissions(self.real(&done), open)
                        .map_err(|e| HostError::file("set the mode of", &done, e))?;
                    self.sync_dir(&parent)?;
                }
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(HostError::file("create folder", &done, e)),
            }
        }
        Ok(())
    }

    /// Removes a folder if it is empty; whether there is no such folder afterwards.
    ///
    /// # Errors
    /// When it is empty and cannot be removed.
    pub fn remove_dir_if_empty(&self, path: &str) -> Result<bool> {
        match fs::remove_dir(self.real(path)) {
            Ok(()) => {
                self.sync_dir(parent(path))?;
                Ok(true)
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(true),
            Err(e) if e.kind() == std::io::ErrorKind::DirectoryNotEmpty => Ok(false),
            Err(e) => Err(HostError::file("remove folder", path, e)),
        }
    }

    /// Writes a new file durably; [`Host::rename_over`] then puts it in place.
    ///
    /// # Errors
    /// When the file exists (a symbolic link counts) or cannot be written.
    pub fn write_new(&self, path: &str, bytes: &[u8], access: Access) -> Result<()> {
        let fail = |e| HostError::file("write", path, e);
        let mut file = self.create_new(path, access.mode)?;
        file.write_all(bytes).map_err(fail)?;
        if let Some((uid, gid)) = access.owner {
            std::os::unix::fs::fchown(&file, Some(uid), Some(gid)).map_err(fail)?;
        }
        // After chown(2), which clears set-id bits; and independent of the umask.
        file.set_permissions(fs::Permissions::from_mode(access.mode)).map_err(fail)?;
        file.sync_all().map_err(fail)
    }

    /// Creates an empty file; fails when anything has that name.
    pub(crate) fn create_new(&self, path: &str, mode: u32) -> Result<File> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(mode)
            .custom_flags(OFlags::NOFOLLOW.bits() as i32)
            .open(self.real(path))
            .map_err(|e| HostError::file("create", path, e))
    }

    /// Renames and replaces, durably.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn rename_over(&self, from: &str, to: &str) -> Result<()> {
        fs::rename(self.real(from), self.real(to))
            .map_err(|e| HostError::file("rename a new file to", to, e))?;
        self.sync_dir(parent(to))
    }

    /// Renames without replacing, durably.
    ///
    /// # Errors
    /// When something has that name.
    pub fn rename_noreplace(&self, from: &str, to: &str) -> Result<()> {
        let (from, real) = (self.real(from), self.real(to));
        rustix::fs::renameat_with(rustix::fs::CWD, &from, rustix::fs::CWD, &real, RenameFlags::NOREPLACE)
            .map_err(|e| HostError::file("rename a new file to", to, e))?;
        self.sync_dir(parent(to))
    }

    /// Creates or replaces a symbolic link, durably.
    ///
    /// # Errors
    /// When something other than a symbolic link has the name.
    pub fn replace_symlink(&self, path: &str, target: &str) -> Result<()> {
        let fail = |e: std::io::Error| HostError::file("create the symbolic link", path, e);
        if self.lstat(path)?.is_some_and(|meta| meta.kind != Kind::Symlink) {
            return Err(fail(std::io::ErrorKind::AlreadyExists.into()));
        }
        let new = temp_sibling(path);
        self.remove_file(&new)?;
        std::os::unix::fs::symlink(target, self.real(&new)).map_err(fail)?;
        self.rename_over(&new, path)
    }

    /// Removes a file durably; does nothing when there is no such file.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn remove_file(&self, path: &str) -> Result<()> {
        match fs::remove_file(self.real(path)) {
            Ok(()) => self.sync_dir(parent(path)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(e) => Err(HostError::file("remove", path, e)),
        }
    }

    /// Syncs a folder, which makes renames in it durable.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn sync_dir(&self, path: &str) -> Result<()> {
        let fail = |e: std::io::Error| HostError::file("sync folder", path, e);
        File::open(self.real(path)).map_err(fail)?.sync_all().map_err(fail)
    }

    /// Appends to a file durably; creates it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn append(&self, path: &str, bytes: &[u8], mode: u32) -> Result<()> {
        let fail = |e| HostError::file("append to", path, e);
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(mode)
            .custom_flags(OFlags::NOFOLLOW.bits() as i32)
            .open(self.real(path))
            .map_err(fail)?;
        file.write_all(bytes).map_err(fail)?;
        file.sync_data().map_err(fail)
    }

    /// Takes an exclusive lock; `None` when another process holds it. Dropping the value or the end of the process releases
    /// it.
    ///
    /// # Errors
    /// When the lock file cannot be created.
    pub fn try_lock(&self, path: &str) -> Result<Option<Lock>> {
        let fail = |e| HostError::file("lock", path, e);
        let flags = OFlags::NOFOLLOW.bits() as i32;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(flags)
            .open(self.real(path))
            .map_err(fail)?;
        match file.try_lock() {
            Ok(()) => {
                file.set_len(0).map_err(fail)?;
                write!(file, "{}", std::process::id()).map_err(fail)?;
                Ok(Some(Lock { _file: file }))
            }
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(e)) => Err(fail(e)),
        }
    }

    /// The space of a file system.
    ///
    /// # Errors
    /// When statvfs(3) fails.
    pub fn disk_space(&self, path: &str) -> Result<DiskSpace> {
        let stat = rustix::fs::statvfs(self.real(path))
            .map_err(|e| HostError::file("get the free space of", path, e))?;
        Ok(DiskSpace { total: stat.f_blocks * stat.f_frsize, free: stat.f_bavail * stat.f_frsize })
    }
}

/// A held lock; dropping it releases it.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// The space of a file system in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskSpace {
    /// Size.
    pub total: u64,
    /// Free, without the blocks reserved for root.
    pub free: u64,
}

fn meta_of(meta: &fs::Metadata) -> Meta {
    use std::os::unix::fs::FileTypeExt;
    let t = meta.file_type();
    let kind = if t.is_file() {
        Kind::File
    } else if t.is_dir() {
        Kind::Directory
    } else if t.is_symlink() {
        Kind::Symlink
    } else if t.is_block_device() {
        Kind::BlockDevice
    } else {
        Kind::Other
    };
    Meta { kind, uid: meta.uid(), gid: meta.gid(), mode: meta.mode() & 0o7777, len: meta.len() }
}

/// The parent folder of an absolute path.
#[must_use]
pub fn parent(path: &str) -> &str {
    match path.trim_end_matches('/').rfind('/') {
        None | Some(0) => "/",
        Some(at) => &path[..at],
    }
}

/// The hidden name beside `path` for a new file before it is renamed.
#[must_use]
pub fn temp_sibling(path: &str) -> String {
    let dir = parent(path).trim_end_matches('/');
    let name = path.rsplit('/').next().unwrap_or(path);
    format!("{dir}/.{name}.oomguard-new")
}

/// The SHA-256 in hexadecimal.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut out, byte| {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}
