//! Access to documents and logs, restricted to the folders that were given with `--folder`.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Component, Path, PathBuf};

use oomguard_host::openat2::open_beneath;
use oomguard_spec::{Document, MAX_BYTES, Rejected};
use oomguard_text::shown;

use crate::fit::escaped;

/// PATH_MAX of Linux.
const MAX_PATH_BYTES: usize = 4096;

/// The folders that may be read. New files are written to the first.
#[derive(Clone, Debug, Default)]
pub struct AllowedFolders(pub Vec<PathBuf>);

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is outside of the allowed folders.
    #[error(
        "`{path}` is outside of the folders that this server may read ({folders}); to allow a folder, restart the server \
         with `--folder DIR`"
    )]
    Outside {
        /// The path as it was given.
        path: String,
        /// The allowed folders.
        folders: String,
    },
    /// It cannot be read.
    #[error("cannot read `{path}`: {error}")]
    File {
        /// The path as it was given.
        path: String,
        /// The error.
        error: std::io::Error,
    },
}

impl AllowedFolders {
    /// Opens a file. `path` is relative to an allowed folder, or absolute and inside of one.
    ///
    /// # Errors
    /// If it does not exist, or leads out of the folders through `..` or a symbolic link.
    pub fn open(&self, path: &str) -> Result<File, ReadError> {
        let quoted = || shown(path, 200);
        let requested = Path::new(path);
        let climbs = requested.components().any(|part| part == Component::ParentDir);
        if path.is_empty() || path.len() > MAX_PATH_BYTES || climbs {
            return Err(self.outside(quoted()));
        }
        let mut failed = None;
        for folder in &self.0 {
            let relative =
                if requested.is_absolute() { requested.strip_prefix(folder).ok() } else { Some(requested) };
            let Some(relative) = relative else { continue };
            match open_beneath(folder, relative) {
                Ok(file) => return Ok(file),
                // openat2(2) reports a path that leads out of the folder as EXDEV.
                Err(error) if error.kind() == ErrorKind::CrossesDevices => {}
                Err(error) => failed = Some(error),
            }
        }
        Err(match failed {
            Some(error) => ReadError::File { path: quoted(), error },
            None => self.outside(quoted()),
        })
    }

    fn outside(&self, path: String) -> ReadError {
        let folders = match self.0.as_slice() {
            [] => "none".to_owned(),
            all => all.iter().map(|one| one.display().to_string()).collect::<Vec<_>>().join(", "),
        };
        ReadError::Outside { path, folders }
    }

    /// Reads a document.
    ///
    /// # Errors
    /// As [`AllowedFolders::open`]. The inner error is that of a document that is not valid.
    pub fn document(&self, path: &str) -> Result<Result<Document, Rejected>, ReadError> {
        let mut bytes = Vec::new();
        let read = self.open(path)?.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes);
        read.map_err(|error| ReadError::File { path: shown(path, 200), error })?;
        Ok(oomguard_spec::read(&escaped(path), &bytes))
    }
}
