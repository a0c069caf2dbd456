//! Runs the built command with an environment of its own, and compares what it says with files.

use std::ffi::OsStr;
use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use snapbox::{Assert, Data};
use tempfile::TempDir;

use crate::hosts::find_room;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_oomguard");

/// The command with a few arguments: no environment of the developer's, no colours, 100 columns.
pub fn oomguard<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(args).env_clear().envs([("LC_ALL", "C"), ("NO_COLOR", "1"), ("COLUMNS", "100")]);
    command.stdin(Stdio::null()).current_dir(repository());
    command
}

/// The command on a folder that stands for a host.
pub fn on(root: &Path, args: &[&str]) -> Ran {
    let mut command = oomguard(args);
    command.arg("--root").arg(root);
    ran(&mut command)
}

/// The command with a few arguments, to its end.
pub fn run<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Ran {
    ran(&mut oomguard(args))
}

/// The command with something on its standard input.
pub fn run_with_input(args: &[&str], input: &[u8]) -> Ran {
    let mut command = oomguard(args);
    let mut child = start(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()));
    // A command may end without having read all of it.
    let _ = child.stdin.take().unwrap().write_all(input);
    Ran::new(child.wait_with_output().unwrap())
}

pub fn ran(command: &mut Command) -> Ran {
    Ran::new(start(command.stdout(Stdio::piped()).stderr(Stdio::piped())).wait_with_output().unwrap())
}

pub fn start(command: &mut Command) -> Child {
    let _alone = one_at_a_time();
    command.spawn().unwrap()
}

/// Held while a program is started, and while one is written that will be started: a child that is just being born
/// has every open file of its parent, and the system starts no program that somebody has open for writing.
pub fn one_at_a_time() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    LOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The command as a user who may change nothing on the machine; root becomes one, and needs setpriv for it.
pub fn powerless(args: &[&str]) -> Option<Ran> {
    if !rustix::process::geteuid().is_root() {
        return Some(run(args));
    }
    let Some(setpriv) =
        ["/usr/bin/setpriv", "/bin/setpriv"].into_iter().find(|path| Path::new(path).exists())
    else {
        eprintln!("not tested: there is no setpriv to become another user with");
        return None;
    };
    let dir = open_dir();
    let copy = dir.path().join("oomguard");
    // By a program of its own, so that nothing which this one starts meanwhile holds the copy open.
    assert!(start(Command::new("cp").arg(PROGRAM).arg(&copy)).wait().unwrap().success());
    std::fs::set_permissions(&copy, Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(setpriv);
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(copy).args(args);
    command.env_clear().env("NO_COLOR", "1").current_dir("/").stdin(Stdio::null());
    Some(ran(&mut command))
}

/// A temporary folder that every user may read.
pub fn open_dir() -> TempDir {
    find_room();
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    dir
}

/// What a command did.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ran {
    fn new(output: Output) -> Self {
        let ran = Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        };
        assert!(!ran.err.contains("panicked"), "{ran:#?}");
        ran
    }

    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.out, self.err);
        self
    }

    /// Nothing on standard error.
    #[track_caller]
    pub fn quietly(self) -> Self {
        assert_eq!(self.err, "");
        self
    }

    #[track_caller]
    pub fn prints(self, part: &str) -> Self {
        assert!(self.out.contains(part), "{part:?} is not in\n{}\n{}", self.out, self.err);
        self
    }

    #[track_caller]
    pub fn complains(self, part: &str) -> Self {
        assert!(self.err.contains(part), "{part:?} is not in\n{}\n{}", self.err, self.out);
        self
    }

    /// Standard output as it is in a file of the snapshots.
    #[track_caller]
    pub fn matches(self, name: &str) -> Self {
        snapshot(name, &self.out);
        self
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e} in\n{}", self.out))
    }
}

/// Compares a text with a file of the snapshots; the version is masked.
#[track_caller]
pub fn snapshot(name: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots").join(name);
    let actual = actual.replace(concat!("oomguard ", env!("CARGO_PKG_VERSION")), "oomguard [VERSION]");
    Assert::new()
        .action_env("SNAPSHOTS")
        .normalize_paths(false)
        .eq(actual, Data::read_from(&path, None).raw());
}

/// The checkout.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}
