//! Documents and logs: only from the folders that were given at start.

use std::fs::File;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use oomguard_host::openat2::open_beneath;
use oomguard_spec::{Document, MAX_BYTES, Rejected};

/// The folders that were given at start.
#[derive(Clone, Debug, Default)]
pub struct Folders(pub Vec<PathBuf>);

/// Why a file is not read.
#[derive(Debug, thiserror::Error)]
pub enum NotRead {
    /// It is not in a folder that was given.
    #[error(
        "`{path}` is in no folder that this server may read ({folders}); a person gives a folder at start, with `--folder DIR`"
    )]
    Outside {
        /// What was asked for.
        path: String,
        /// The folders.
        folders: String,
    },
    /// It is there, and cannot be read.
    #[error("cannot read `{path}`: {why}")]
    File {
        /// What was asked for.
        path: String,
        /// Why not.
        why: String,
    },
}

impl Folders {
    /// Opens a file: a path beneath one of the folders, or one that begins with such a folder.
    ///
    /// # Errors
    /// When it leads out of the folders, by `..` or by a link, or is not there.
    pub fn open(&self, path: &str) -> Result<File, NotRead> {
        let shown = crate::safe::text(path).chars().take(200).collect::<String>();
        let outside = || NotRead::Outside {
            path: shown.clone(),
            folders: match self.0.as_slice() {
                [] => "none was given".to_owned(),
                all => all.iter().map(|one| one.display().to_string()).collect::<Vec<_>>().join(", "),
            },
        };
        let asked = Path::new(path);
        if path.is_empty() || path.len() > 4096 || asked.components().any(|part| part == Component::ParentDir)
        {
            return Err(outside());
        }
        let mut why = None;
        for folder in &self.0 {
            let beneath = if asked.is_absolute() { asked.strip_prefix(folder).ok() } else { Some(asked) };
            let Some(beneath) = beneath else { continue };
            match open_beneath(folder, beneath) {
                Ok(file) => return Ok(file),
                // EXDEV: the way leads out.
                Err(error) if error.kind() == std::io::ErrorKind::CrossesDevices => {}
                Err(error) => why = Some(error.to_string()),
            }
        }
        Err(why.map_or_else(outside, |why| NotRead::File { path: shown.clone(), why }))
    }

    /// Reads a document.
    ///
    /// # Errors
    /// As [`Folders::open`]; the inner one when it cannot be understood.
    pub fn document(&self, path: &str) -> Result<Result<Document, Rejected>, NotRead> {
        let mut bytes = Vec::new();
        let read = self.open(path)?.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes);
        read.map_err(|error| NotRead::File { path: crate::safe::text(path), why: error.to_string() })?;
        Ok(oomguard_spec::read(&crate::safe::text(path), &bytes))
    }
}
