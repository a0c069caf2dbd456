//! Starts hooks without waiting for them. They run as load.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal};

use crate::error::{HostError, Result};
use crate::host::Host;

/// Drops inherited protection before the program starts. A shell does this, because only async-signal-safe code may run
/// between fork and exec, and the parent could be too late afterwards.
const AS_LOAD: &str = "echo \"$1\" >/proc/self/oom_score_adj; shift; exec \"$@\"";

/// The capacity of a pipe (pipe(7)); more could block the writer.
pub const MAX_INPUT: usize = 64 << 10;

/// A running program. Dropping it kills its process group.
#[derive(Debug)]
pub struct Started {
    child: Child,
    program: String,
    ended: bool,
}

impl Host {
    /// Starts a program at an oom_score_adj, in its own process group, with a clean environment, `input` on standard input
    /// and its output discarded; does not wait for it.
    ///
    /// # Errors
    /// When it cannot be started, the input is longer than [`MAX_INPUT`], or the host is a folder without programs.
    pub fn start(&self, program: &str, args: &[&str], score: i32, input: &[u8]) -> Result<Started> {
        let fail = |source| HostError::Start { program: program.to_owned(), source };
        let Some(path) = self.programs() else {
            return Err(HostError::NotLive { program: program.to_owned() });
        };
        if input.len() > MAX_INPUT {
            return Err(fail(std::io::Error::other("input longer than 64 KiB")));
        }
        let found = if program.starts_with('/') {
            Some(self.real(program)).filter(|file| file.is_file())
        } else {
            std::env::split_paths(path).map(|dir| dir.join(program)).find(|file| file.is_file())
        };
        let Some(file) = found else {
            return Err(fail(std::io::Error::new(std::io::ErrorKind::NotFound, "not installed")));
        };
        let mut child = Command::new("/bin/sh")
            .args(["-c", AS_LOAD, "sh", &score.to_string()])
            .arg(file)
            .args(args)
            .env_clear()
            .env("PATH", path)
            .env("LC_ALL", "C")
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(fail)?;
        if let Some(mut pipe) = child.stdin.take() {
            // A program need not read its input.
            let _ = pipe.write_all(input);
        }
        Ok(Started { child, program: program.to_owned(), ended: false })
    }
}

impl Started {
    /// `None` while it runs; then whether its exit status was 0, and the status in words.
    ///
    /// # Errors
    /// When waitpid(2) fails.
    pub fn ended(&mut self) -> Result<Option<(bool, String)>> {
        let status = self
            .child
            .try_wait()
            .map_err(|source| HostError::Start { program: self.program.clone(), source })?;
        self.ended |= status.is_some();
        Ok(status.map(|status| (status.success(), status.to_string())))
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}
