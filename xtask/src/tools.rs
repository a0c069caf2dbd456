//! Installs the tools that developer commands need.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use oomguard_lab::Tool;

/// The target of the static programs.
pub const MUSL: &str = "x86_64-unknown-linux-musl";

/// Installs the standard library for [`MUSL`] if it is missing.
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

/// Installs a cargo subcommand if it is missing.
///
/// # Errors
/// When it cannot be installed.
pub fn need_cargo_command(name: &str) -> Result<()> {
    let status = Command::new("cargo")
        .args([name, "--version"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if status.context("cannot run cargo")?.success() {
        return Ok(());
    }
    run(Command::new("cargo").args(["install", "--locked", &format!("cargo-{name}")]))
}

/// Installs the programs that the lab needs on this machine.
///
/// # Errors
/// When a package cannot be installed. The error names the command to run by hand.
pub fn need_lab() -> Result<()> {
    need_programs(&oomguard_lab::missing_tools)?;
    if oomguard_lab::qemu_is_old()
        && let Err(error) = backported_qemu()
    {
        eprintln!("using a QEMU older than 8.1, which sometimes fails to boot an emulated host: {error:#}");
    }
    Ok(())
}

/// Installs QEMU from this release's backports, without adding them to this machine's apt sources.
fn backported_qemu() -> Result<()> {
    const PACKAGES: [&str; 2] = ["qemu-system-x86", "qemu-utils"];
    if !is_installed("apt-get") || !is_root()? {
        bail!("only root can install a newer one");
    }
    let os_release = fs::read_to_string("/etc/os-release").context("/etc/os-release")?;
    let source =
        oomguard_lab::backports(&os_release).context("no mirror for the backports of this release")?;
    let suite = source.split(' ').rev().nth(1).unwrap_or_default();
    let dir = tempfile::tempdir().context("cannot create a temporary folder")?;
    // apt downloads as its own user, which must be able to read this folder.
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755))?;
    let list = dir.path().join("backports.list");
    fs::write(&list, format!("{source}\n")).with_context(|| list.display().to_string())?;
    fs::create_dir_all(dir.path().join("lists/partial"))?;
    let only_backports = || {
        let mut command = apt_get();
        let options = [
            format!("Dir::Etc::sourcelist={}", list.display()),
            "Dir::Etc::sourceparts=/dev/null".to_owned(),
            format!("Dir::State::lists={}", dir.path().join("lists").display()),
            "Dir::Cache::pkgcache=".to_owned(),
            "Dir::Cache::srcpkgcache=".to_owned(),
        ];
        for option in options {
            command.args(["-o", &option]);
        }
        command
    };
    run(only_backports().arg("update"))?;
    // The other dependencies came with the old version.
    run(only_backports().args(["install", "--yes", "--no-install-recommends", "-t", suite]).args(PACKAGES))
}

/// Installs `promtool`, which checks metrics and alerts in the first tier, if it is missing.
///
/// Its package contains Prometheus, and Debian starts that as a service; `systemctl disable --now prometheus` stops it.
///
/// # Errors
/// When it is missing and cannot be installed; it then says what a person has to do.
pub fn need_promtool() -> Result<()> {
    need_programs(&|| {
        oomguard_lab::missing_tools().into_iter().filter(|tool| tool.program == "promtool").collect()
    })
}

/// Installs `shellcheck`, which checks the shell scripts in the first tier, if it is missing.
///
/// # Errors
/// When it is missing and cannot be installed; it then says what a person has to do.
pub fn need_shellcheck() -> Result<()> {
    let tool = Tool { program: "shellcheck", package: "shellcheck" };
    need_programs(&|| if is_installed(tool.program) { Vec::new() } else { vec![tool] })
}

/// Installs the packages of missing programs, one by one, until `missing` returns none.
///
/// It calls `missing` after each package: a package may contain several programs, and may remove another one. Debian's
/// qemu-system-x86 removes the qemu-utils of another version.
///
/// # Errors
/// When a package cannot be installed. The error names the command to run by hand.
pub fn need_programs(missing: &dyn Fn() -> Vec<Tool>) -> Result<()> {
    let mut installed: Vec<Tool> = Vec::new();
    while let Some(tool) = missing().first().copied() {
        if installed.contains(&tool) {
            bail!("{} is installed, but it has no {}", tool.package, tool.program);
        }
        if installed.is_empty() {
            may_install(&missing())?;
            run(apt_get().arg("update"))?;
        }
        run(apt_get().args(["install", "--yes", "--no-install-recommends", tool.package]))?;
        installed.push(tool);
    }
    Ok(())
}

/// Returns an error with the command to run by hand if this user cannot install packages.
fn may_install(missing: &[Tool]) -> Result<()> {
    let mut packages: Vec<&str> = missing.iter().map(|tool| tool.package).collect();
    packages.dedup();
    let by_hand = format!("apt-get install {}", packages.join(" "));
    if !is_installed("apt-get") {
        bail!("this machine has no apt-get; install the equivalent of `{by_hand}`");
    }
    if !is_root()? {
        bail!("programs are missing and only root can install them; run `sudo {by_hand}`");
    }
    Ok(())
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").args(["-o", "DPkg::Lock::Timeout=300"]);
    command
}

/// Also searches the sbin folders, which ordinary users often lack on their PATH.
fn is_installed(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let sbin = ["/usr/sbin", "/sbin"].map(Into::into);
    env::split_paths(&path).chain(sbin).any(|dir| dir.join(program).is_file())
}

fn is_root() -> Result<bool> {
    let id = Command::new("id").arg("-u").output().context("cannot run id")?;
    Ok(id.stdout.trim_ascii() == b"0")
}

/// Prints a command and runs it without input.
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

/// A command as a shell would take it.
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
