//! What can go wrong in the lab.

use std::io;
use std::path::{Path, PathBuf};

/// The result of everything in this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a lab host could not be built, booted or asked.
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
    /// A command inside a host ended with something other than 0.
    #[error(
        "in the host, `{command}` {what}\n--- stdout\n{stdout}\n--- stderr\n{stderr}\n--- console\n{console}"
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
        /// What it was waited for.
        what: String,
        /// How long.
        seconds: u64,
        /// What was seen last.
        detail: String,
        /// The last lines of the host's console.
        console: String,
    },
    /// The host's QEMU process ended by itself.
    #[error("QEMU ended: {what}\n{stderr}\n--- console\n{console}")]
    QemuEnded {
        /// How it ended.
        what: String,
        /// Whether a signal ended it that nobody sent: a fault of QEMU itself.
        crashed: bool,
        /// What it wrote to standard error.
        stderr: String,
        /// The last lines of the host's console.
        console: String,
    },
    /// The host's kernel gave up.
    #[error("the host's kernel panicked\n--- console\n{console}")]
    Panicked {
        /// The last lines of the host's console.
        console: String,
    },
    /// The host's kernel wrote something and then never came to its first program.
    #[error("the host's kernel did not start its first program within {seconds} s\n--- console\n{console}")]
    StoodStill {
        /// How long it was waited for.
        seconds: u64,
        /// The last lines of the host's console.
        console: String,
    },
    /// A host that was to be kept did not come up; it was switched off again.
    #[error("`{name}` did not come up: {source}\n--- console\n{console}")]
    NotUp {
        /// The host's name.
        name: String,
        /// What went wrong.
        source: Box<Error>,
        /// The last lines of its console.
        console: String,
    },
    /// More hosts were asked for at once than may run at once.
    #[error("{0} hosts were asked for at once, and at most {max} may run", max = crate::slots::HOSTS_AT_ONCE)]
    TooMany(usize),
    /// QEMU refused a monitor command.
    #[error("QEMU monitor: {0}")]
    Monitor(String),
    /// The host is switched off.
    #[error("the host is switched off")]
    Off,
    /// The host rests: another one has its place.
    #[error("the host gave its place to run to another one")]
    Resting,
    /// A line was waited for and did not come.
    #[error("no line from `{command}`: {why}")]
    NoLine {
        /// The command that was to write it.
        command: String,
        /// Whether the time was over or the command ended.
        why: String,
    },
}

impl Error {
    /// Whether the machine under the host failed, before or beside anything that the host runs.
    ///
    /// QEMU before 8.1 translates code that another of its processors is writing: once in some hundred boots of two emulated
    /// processors the kernel panics, stands still, or QEMU ends by a signal.
    pub(crate) fn is_of_the_emulator(&self) -> bool {
        matches!(
            self,
            Self::Panicked { .. } | Self::StoodStill { .. } | Self::QemuEnded { crashed: true, .. }
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
