//! A newcomer's first build, and the build of a release.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::Row;
use super::report::Target;
use crate::{static_binary, tools};

/// The maximum for `cargo run --release -- check` from a clean checkout.
const MAX_FIRST_BUILD: Duration = Duration::from_secs(170);

/// Times clean builds with the profiles `release` and `dist`, and counts crates.
///
/// # Errors
/// When a build fails.
pub fn measure(root: &Path) -> Result<Vec<Row>> {
    // Downloads are not part of the measurement.
    tools::run(Command::new("cargo").current_dir(root).args(["fetch", "--locked"]))?;
    let crates = crates(root)?;
    let lock = fs::read_to_string(root.join("Cargo.lock")).context("cannot read Cargo.lock")?;
    let locked = lock.lines().filter(|line| *line == "[[package]]").count();
    let (release, dist) = (clean_build(root, "release")?, clean_build(root, "dist")?);
    let max = MAX_FIRST_BUILD.as_secs();
    Ok(vec![
        row(
            "a clean build for `cargo run --release -- check`",
            seconds(release),
            Target::Is { words: format!("at most {max} s"), met: release <= MAX_FIRST_BUILD },
        ),
        row("a clean build with the profile `dist`", seconds(dist), Target::None),
        row("crates in these builds; in Cargo.lock", format!("{crates}; {locked}"), Target::None),
    ])
}

fn row(what: &str, ours: String, target: Target) -> Row {
    Row { what: what.to_owned(), result: ours.clone(), ours, peer: "-".to_owned(), target }
}

fn seconds(time: Duration) -> String {
    format!("{:.0} s", time.as_secs_f64())
}

/// The number of crates that `oomguard` is built from, including build dependencies.
fn crates(root: &Path) -> Result<usize> {
    let args = ["tree", "--locked", "--package", "oomguard", "--edges", "normal,build", "--prefix", "none"];
    let mut tree = Command::new("cargo");
    tree.current_dir(root).args(args).args(["--format", "{p}"]).stdin(Stdio::null());
    let output = tree.output().context("cannot run cargo tree")?;
    ensure!(output.status.success(), "cargo tree failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(distinct(&String::from_utf8_lossy(&output.stdout)))
}

/// `cargo tree` marks repeated crates with `(*)`.
fn distinct(tree: &str) -> usize {
    let crates: BTreeSet<&str> = tree.lines().map(|line| line.trim_end_matches(" (*)").trim()).collect();
    crates.into_iter().filter(|line| !line.is_empty()).count()
}

/// The time of a build into an empty target directory.
fn clean_build(root: &Path, profile: &str) -> Result<Duration> {
    let target = static_binary::target_dir(root)?.join("bench/build");
    if target.is_dir() {
        fs::remove_dir_all(&target).with_context(|| format!("cannot remove {}", target.display()))?;
    }
    let mut build = Command::new("cargo");
    build.current_dir(root).args(["build", "--locked", "--offline", "--profile", profile, "--target-dir"]);
    let started = Instant::now();
    tools::run(build.arg(&target))?;
    let time = started.elapsed();
    fs::remove_dir_all(&target).with_context(|| format!("cannot remove {}", target.display()))?;
    Ok(time)
}

#[cfg(test)]
mod tests {
    use super::distinct;

    #[test]
    fn repeated_crates_count_once() {
        let tree = "oomguard v0.1.0 (/x)\nserde v1.0.0\nlibc v0.2.0\nserde v1.0.0 (*)\n\n";
        assert_eq!(distinct(tree), 3);
    }
}
