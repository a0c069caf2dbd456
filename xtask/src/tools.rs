//! Installing what a developer command needs and this machine does not have.

use std::env;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// What the product and the lab's hosts run.
pub const MUSL: &str = "x86_64-unknown-linux-musl";

/// A program of the system, and the Debian package that it comes in.
#[derive(Clone, Copy)]
pub struct Program {
    name: &'static str,
    package: &'static str,
}

/// What the lab runs on the developer's machine.
pub const LAB: [Program; 5] = [
    Program { name: "qemu-system-x86_64", package: "qemu-system-x86" },
    Program { name: "qemu-img", package: "qemu-utils" },
    Program { name: "mmdebstrap", package: "mmdebstrap" },
    Program { name: "ssh", package: "openssh-client" },
    Program { name: "mke2fs", package: "e2fsprogs" },
];

/// Installs the standard library for [`MUSL`], unless it is there.
///
/// # Errors
/// When rustup is missing or fails.
pub fn need_musl_target() -> Result<()> {
    let asked = Command::new("rustc").args(["--print", "target-libdir", "--target", MUSL]).output();
    let libdir = asked.context("cannot run rustc")?.stdout;
    if Path::new(String::from_utf8_lossy(&libdir).trim()).is_dir() {
        return Ok(());
    }
    run(Command::new("rustup").args(["target", "add", MUSL]))
}

/// Installs a cargo subcommand, unless it is there.
///
/// # Errors
/// When it cannot be installed.
pub fn need_cargo_command(name: &str) -> Result<()> {
    let there = Command::new("cargo")
        .args([name, "--version"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if there.context("cannot run cargo")?.success() {
        return Ok(());
    }
    run(Command::new("cargo").args(["install", "--locked", &format!("cargo-{name}")]))
}

/// Installs the packages of missing programs, one by one.
///
/// # Errors
/// When something is missing and cannot be installed; it then says what a person has to do.
pub fn need_programs(programs: &[Program]) -> Result<()> {
    let missing: Vec<Program> = programs.iter().filter(|program| !is_there(program.name)).copied().collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().map(|program| program.package).collect();
    let by_hand = format!("apt-get install {}", packages.join(" "));
    if !is_there("apt-get") {
        bail!("this machine has no apt-get; install what Debian installs with `{by_hand}`");
    }
    if !is_root()? {
        bail!("programs are missing, and only root may install them; run `sudo {by_hand}` first");
    }
    run(apt_get().arg("update"))?;
    for program in missing {
        run(apt_get().args(["install", "--yes", "--no-install-recommends", program.package]))?;
        if !is_there(program.name) {
            bail!("{} is installed, and {} is still missing", program.package, program.name);
        }
    }
    Ok(())
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").args(["-o", "DPkg::Lock::Timeout=300"]);
    command
}

/// Ordinary users often do not have the sbin folders on their PATH, and the lab looks there too.
fn is_there(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let sbin = ["/usr/sbin", "/sbin"].map(Into::into);
    env::split_paths(&path).chain(sbin).any(|dir| dir.join(program).is_file())
}

fn is_root() -> Result<bool> {
    let id = Command::new("id").arg("-u").output().context("cannot run id")?;
    Ok(id.stdout.trim_ascii() == b"0")
}

/// Says what is run, and runs it without input.
///
/// # Errors
/// When it cannot be started or fails.
pub fn run(command: &mut Command) -> Result<()> {
    let words = words(command);
    eprintln!("$ {words}");
    let status = command.stdin(Stdio::null()).status().with_context(|| format!("cannot run `{words}`"))?;
    if !status.success() {
        bail!("`{words}` failed ({status})");
    }
    Ok(())
}

/// A command as a person would type it.
#[must_use]
pub fn words(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let quoted = words.map(|word| {
        let word = word.to_string_lossy();
        if word.contains(|c: char| c.is_whitespace() || "()&|*'".contains(c)) {
            format!("'{}'", word.replace('\'', r"'\''"))
        } else {
            word.into_owned()
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}
