//! The state folder: plans that wait for a grant, grants, and the audit.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// What is kept is small.
const MOST_BYTES: u64 = 4 << 20;

/// A folder that only its owner may look into.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
    owner: u32,
}

/// Why the folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The system says no.
    #[error("cannot {doing} {path}: {source}")]
    File {
        /// What was tried.
        doing: &'static str,
        /// Where.
        path: String,
        /// Why not.
        source: io::Error,
    },
    /// Others may look into it or change it.
    #[error("{path} must be {must}, of the user that runs this; it is not used as it is")]
    Open {
        /// Where.
        path: String,
        /// What it must be.
        must: &'static str,
    },
    /// Somebody changed it, or another version wrote it.
    #[error("{path} cannot be understood: {why}")]
    Damaged {
        /// Where.
        path: String,
        /// What is wrong.
        why: String,
    },
}

impl Folder {
    /// Opens the folder, or makes it, for the user with this number.
    ///
    /// # Errors
    /// When it cannot be made, or is open to others.
    pub fn open(path: &Path, owner: u32) -> Result<Self, StateError> {
        let folder = Self { path: path.to_owned(), owner };
        DirBuilder::new().mode(0o700).recursive(true).create(path).map_err(failed("create", path))?;
        folder.closed(path)?;
        for name in ["plans", "grants", "used"] {
            let path = path.join(name);
            DirBuilder::new().mode(0o700).recursive(true).create(&path).map_err(failed("create", &path))?;
            folder.closed(&path)?;
        }
        Ok(folder)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn closed(&self, path: &Path) -> Result<(), StateError> {
        let meta = fs::symlink_metadata(path).map_err(failed("look at", path))?;
        if meta.is_dir() && meta.uid() == self.owner && meta.mode() & 0o077 == 0 {
            return Ok(());
        }
        Err(StateError::Open { path: path.display().to_string(), must: "a folder with the mode 0700" })
    }

    /// A file of a folder in it.
    #[must_use]
    pub fn file(&self, folder: &str, name: &str) -> PathBuf {
        self.path.join(folder).join(format!("{name}.json"))
    }

    /// Writes a new file, 0600, that is durable and whole when it is there.
    ///
    /// # Errors
    /// When it cannot be written.
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

    /// Reads a file that nobody else may have written; `None` when there is none.
    ///
    /// # Errors
    /// When it is open to others, or no such file.
    pub fn read<T: DeserializeOwned>(&self, path: &Path) -> Result<Option<T>, StateError> {
        let file = match OpenOptions::new().read(true).custom_flags(NOFOLLOW).open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(failed("read", path))?,
        };
        private(&file, path, self.owner)?;
        let mut bytes = Vec::new();
        file.take(MOST_BYTES).read_to_end(&mut bytes).map_err(failed("read", path))?;
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| StateError::Damaged { path: path.display().to_string(), why: error.to_string() })
    }

    /// Opens a file that grows.
    ///
    /// # Errors
    /// When it cannot be opened, or is open to others.
    pub fn append(&self, name: &str) -> Result<File, StateError> {
        let path = self.path.join(name);
        let mut options = OpenOptions::new();
        options.create(true).append(true).mode(0o600).custom_flags(NOFOLLOW);
        let file = options.open(&path).map_err(failed("open", &path))?;
        private(&file, &path, self.owner)?;
        Ok(file)
    }
}

/// O_NOFOLLOW of Linux: a symbolic link is not followed.
#[cfg(not(any(target_arch = "aarch64", target_arch = "arm", target_arch = "powerpc64")))]
pub(crate) const NOFOLLOW: i32 = 0o400_000;
/// O_NOFOLLOW of Linux: a symbolic link is not followed.
#[cfg(any(target_arch = "aarch64", target_arch = "arm", target_arch = "powerpc64"))]
pub(crate) const NOFOLLOW: i32 = 0o100_000;

/// Only its owner reads and writes it.
pub(crate) fn private(file: &File, path: &Path, owner: u32) -> Result<(), StateError> {
    let meta = file.metadata().map_err(failed("look at", path))?;
    if meta.is_file() && meta.uid() == owner && meta.mode() & 0o777 == 0o600 {
        return Ok(());
    }
    Err(StateError::Open { path: path.display().to_string(), must: "a file with the mode 0600" })
}

pub(crate) fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StateError {
    let path = path.display().to_string();
    move |source| StateError::File { doing, path, source }
}
