//! Runs the system's programs (util-linux, systemd).

use std::process::Stdio;

use oomguard_text::shown;

use crate::error::{HostError, Result};
use crate::host::Host;

/// Characters of a program's error output that an error keeps.
const MAX_STDERR: usize = 600;

/// The outcome of a program.
#[derive(Clone, Debug)]
pub struct Ran {
    /// Whether its exit status was 0.
    pub success: bool,
    /// The exit status in words.
    pub status: String,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
}

impl Host {
    /// Runs a program with a clean environment and waits for it.
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
    /// When it cannot be started or fails; with the last lines of its standard error.
    pub fn run_ok(&self, program: &str, args: &[&str]) -> Result<Vec<u8>> {
        let ran = self.run(program, args)?;
        if ran.success {
            return Ok(ran.stdout);
        }
        let stderr = String::from_utf8_lossy(&ran.stderr);
        let lines: Vec<&str> = stderr.trim().lines().collect();
        let stderr = shown(lines[lines.len().saturating_sub(3)..].join("; "), MAX_STDERR);
        Err(HostError::Command {
            command: format!("{program} {}", args.join(" ")),
            status: ran.status,
            stderr,
        })
    }
}
