//! The static program that lab hosts and packages contain.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::tools::{MUSL, need_musl_target, run};

/// Builds it with a cargo profile (`lab` for tests, `dist` for packages and benches) and returns its path.
///
/// # Errors
/// When it does not build.
pub fn build(root: &Path, profile: &str) -> Result<PathBuf> {
    need_musl_target()?;
    let args = ["build", "--locked", "--profile", profile, "--target", MUSL, "--package", "oomguard"];
    run(Command::new("cargo").current_dir(root).args(args))?;
    let binary = target_dir(root)?.join(MUSL).join(profile).join("oomguard");
    if !binary.is_file() {
        bail!("cargo built oomguard, but there is no {}", binary.display());
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
