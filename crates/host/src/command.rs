//! Running the system's own programs: util-linux's and systemd's.

use std::process::Stdio;

use crate::error::{HostError, Result};
use crate::host::Host;

/// What a program printed, and whether it was content.
#[derive(Clone, Debug)]
pub struct Ran {
    /// Whether it ended with 0.
    pub success: bool,
    /// How it ended, in words.
    pub status: String,
    /// Its output.
    pub stdout: Vec<u8>,
    /// Its errors.
    pub stderr: Vec<u8>,
}

impl Host {
    /// Runs a program of the system with a clean environment and waits for it.
    ///
    /// # Errors
    /// When it cannot be started, or the host is a folder without programs.
    pub fn run(&self, program: &str, args: &[&str]) -> Result<Ran> {
        let output = self
            .command(program)?
            .args(args)
            .stdin(Stdio::null())
            .output()
            .map_err(|source| HostError::Start { program: program.to_owned(), source })?;
        Ok(Ran {
            success: output.status.success(),
            status: output.status.to_string(),
            stdout: output.stdout,
            stderr: output.stderr,
        })
    }

    /// Runs a program that must succeed.
    ///
    /// # Errors
    /// When it cannot be started or fails; with the end of what it said.
    pub fn run_ok(&self, program: &str, args: &[&str]) -> Result<Vec<u8>> {
        let ran = self.run(program, args)?;
        if ran.success {
            return Ok(ran.stdout);
        }
        let said = String::from_utf8_lossy(&ran.stderr);
        let tail: Vec<&str> = said.trim().lines().rev().take(3).collect();
        let stderr = tail.into_iter().rev().collect::<Vec<_>>().join("; ");
        Err(HostError::Command {
            command: format!("{program} {}", args.join(" ")),
            status: ran.status,
            stderr,
        })
    }
}
