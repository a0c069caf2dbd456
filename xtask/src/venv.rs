//! Python virtual environments with packages from PyPI.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use oomguard_lab::Tool;

use crate::tools;

/// Creates an environment with the packages listed in a file, if it does not exist yet.
///
/// # Errors
/// When Python or a package is not available.
pub fn install_pinned(venv: &Path, requirements: &Path) -> Result<()> {
    let text = fs::read_to_string(requirements)
        .with_context(|| format!("cannot read {}", requirements.display()))?;
    let packages: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    install(venv, &packages)
}

/// Creates an environment with these packages, if it does not exist yet.
///
/// # Errors
/// When Python or a package is not available.
pub fn install(venv: &Path, packages: &[&str]) -> Result<()> {
    let stamp = venv.join("installed");
    let wanted = packages.join("\n");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    need_python()?;
    tools::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(venv))?;
    let pip = venv.join("bin/pip");
    tools::run(Command::new(pip).args(["install", "--quiet", "--disable-pip-version-check"]).args(packages))?;
    fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))
}

/// On Debian, `venv` is in a separate package.
fn need_python() -> Result<()> {
    tools::need_programs(&|| {
        let mut python = Command::new("python3");
        python.args(["-c", "import ensurepip, venv"]);
        let status = python.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        match status {
            Ok(status) if status.success() => Vec::new(),
            _ => vec![Tool { program: "python3 with venv", package: "python3-venv" }],
        }
    })
}
