//! Installing what a developer command needs and this machine does not have.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use oomguard_lab::Tool;

/// What the product and the lab's hosts run.
pub const MUSL: &str = "x86_64-unknown-linux-musl";

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

/// Installs what the lab runs on this machine, unless it is there.
///
/// # Errors
/// When something is missing and cannot be installed; it then says what a person has to do.
pub fn need_lab() -> Result<()> {
    need_programs(&oomguard_lab::missing_tools)?;
    if oomguard_lab::qemu_is_old()
        && let Err(error) = backported_qemu()
    {
        eprintln!(
            "The lab goes on with a QEMU older than 8.1, which fails in an emulated boot now and then: {error:#}"
        );
    }
    Ok(())
}

/// Installs QEMU from this release's backports, without adding them to what this machine's apt reads.
fn backported_qemu() -> Result<()> {
    const PACKAGES: [&str; 2] = ["qemu-system-x86", "qemu-utils"];
    if !is_there("apt-get") || !is_root()? {
        bail!("only root may install a newer one");
    }
    let os_release = fs::read_to_string("/etc/os-release").context("/etc/os-release")?;
    let source =
        oomguard_lab::backports(&os_release).context("no mirror of this release's backports is known")?;
    let suite = source.split(' ').rev().nth(1).unwrap_or_default();
    let dir = tempfile::tempdir().context("cannot make a temporary folder")?;
    // apt fetches as a user of its own, who must be able to reach it.
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
    // What else it needs came with the old one.
    run(only_backports().args(["install", "--yes", "--no-install-recommends", "-t", suite]).args(PACKAGES))
}

/// Installs `promtool`, which checks metrics and alerts in the first tier, unless it is there.
///
/// Its package brings Prometheus itself, and Debian starts that as a service; `systemctl disable --now prometheus` ends it.
///
/// # Errors
/// When it is missing and cannot be installed; it then says what a person has to do.
pub fn need_promtool() -> Result<()> {
    need_programs(&|| {
        oomguard_lab::missing_tools().into_iter().filter(|tool| tool.program == "promtool").collect()
    })
}

/// Installs `shellcheck`, which reads the shell scripts in the first tier, unless it is there.
///
/// # Errors
/// When it is missing and cannot be installed; it then says what a person has to do.
pub fn need_shellcheck() -> Result<()> {
    let tool = Tool { program: "shellcheck", package: "shellcheck" };
    need_programs(&|| if is_there(tool.program) { Vec::new() } else { vec![tool] })
}

/// Installs the packages of missing programs, one by one, until `missing` names none.
///
/// It asks again after each: one package may bring several programs, and may put another one out. Debian's
/// qemu-system-x86 does so with the qemu-utils of another version.
///
/// # Errors
/// When something is missing and cannot be installed; it then says what a person has to do.
pub fn need_programs(missing: &dyn Fn() -> Vec<Tool>) -> Result<()> {
    let mut installed: Vec<Tool> = Vec::new();
    while let Some(tool) = missing().first().copied() {
        if installed.contains(&tool) {
            bail!("{} is installed, and there is no {}", tool.package, tool.program);
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

/// Whether this user may install packages here; otherwise an error with what to run.
fn may_install(missing: &[Tool]) -> Result<()> {
    let mut packages: Vec<&str> = missing.iter().map(|tool| tool.package).collect();
    packages.dedup();
    let by_hand = format!("apt-get install {}", packages.join(" "));
    if !is_there("apt-get") {
        bail!("this machine has no apt-get; install what Debian installs with `{by_hand}`");
    }
    if !is_root()? {
        bail!("programs are missing, and only root may install them; run `sudo {by_hand}` first");
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
