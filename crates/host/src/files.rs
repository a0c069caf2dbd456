//! Reading files, and changing them so that a power cut leaves the old or the new one.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::time::{Duration, UNIX_EPOCH};

use rustix::fs::{OFlags, RenameFlags};
use sha2::{Digest, Sha256};

use crate::error::{HostError, Result};
use crate::host::Host;

/// No file that oomguard reads is longer; a longer one is refused rather than read into memory.
const MAX_FILE: u64 = 16 << 20;
const PAGE: usize = 4 << 10;

/// What kind of thing a path is.
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
    /// Anything else.
    Other,
}

/// What lstat(2) says of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta {
    /// What kind of thing it is.
    pub kind: Kind,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// The permission bits, without the kind.
    pub mode: u32,
    /// The length in bytes.
    pub len: u64,
}

/// Who may do what with a new file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// The permission bits.
    pub mode: u32,
    /// The owner and the group; `None`: those of this process.
    pub owner: Option<(u32, u32)>,
}

impl Host {
    /// The whole of a file.
    ///
    /// # Errors
    /// When it cannot be read, or is longer than any file that is meant to be read.
    pub fn read(&self, path: &str) -> Result<Vec<u8>> {
        let fail = |e| HostError::file("read", path, e);
        let mut file = File::open(self.real(path)).map_err(fail)?;
        // Most are shorter than a page: one read, and one that finds the end. On the stack, because musl maps and unmaps
        // memory for each buffer of this size; and without room std begins with 32 bytes.
        let mut page = [0; PAGE];
        let first = file.read(&mut page).map_err(fail)?;
        let mut bytes = page[..first].to_vec();
        file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(fail)?;
        if bytes.len() as u64 > MAX_FILE {
            return Err(HostError::file("read", path, std::io::Error::other("it is longer than 16 MiB")));
        }
        Ok(bytes)
    }

    /// The whole of a file, or `None` when there is no such file.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn read_optional(&self, path: &str) -> Result<Option<Vec<u8>>> {
        match self.read(path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if e.is_not_found() => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// The first bytes of a file, at most `len`.
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

    /// What lstat(2) says of a path, or `None` when nothing is there.
    ///
    /// # Errors
    /// When the path cannot be looked at.
    pub fn lstat(&self, path: &str) -> Result<Option<Meta>> {
        match fs::symlink_metadata(self.real(path)) {
            Ok(meta) => Ok(Some(meta_of(&meta))),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(HostError::file("look at", path, e)),
        }
    }

    /// When the content of a file was last changed, as time since 1970; `None` when nothing is there. Of a link, its own.
    ///
    /// # Errors
    /// When the path cannot be looked at.
    pub fn modified(&self, path: &str) -> Result<Option<Duration>> {
        let fail = |e| HostError::file("look at", path, e);
        match fs::symlink_metadata(self.real(path)) {
            Ok(meta) => {
                let time = meta.modified().map_err(fail)?;
                Ok(Some(time.duration_since(UNIX_EPOCH).unwrap_or_default()))
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(fail(e)),
        }
    }

    /// Where a symbolic link points, as it is written; `None` when it is no link or cannot be read.
    #[must_use]
    pub fn link_target(&self, path: &str) -> Option<String> {
        Some(fs::read_link(self.real(path)).ok()?.to_string_lossy().into_owned())
    }

    /// The names in a folder, sorted; empty when there is no such folder.
    ///
    /// # Errors
    /// When the folder is there and cannot be read.
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

    /// Writes to a file of the kernel (/proc, /sys) in one write, creating nothing.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn write_live(&self, path: &str, bytes: &[u8]) -> Result<()> {
        let fail = |e| HostError::file("write", path, e);
        // A folder that stands for a machine has plain files here, and they must not keep old bytes.
        let mut file =
            OpenOptions::new().write(true).truncate(!self.is_live()).open(self.real(path)).map_err(fail)?;
        file.write_all(bytes).map_err(fail)
    }

    /// Creates the missing folders down to `path`, mode 0755, each durable before the next.
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

    /// Removes a folder if it is empty; says whether it is gone.
    ///
    /// # Errors
    /// When the system refuses for another reason than that something is in it.
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

    /// Writes a new file that nobody sees under its final name yet, and makes its bytes durable.
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
        // After the owner: chown(2) clears set-id bits, and the umask must not decide.
        file.set_permissions(fs::Permissions::from_mode(access.mode)).map_err(fail)?;
        file.sync_all().map_err(fail)
    }

    /// Creates an empty file that nobody else could have put there.
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

    /// Renames over whatever is there, and makes it durable.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn rename_over(&self, from: &str, to: &str) -> Result<()> {
        fs::rename(self.real(from), self.real(to)).map_err(|e| HostError::file("put in place", to, e))?;
        self.sync_dir(parent(to))
    }

    /// Renames only if nothing is there yet, and makes it durable.
    ///
    /// # Errors
    /// When something is there.
    pub fn rename_noreplace(&self, from: &str, to: &str) -> Result<()> {
        let (from, real) = (self.real(from), self.real(to));
        rustix::fs::renameat_with(rustix::fs::CWD, &from, rustix::fs::CWD, &real, RenameFlags::NOREPLACE)
            .map_err(|e| HostError::file("put in place", to, e))?;
        self.sync_dir(parent(to))
    }

    /// Makes a symbolic link, in place of whatever link is there, and makes it durable.
    ///
    /// # Errors
    /// When the system refuses, or something that is no link has the name.
    pub fn replace_symlink(&self, path: &str, target: &str) -> Result<()> {
        let fail = |e: std::io::Error| HostError::file("make the link", path, e);
        if self.lstat(path)?.is_some_and(|meta| meta.kind != Kind::Symlink) {
            return Err(fail(std::io::ErrorKind::AlreadyExists.into()));
        }
        let new = temp_sibling(path);
        self.remove_file(&new)?;
        std::os::unix::fs::symlink(target, self.real(&new)).map_err(fail)?;
        self.rename_over(&new, path)
    }

    /// Removes a file and makes that durable; that it is gone already is fine.
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

    /// Makes the names in a folder durable.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn sync_dir(&self, path: &str) -> Result<()> {
        let fail = |e: std::io::Error| HostError::file("sync folder", path, e);
        File::open(self.real(path)).map_err(fail)?.sync_all().map_err(fail)
    }

    /// Appends to a file of our own, creating it, and makes it durable.
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

    /// Takes the lock that only one change of the host can hold; `None` when another process has it.
    /// It is free again when the value is dropped or its process dies.
    ///
    /// # Errors
    /// When the lock file cannot be made.
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

    /// What a file system has: bytes in all, and bytes that root may still use.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn disk_space(&self, path: &str) -> Result<DiskSpace> {
        let stat = rustix::fs::statvfs(self.real(path))
            .map_err(|e| HostError::file("ask for the free space of", path, e))?;
        Ok(DiskSpace { total: stat.f_blocks * stat.f_frsize, free: stat.f_bavail * stat.f_frsize })
    }
}

/// A held lock; dropping it frees it.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// What a file system has, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskSpace {
    /// In all.
    pub total: u64,
    /// Free for ordinary use (blocks that are reserved for root do not count).
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

/// The folder that an absolute path is in.
#[must_use]
pub fn parent(path: &str) -> &str {
    match path.trim_end_matches('/').rfind('/') {
        None | Some(0) => "/",
        Some(at) => &path[..at],
    }
}

/// The hidden sibling under which a new file is written before it takes its name.
#[must_use]
pub fn temp_sibling(path: &str) -> String {
    let dir = parent(path).trim_end_matches('/');
    let name = path.rsplit('/').next().unwrap_or(path);
    format!("{dir}/.{name}.oomguard-new")
}

/// The SHA-256 of some bytes, in hexadecimal.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut out, byte| {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}
