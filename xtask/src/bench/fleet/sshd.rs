//! OpenSSH's server, for any user: this machine's, or Debian's package unpacked into a folder. Nothing is installed, so
//! that no server starts that listens to the outside.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::tools;

const INSTALLED: &str = "/usr/sbin/sshd";
/// The server, and the one library of it that other packages do not bring.
const PACKAGES: [&str; 2] = ["openssh-server", "libwrap0"];

/// A server that can be run.
#[derive(Clone, Debug)]
pub struct Sshd {
    /// An absolute path, as it demands.
    pub program: PathBuf,
    /// Folders for `LD_LIBRARY_PATH`; empty for an installed one.
    pub libraries: String,
}

impl Sshd {
    /// The same in another folder, which every user may read; an installed one stays where it is.
    ///
    /// # Errors
    /// When it cannot be copied.
    pub fn moved_to(self, dir: &Path) -> Result<Self> {
        if self.libraries.is_empty() {
            return Ok(self);
        }
        fs::create_dir_all(dir)?;
        let program = dir.join("sshd");
        fs::copy(&self.program, &program)?;
        for library in self.libraries.split(':').filter_map(|folder| fs::read_dir(folder).ok()).flatten() {
            let library = library?;
            fs::copy(library.path(), dir.join(library.file_name()))?;
        }
        Ok(Self { program, libraries: dir.display().to_string() })
    }
}

/// Finds it, or unpacks it below `dir`.
///
/// # Errors
/// When neither works here.
pub fn find(dir: &Path) -> Result<Sshd> {
    if Path::new(INSTALLED).is_file() {
        return Ok(Sshd { program: INSTALLED.into(), libraries: String::new() });
    }
    let dir = dir.join("sshd");
    let program = dir.join("usr/sbin/sshd");
    if !program.is_file() {
        unpack(&dir).context("there is no sshd on this machine; install openssh-server")?;
    }
    let library = |part: &str| dir.join(part).join(format!("{}-linux-gnu", std::env::consts::ARCH));
    let libraries = ["lib", "usr/lib"].map(|part| library(part).display().to_string()).join(":");
    let sshd = Sshd { program, libraries };
    // It says what it misses, and does nothing without a host key.
    let asked = Command::new(&sshd.program).arg("-V").env("LD_LIBRARY_PATH", &sshd.libraries).output()?;
    let said = String::from_utf8_lossy(&asked.stderr);
    ensure!(said.contains("OpenSSH"), "the unpacked sshd does not run ({said}); install openssh-server");
    Ok(sshd)
}

fn unpack(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    tools::run(Command::new("apt-get").current_dir(dir).args(["--quiet", "download"]).args(PACKAGES))?;
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            tools::run(Command::new("dpkg").arg("-x").arg(&path).arg(dir))?;
        }
    }
    Ok(())
}
