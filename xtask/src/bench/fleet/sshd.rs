//! OpenSSH's server: this machine's, or Debian's package unpacked into a folder. Installing the package would start a
//! server that is reachable from outside.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::tools;

const INSTALLED: &str = "/usr/sbin/sshd";
/// The server and the only library that is not already installed.
const PACKAGES: [&str; 2] = ["openssh-server", "libwrap0"];

/// A server program.
#[derive(Clone, Debug)]
pub struct Sshd {
    /// sshd requires an absolute path.
    pub program: PathBuf,
    /// Folders for `LD_LIBRARY_PATH`; empty for an installed one.
    pub libraries: String,
}

impl Sshd {
    /// Copies an unpacked server to a folder that every user can read.
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

/// Finds an installed server, or unpacks one under `dir`.
///
/// # Errors
/// When neither works.
pub fn find(dir: &Path) -> Result<Sshd> {
    if Path::new(INSTALLED).is_file() {
        return Ok(Sshd { program: INSTALLED.into(), libraries: String::new() });
    }
    let dir = dir.join("sshd");
    let program = dir.join("usr/sbin/sshd");
    if !program.is_file() {
        unpack(&dir).context("cannot unpack sshd; install openssh-server")?;
    }
    let library = |part: &str| dir.join(part).join(format!("{}-linux-gnu", std::env::consts::ARCH));
    let libraries = ["lib", "usr/lib"].map(|part| library(part).display().to_string()).join(":");
    let sshd = Sshd { program, libraries };
    // This only prints the version, or the missing library.
    let asked = Command::new(&sshd.program).arg("-V").env("LD_LIBRARY_PATH", &sshd.libraries).output()?;
    let stderr = String::from_utf8_lossy(&asked.stderr);
    ensure!(stderr.contains("OpenSSH"), "the unpacked sshd does not run ({stderr}); install openssh-server");
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
