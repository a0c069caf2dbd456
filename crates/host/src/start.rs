//! Starting a program and going on, for hooks: they are load, and whoever starts them must not wait for them.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal};

use crate::error::{HostError, Result};
use crate::host::Host;

/// Takes off the protection that was inherited, before the program begins. The shell does it, because between fork and
/// exec nothing may be run that is written in Rust, and a parent that does it afterwards may be too late.
const AS_LOAD: &str = "echo \"$1\" >/proc/self/oom_score_adj; shift; exec \"$@\"";

/// The most that a pipe takes without a reader (pipe(7)); more could block who writes.
pub const MAX_INPUT: usize = 64 << 10;

/// A program that runs. Dropping it kills it, with all that it started in its process group.
#[derive(Debug)]
pub struct Started {
    child: Child,
    program: String,
    ended: bool,
}

impl Host {
    /// Starts a program by its path, at an oom_score_adj, in a process group of its own, with a clean environment,
    /// `input` on its standard input and nowhere to print to; does not wait for it.
    ///
    /// # Errors
    /// When it cannot be started, the input is longer than [`MAX_INPUT`], or the host is a folder without programs.
    pub fn start(&self, program: &str, args: &[&str], score: i32, input: &[u8]) -> Result<Started> {
        let fail = |source| HostError::Start { program: program.to_owned(), source };
        let Some(path) = self.programs() else {
            return Err(HostError::NotLive { program: program.to_owned() });
        };
        if input.len() > MAX_INPUT {
            return Err(fail(std::io::Error::other("its input is longer than 64 KiB")));
        }
        let found = if program.starts_with('/') {
            Some(self.real(program)).filter(|file| file.is_file())
        } else {
            std::env::split_paths(path).map(|dir| dir.join(program)).find(|file| file.is_file())
        };
        let Some(file) = found else {
            return Err(fail(std::io::Error::new(std::io::ErrorKind::NotFound, "it is not installed")));
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
            // A program that does not read its input may still do what it is for.
            let _ = pipe.write_all(input);
        }
        Ok(Started { child, program: program.to_owned(), ended: false })
    }
}

impl Started {
    /// `None` while it runs; then whether it ended with 0, and how it ended in words.
    ///
    /// # Errors
    /// When the system does not say.
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
