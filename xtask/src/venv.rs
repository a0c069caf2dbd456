//! Virtual environments of Python, with packages from PyPI.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use oomguard_lab::Tool;

use crate::tools;

/// Makes an environment with the packages of a file, unless it has them already.
///
/// # Errors
/// When Python or a package is not to be had.
pub fn install_pinned(venv: &Path, requirements: &Path) -> Result<()> {
    let text = fs::read_to_string(requirements)
        .with_context(|| format!("cannot read {}", requirements.display()))?;
    let packages: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    install(venv, &packages)
}

/// Makes an environment with these packages, unless it has them already.
///
/// # Errors
/// When Python or a package is not to be had.
pub fn install(venv: &Path, packages: &[&str]) -> Result<()> {
    let stamp = venv.join("installed");
    let wanted = packages.join("\n");
    if fs::read_to_string(&stamp).is_ok_and(|there| there == wanted) {
        return Ok(());
    }
    need_python()?;
    tools::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(venv))?;
    let pip = venv.join("bin/pip");
    tools::run(Command::new(pip).args(["install", "--quiet", "--disable-pip-version-check"]).args(packages))?;
    fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))
}

/// Debian has what makes environments in a package of its own.
fn need_python() -> Result<()> {
    tools::need_programs(&|| {
        let mut python = Command::new("python3");
        python.args(["-c", "import ensurepip, venv"]);
        let there = python.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        match there {
            Ok(status) if status.success() => Vec::new(),
            _ => vec![Tool { program: "python3 with venv", package: "python3-venv" }],
        }
    })
}
