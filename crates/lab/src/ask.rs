//! Running commands and copying files on a host.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::error::{Error, Result, at};
use crate::proc::{Captured, spawn_tied};
use crate::session::{Login, Session};
use crate::ssh::quote;
use crate::vm::Vm;

/// The default time limit; long enough for emulated hosts on a busy machine.
const COMMAND_LIMIT: Duration = Duration::from_secs(300);
const COPY_LIMIT: Duration = Duration::from_secs(300);

/// The result of a command on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its exit status; 255 also means that the ssh connection broke.
    pub status: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Vm {
    /// Runs a shell command as root, for at most five minutes.
    pub fn run(&self, command: &str) -> Result<Output> {
        self.run_for(command, COMMAND_LIMIT)
    }

    /// Runs a shell command as root, for at most `limit`.
    pub fn run_for(&self, command: &str, limit: Duration) -> Result<Output> {
        let done = self.ssh.run("root", true, command, &[], limit)?;
        self.output(command, &done, limit)
    }

    /// Runs a shell command as another user, in its own login session.
    pub fn run_as(&self, user: &str, command: &str) -> Result<Output> {
        let done = self.ssh.run(user, false, command, &[], COMMAND_LIMIT)?;
        self.output(command, &done, COMMAND_LIMIT)
    }

    /// Runs a shell command as root. It must succeed; returns its standard output.
    pub fn ok(&self, command: &str) -> Result<String> {
        let output = self.run(command)?;
        self.must(command, output)
    }

    /// Runs a shell command as another user. It must succeed; returns its standard output.
    pub fn ok_as(&self, user: &str, command: &str) -> Result<String> {
        let output = self.run_as(user, command)?;
        self.must(command, output)
    }

    pub(crate) fn must(&self, command: &str, output: Output) -> Result<String> {
        if output.status == 0 {
            return Ok(output.stdout);
        }
        let what = format!("exited with status {}", output.status);
        Err(self.failed(command, what, output.stdout, output.stderr))
    }

    fn failed(&self, command: &str, what: String, stdout: String, stderr: String) -> Error {
        Error::Command {
            command: command.to_owned(),
            what,
            stdout,
            stderr,
            console: self.hardware.console_tail(),
        }
    }

    fn output(&self, command: &str, done: &Captured, limit: Duration) -> Result<Output> {
        let stdout = String::from_utf8_lossy(&done.stdout).into_owned();
        let stderr = String::from_utf8_lossy(&done.stderr).into_owned();
        match done.status {
            Some(status) => Ok(Output { status: status.code().unwrap_or(255), stdout, stderr }),
            None => {
                let what = format!("did not end within {} s", limit.as_secs());
                Err(self.failed(command, what, stdout, stderr))
            }
        }
    }

    /// The content of a file.
    pub fn read(&self, path: &str) -> Result<Vec<u8>> {
        let line = format!("cat -- {}", quote(path));
        let done = self.ssh.run("root", true, &line, &[], COPY_LIMIT)?;
        let output = self.output(&line, &done, COPY_LIMIT)?;
        self.must(&line, output)?;
        Ok(done.stdout)
    }

    /// Writes a file through a temporary name beside it. A new file gets mode 0644; an existing one keeps its mode.
    pub fn write(&self, path: &str, bytes: &[u8]) -> Result<()> {
        let (path, new) = (quote(path), quote(&format!("{path}.lab-new")));
        let line = format!(
            "set -e; mkdir -p -- \"$(dirname -- {path})\"; head -c {} > {new}; \
             if [ -e {path} ]; then chmod --reference={path} -- {new}; fi; mv -f -- {new} {path}",
            bytes.len()
        );
        let done = self.ssh.run("root", true, &line, bytes, COPY_LIMIT)?;
        let output = self.output(&line, &done, COPY_LIMIT)?;
        self.must(&line, output)?;
        Ok(())
    }

    /// Copies a file of this machine to the host, with a mode such as `0o755`. The copy survives a power cut.
    pub fn push(&self, local: &Path, remote: &str, mode: u32) -> Result<()> {
        let bytes = fs::read(local).map_err(at(local))?;
        self.write(remote, &bytes)?;
        // Without a sync the file could be empty after a power cut, and an empty program exits with 0.
        self.ok(&format!("chmod {mode:o} -- {0} && sync -- {0}", quote(remote)))?;
        Ok(())
    }

    /// Copies a file of the host to this machine.
    pub fn pull(&self, remote: &str, local: &Path) -> Result<()> {
        fs::write(local, self.read(remote)?).map_err(at(local))
    }

    /// Starts a shell command as root in the background.
    pub fn spawn(&self, command: &str) -> Result<Session> {
        self.start("root", true, command)
    }

    /// Starts a shell command as another user, in its own login session, in the background.
    pub fn spawn_as(&self, user: &str, command: &str) -> Result<Session> {
        self.start(user, false, command)
    }

    fn start(&self, user: &str, shared: bool, command: &str) -> Result<Session> {
        let mut ssh = self.ssh.command(user, shared);
        ssh.args(["--", command]);
        Ok(Session::new(command, spawn_tied(&ssh)?))
    }

    /// Logs a user in and keeps the session open: its `user@` service runs until it is dropped.
    pub fn login(&self, user: &str) -> Result<Login> {
        let mut session = self.spawn_as(user, "echo ready; exec cat")?;
        session.read_line(Duration::from_secs(60))?;
        Ok(Login { session })
    }
}
