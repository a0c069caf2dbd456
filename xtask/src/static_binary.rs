//! The two static programs that lab hosts and packages contain, in one directory.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::tools::{MUSL, need_musl_target, run};

/// The name of the agent's program, which is beside the command.
pub const AGENT: &str = "oomguard-agent";

/// Builds it with a cargo profile (`lab` for tests, `dist` for packages and benches) and returns the command's path.
///
/// # Errors
/// When it does not build.
pub fn build(root: &Path, profile: &str) -> Result<PathBuf> {
    need_musl_target()?;
    let args = ["build", "--locked", "--profile", profile, "--target", MUSL];
    let packages = ["--package", "oomguard", "--package", "oomguard-agent"];
    run(Command::new("cargo").current_dir(root).args(args).args(packages))?;
    let binary = target_dir(root)?.join(MUSL).join(profile).join("oomguard");
    for file in [binary.clone(), binary.with_file_name(AGENT)] {
        if !file.is_file() {
            bail!("cargo built oomguard, but there is no {}", file.display());
        }
    }
    Ok(binary)
}

/// Cargo's target directory.
///
/// # Errors
/// When cargo cannot be asked.
pub fn target_dir(root: &Path) -> Result<PathBuf> {
    let args = ["metadata", "--no-deps", "--format-version", "1"];
    let output = Command::new("cargo").current_dir(root).args(args).output().context("cannot run cargo")?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr)))?;
    let dir = metadata["target_directory"].as_str().context("cargo metadata names no target directory")?;
    Ok(PathBuf::from(dir))
}
