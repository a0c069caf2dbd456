//! Errors of the lab.

use std::io;
use std::path::{Path, PathBuf};

/// The result of everything in this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a lab host could not be built, booted or used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or directory of the cache, or of a host, failed.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A program could not be started, or failed.
    #[error("`{command}` {what}\n{stderr}")]
    Program {
        /// The program and its arguments.
        command: String,
        /// How it ended.
        what: String,
        /// The end of what it wrote to standard error.
        stderr: String,
    },
    /// A command on a host failed.
    #[error(
        "on the host, `{command}` {what}\n--- stdout\n{stdout}\n--- stderr\n{stderr}\n--- console\n{console}"
    )]
    Command {
        /// The command as the host's shell got it.
        command: String,
        /// How it ended.
        what: String,
        /// Its standard output.
        stdout: String,
        /// Its standard error.
        stderr: String,
        /// The last lines of the host's console.
        console: String,
    },
    /// A host did not reach a state in time.
    #[error("the host did not {what} within {seconds} s\n{detail}\n--- console\n{console}")]
    Timeout {
        /// What it did not do.
        what: String,
        /// The time limit.
        seconds: u64,
        /// The last known state.
        detail: String,
        /// The last lines of the host's console.
        console: String,
    },
    /// The host's QEMU process ended unexpectedly.
    #[error("QEMU ended: {what}\n{stderr}\n--- console\n{console}")]
    QemuEnded {
        /// How it ended.
        what: String,
        /// Whether QEMU crashed (ended by a signal that the lab did not send).
        crashed: bool,
        /// What it wrote to standard error.
        stderr: String,
        /// The last lines of the host's console.
        console: String,
    },
    /// The host's kernel panicked.
    #[error("the host's kernel panicked\n--- console\n{console}")]
    Panicked {
        /// The last lines of the host's console.
        console: String,
    },
    /// The host's kernel did not start its first program in time.
    #[error("the host's kernel did not start its first program within {seconds} s\n--- console\n{console}")]
    KernelHung {
        /// The time limit.
        seconds: u64,
        /// The last lines of the host's console.
        console: String,
    },
    /// A kept host did not boot; it was switched off.
    #[error("`{name}` did not boot: {source}\n--- console\n{console}")]
    NotUp {
        /// The host's name.
        name: String,
        /// What went wrong.
        source: Box<Error>,
        /// The last lines of its console.
        console: String,
    },
    /// More hosts were requested than can run concurrently.
    #[error("{0} hosts were requested, but at most {max} can run", max = crate::slots::MAX_HOSTS)]
    TooMany(usize),
    /// QEMU refused a monitor command.
    #[error("QEMU monitor: {0}")]
    Monitor(String),
    /// The host is switched off.
    #[error("the host is switched off")]
    Off,
    /// The host is suspended: another one has its slot.
    #[error("the host is suspended; another host has its slot")]
    Suspended,
    /// A command did not print an expected line.
    #[error("no line from `{command}`: {why}")]
    NoLine {
        /// The command.
        command: String,
        /// Whether the time limit was reached or the command ended.
        why: String,
    },
}

impl Error {
    /// Whether QEMU caused the failure.
    ///
    /// QEMU before 8.1 translates code while another emulated processor writes it. Once in some hundred boots the kernel
    /// panics or hangs, or QEMU crashes.
    pub(crate) fn is_of_the_emulator(&self) -> bool {
        matches!(
            self,
            Self::Panicked { .. } | Self::KernelHung { .. } | Self::QemuEnded { crashed: true, .. }
        )
    }
}

/// Names the file of an I/O error.
pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> Error + '_ {
    move |source| Error::File { path: path.to_path_buf(), source }
}

/// The last `lines` lines of a text.
pub(crate) fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    let from = all.len().saturating_sub(lines);
    all.get(from..).unwrap_or_default().join("\n")
}
