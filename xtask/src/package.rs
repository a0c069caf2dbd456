//! `cargo xtask package`: the .deb and the static tarball, with their checksums.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::static_binary::{self, AGENT};
use crate::tools::{self, MUSL, run};

/// What the unit in `integrations` starts, and what the package's unit starts.
const UNITS_PROGRAM: &str = "=/usr/local/lib/oomguard/oomguard-agent\n";
const PACKAGES_PROGRAM: &str = "=/usr/lib/oomguard/oomguard-agent\n";

/// Build the .deb, a static tarball and SHA256SUMS in target/package.
#[derive(clap::Args)]
pub struct Args {
    /// The revision of the .deb, after the version
    #[arg(long, default_value_t = 1)]
    revision: u32,
}

/// Builds the programs and packs them.
///
/// # Errors
/// When something cannot be installed, built or packed.
pub fn package(root: &Path, args: &Args) -> Result<()> {
    let binary = static_binary::build(root, "dist")?;
    let files = files(root, &binary)?;
    let deb = deb(root, &folder(root), args.revision)?;
    let tarball = tarball(root, &files)?;
    let folder = folder(root);
    let names = [name_of(&deb)?, name_of(&tarball)?];
    let sums = Command::new("sha256sum")
        .current_dir(&folder)
        .args(&names)
        .output()
        .context("cannot run sha256sum")?;
    if !sums.status.success() {
        bail!("sha256sum failed: {}", String::from_utf8_lossy(&sums.stderr));
    }
    fs::write(folder.join("SHA256SUMS"), &sums.stdout)?;
    for name in names.iter().map(String::as_str).chain(["SHA256SUMS"]) {
        let size = fs::metadata(folder.join(name))?.len();
        println!("{}: {size} bytes", folder.join(name).display());
    }
    Ok(())
}

/// Packs programs that are already built into a .deb, for tests.
///
/// # Errors
/// When it cannot be packed.
pub fn for_tests(root: &Path, binary: &Path) -> Result<PathBuf> {
    files(root, binary)?;
    // Not beside the checksums of a release.
    let lab = folder(root).join("lab");
    fs::create_dir_all(&lab)?;
    deb(root, &lab, 1)
}

/// Not in cargo's target directory, which can be configured: the package's manifest has this path.
fn folder(root: &Path) -> PathBuf {
    root.join("target/package")
}

/// Collects the packaged files that are not in the repository.
fn files(root: &Path, binary: &Path) -> Result<PathBuf> {
    let files = folder(root).join("files");
    match fs::remove_dir_all(&files) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            return Err(e).context("cannot empty target/package/files");
        }
        _ => {}
    }
    fs::create_dir_all(files.join("completions"))?;
    for (from, name) in [(binary.to_path_buf(), "oomguard"), (binary.with_file_name(AGENT), AGENT)] {
        fs::copy(&from, files.join(name)).with_context(|| format!("cannot copy {}", from.display()))?;
    }
    let output_of = |args: &[&str]| -> Result<Vec<u8>> {
        let output = Command::new(binary)
            .args(args)
            .output()
            .with_context(|| format!("cannot run {}", binary.display()))?;
        if !output.status.success() {
            bail!("oomguard {} failed: {}", args.join(" "), String::from_utf8_lossy(&output.stderr));
        }
        Ok(output.stdout)
    };
    for (shell, name) in [("bash", "oomguard"), ("zsh", "_oomguard"), ("fish", "oomguard.fish")] {
        fs::write(files.join("completions").join(name), output_of(&["generate", "completions", shell])?)?;
    }
    let man = files.join("man1");
    output_of(&[
        "generate",
        "man",
        "--out",
        man.to_str().context("the path of this checkout is not UTF-8")?,
    ])?;
    let policy = String::from_utf8(output_of(&["spec", "show", "--builtin", "workstation"])?)?;
    fs::write(files.join("default.cspec"), format!("{POLICY_HEAD}{policy}"))?;
    fs::write(files.join("oomguard-agent.service"), unit(&fs::read_to_string(root.join(UNIT))?)?)?;
    Ok(files)
}

const UNIT: &str = "integrations/systemd/oomguard-agent.service";
const POLICY_HEAD: &str = "# A policy to start from: the built-in role `workstation`. It is used only when it is named:\n\
                           #   oomguard check --spec /etc/oomguard/default.cspec\n\
                           #   oomguard apply --spec /etc/oomguard/default.cspec\n";

/// The agent's unit, starting the package's program.
fn unit(text: &str) -> Result<String> {
    let from = text.find("[Unit]").context("the unit has no [Unit]")?;
    let unit = text[from..].replace(UNITS_PROGRAM, PACKAGES_PROGRAM);
    if !unit.contains(PACKAGES_PROGRAM) {
        bail!("{UNIT} has no ExecStart{}", UNITS_PROGRAM.trim_end());
    }
    Ok(format!(
        "# The package's unit of the oomguard agent, not enabled. `oomguard apply` installs one with a policy.\n{unit}"
    ))
}

fn deb(root: &Path, to: &Path, revision: u32) -> Result<PathBuf> {
    tools::need_cargo_command("deb")?;
    let path = to.join(format!("oomguard_{}-{revision}_amd64.deb", version(root)?));
    let mut command = Command::new("cargo");
    command.current_dir(root).args([
        "deb",
        "--locked",
        "--offline",
        "--quiet",
        "--package",
        "oomguard",
        "--no-build",
        "--no-strip",
    ]);
    command.args(["--target", MUSL, "--deb-revision", &revision.to_string(), "--output"]).arg(&path);
    run(&mut command)?;
    Ok(path)
}

fn tarball(root: &Path, files: &Path) -> Result<PathBuf> {
    let name = format!("oomguard-{}-{MUSL}", version(root)?);
    let path = folder(root).join(format!("{name}.tar.gz"));
    let mut command = Command::new("tar");
    // Reproducible: the same files give the same bytes.
    command.args([
        "--sort=name",
        "--owner=0",
        "--group=0",
        "--numeric-owner",
        "--mtime=@0",
        "--mode=u=rwX,go=rX",
    ]);
    command
        .arg(format!("--transform=s,^,{name}/,"))
        .arg("--use-compress-program=gzip -9n")
        .arg("-cf")
        .arg(&path);
    command.arg("-C").arg(files).args([
        "oomguard",
        AGENT,
        "oomguard-agent.service",
        "default.cspec",
        "man1",
        "completions",
    ]);
    command.arg("-C").arg(root).args([
        "README.md",
        "CHANGELOG.md",
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "docs",
        "specs",
    ]);
    run(&mut command)?;
    Ok(path)
}

fn name_of(path: &Path) -> Result<String> {
    Ok(path.file_name().and_then(|name| name.to_str()).context("a file without a name")?.to_owned())
}

/// The version of the product.
fn version(root: &Path) -> Result<String> {
    let args = ["metadata", "--no-deps", "--offline", "--format-version", "1"];
    let output = Command::new("cargo").current_dir(root).args(args).output().context("cannot run cargo")?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).context("cargo metadata")?;
    let packages = metadata["packages"].as_array().context("cargo metadata lists no packages")?;
    let product =
        packages.iter().find(|package| package["name"] == "oomguard").context("there is no oomguard")?;
    Ok(product["version"].as_str().context("oomguard has no version")?.to_owned())
}
