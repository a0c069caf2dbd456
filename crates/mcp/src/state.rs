//! The state folder: plans, approvals and the audit log.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The largest file that is read.
const MAX_BYTES: u64 = 4 << 20;

/// The folder of plans that wait for approval.
pub const PLANS: &str = "plans";
/// The folder of approvals that were not used yet.
pub const APPROVALS: &str = "approvals";
/// The folder of approvals that were used.
pub const USED: &str = "used";

/// A folder that only its owner can access.
#[derive(Clone, Debug)]
pub struct StateDir {
    path: PathBuf,
    owner: u32,
}

/// Why the state folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A file operation failed.
    #[error("cannot {operation} {path}: {source}")]
    File {
        /// The operation.
        operation: &'static str,
        /// The path.
        path: String,
        /// The error.
        source: io::Error,
    },
    /// Other users can access it.
    #[error("{path} must be {required} and must belong to the user that runs oomguard")]
    Permissions {
        /// The path.
        path: String,
        /// What it must be.
        required: &'static str,
    },
    /// A file has another format.
    #[error("{path} is damaged, or was written by another version of oomguard: {error}")]
    Damaged {
        /// The path.
        path: String,
        /// The error.
        error: serde_json::Error,
    },
}

impl StateDir {
    /// Opens the folder for the user with this id, and creates it if it does not exist.
    ///
    /// # Errors
    /// If it cannot be created, or other users can access it.
    pub fn open(path: &Path, owner: u32) -> Result<Self, StateError> {
        let state = Self { path: path.to_owned(), owner };
        state.create(path)?;
        for folder in [PLANS, APPROVALS, USED] {
            state.create(&path.join(folder))?;
        }
        Ok(state)
    }

    fn create(&self, path: &Path) -> Result<(), StateError> {
        DirBuilder::new().mode(0o700).recursive(true).create(path).map_err(failed("create", path))?;
        let meta = fs::symlink_metadata(path).map_err(failed("stat", path))?;
        if meta.is_dir() && meta.uid() == self.owner && meta.mode() & 0o077 == 0 {
            return Ok(());
        }
        Err(StateError::Permissions {
            path: path.display().to_string(),
            required: "a directory with mode 0700",
        })
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of a file in one of its folders.
    #[must_use]
    pub fn file(&self, folder: &str, name: &str) -> PathBuf {
        self.path.join(folder).join(format!("{name}.json"))
    }

    /// Writes a file with mode 0600, atomically and durably.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, path: &Path, value: &impl Serialize) -> Result<(), StateError> {
        let write = || -> io::Result<()> {
            let folder = path.parent().unwrap_or(Path::new("."));
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(&serde_json::to_vec_pretty(value)?)?;
            file.as_file().sync_all()?;
            file.persist(path)?;
            File::open(folder)?.sync_all()
        };
        write().map_err(failed("write", path))
    }

    /// Reads a file that only the owner can write; `None` if it does not exist.
    ///
    /// # Errors
    /// If it cannot be read, or other users can access it.
    pub fn read<T: DeserializeOwned>(&self, path: &Path) -> Result<Option<T>, StateError> {
        let file = match OpenOptions::new().read(true).custom_flags(NOFOLLOW).open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(failed("read", path))?,
        };
        require_private(&file, path, self.owner)?;
        let mut bytes = Vec::new();
        file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(failed("read", path))?;
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| StateError::Damaged { path: path.display().to_string(), error })
    }

    /// Opens a file for appending.
    ///
    /// # Errors
    /// If it cannot be opened, or other users can access it.
    pub fn append(&self, name: &str) -> Result<File, StateError> {
        let path = self.path.join(name);
        let mut options = OpenOptions::new();
        options.create(true).append(true).mode(0o600).custom_flags(NOFOLLOW);
        let file = options.open(&path).map_err(failed("open", &path))?;
        require_private(&file, &path, self.owner)?;
        Ok(file)
    }
}

/// `O_NOFOLLOW` of Linux.
#[cfg(not(any(target_arch = "aarch64", target_arch = "arm", target_arch = "powerpc64")))]
pub(crate) const NOFOLLOW: i32 = 0o400_000;
/// `O_NOFOLLOW` of Linux.
#[cfg(any(target_arch = "aarch64", target_arch = "arm", target_arch = "powerpc64"))]
pub(crate) const NOFOLLOW: i32 = 0o100_000;

/// Requires that only the owner can read and write the file.
pub(crate) fn require_private(file: &File, path: &Path, owner: u32) -> Result<(), StateError> {
    let meta = file.metadata().map_err(failed("stat", path))?;
    if meta.is_file() && meta.uid() == owner && meta.mode() & 0o777 == 0o600 {
        return Ok(());
    }
    Err(StateError::Permissions { path: path.display().to_string(), required: "a file with mode 0600" })
}

pub(crate) fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StateError {
    let path = path.display().to_string();
    move |source| StateError::File { operation, path, source }
}
