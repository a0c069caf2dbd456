//! Opens files beneath a folder and nothing outside it.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{Mode, OFlags, ResolveFlags, open, openat2};

/// Opens a regular file beneath `folder` for reading. The kernel refuses every `..` and symbolic link that leads out of it,
/// with EXDEV (openat2(2), Linux 5.6).
///
/// # Errors
/// When there is no such file, it is not a regular file, or the path leads out of the folder.
pub fn open_beneath(folder: &Path, path: &Path) -> io::Result<File> {
    let base = open(folder, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    // NONBLOCK: do not wait for the other end of a FIFO.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let file = File::from(openat2(base, path, flags, Mode::empty(), resolve)?);
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::fs::symlink;

    #[test]
    fn paths_out_of_the_folder_are_refused() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("given");
        std::fs::create_dir_all(folder.join("sub")).unwrap();
        std::fs::write(outer.path().join("secret"), "secret").unwrap();
        std::fs::write(folder.join("sub/file"), "seen").unwrap();
        symlink("sub/file", folder.join("inside")).unwrap();
        symlink("../secret", folder.join("out")).unwrap();
        symlink(outer.path().join("secret"), folder.join("absolute")).unwrap();
        symlink("..", folder.join("up")).unwrap();
        for path in ["sub/file", "inside", "sub/../sub/file"] {
            let mut text = String::new();
            open_beneath(&folder, Path::new(path)).unwrap().read_to_string(&mut text).unwrap();
            assert_eq!(text, "seen", "{path}");
        }
        for path in
            ["../secret", "out", "absolute", "up/secret", "/etc/passwd", "sub/../../secret", "sub", ""]
        {
            assert!(open_beneath(&folder, Path::new(path)).is_err(), "{path}");
        }
    }
}
