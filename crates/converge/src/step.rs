//! The steps of changes. A crash may come after each; tests walk this very list.

#![deny(clippy::wildcard_enum_match_arm, reason = "a new change or step must be handled everywhere")]

use std::fmt;

use crate::blob::Blob;
use crate::change::Change;

/// One action with all that it needs. The host is consistent before it and after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// Create the empty swap file under a temporary name.
    SwapCreateTemporary {
        /// Its final path.
        path: &'a str,
        /// Switch copy-on-write off (btrfs).
        nocow: bool,
    },
    /// Allocate the blocks of the temporary swap file.
    SwapAllocate {
        /// Its final path.
        path: &'a str,
        /// Its length in bytes.
        size: u64,
        /// Write zeros instead of fallocate(2).
        zeros: bool,
    },
    /// Write the header of the temporary swap file.
    SwapFormat {
        /// Its final path.
        path: &'a str,
    },
    /// Rename the temporary swap file to its final path.
    SwapPublish {
        /// Its final path.
        path: &'a str,
    },
    /// Switch a swap on, and check that /proc/swaps lists it.
    SwapOn {
        /// The file or device.
        path: &'a str,
        /// Its priority; `None` lets the kernel choose.
        priority: Option<i16>,
    },
    /// Switch a swap off, if memory has room for its contents.
    SwapOff {
        /// The file or device.
        path: &'a str,
    },
    /// Delete a swap file of oomguard's that is off.
    SwapDelete {
        /// The file.
        path: &'a str,
    },
    /// Write the new contents of a file under a temporary name.
    FilePrepare {
        /// The file.
        path: &'a str,
        /// Its bytes before; `None`: there is no file.
        before: Option<&'a Blob>,
        /// Its bytes after.
        after: &'a Blob,
    },
    /// Rename the temporary file to the file.
    FilePlace {
        /// The file.
        path: &'a str,
        /// Its bytes before; `None`: there is no file.
        before: Option<&'a Blob>,
    },
    /// Delete a file of oomguard's.
    FileRemove {
        /// The file.
        path: &'a str,
        /// Its bytes before.
        before: &'a Blob,
    },
    /// Delete a directory if it is empty.
    DirRemove {
        /// The directory.
        path: &'a str,
    },
    /// Copy a program under a temporary name.
    ProgramPrepare {
        /// Its final path.
        path: &'a str,
        /// Its SHA-256, in hexadecimal.
        sha256: &'a str,
    },
    /// Rename the temporary program to its final path.
    ProgramPlace {
        /// Its final path.
        path: &'a str,
    },
    /// Delete an installed program.
    ProgramRemove {
        /// The file.
        path: &'a str,
    },
    /// Create or replace a symbolic link.
    LinkPut {
        /// Its path.
        path: &'a str,
        /// What it points to.
        target: &'a str,
    },
    /// Delete a symbolic link.
    LinkRemove {
        /// Its path.
        path: &'a str,
        /// What it points to.
        target: &'a str,
    },
    /// Start or restart the agent.
    AgentStart,
    /// Stop the agent.
    AgentStop,
    /// Set a kernel parameter.
    Sysctl {
        /// As sysctl(8) names it.
        key: &'a str,
        /// The value.
        to: &'a str,
    },
    /// `systemctl daemon-reload`
    ReloadSystem,
    /// Reload a user manager (SIGHUP).
    ReloadUserManager {
        /// Its process.
        pid: i32,
        /// When it started, in clock ticks since boot.
        start_time: u64,
    },
    /// Set the oom_score_adj of a process.
    Score {
        /// The process.
        pid: i32,
        /// When it started, in clock ticks since boot.
        start_time: u64,
        /// Its name.
        comm: &'a str,
        /// The score.
        to: i32,
    },
}

/// The steps of a list of changes, in order.
#[must_use]
pub fn steps(changes: &[Change]) -> Vec<Step<'_>> {
    changes.iter().flat_map(steps_of).collect()
}

/// The steps in words.
#[must_use]
pub fn names(changes: &[Change]) -> Vec<String> {
    steps(changes).iter().map(ToString::to_string).collect()
}

/// The steps of one change.
#[must_use]
pub fn steps_of(change: &Change) -> Vec<Step<'_>> {
    match change {
        Change::SwapCreate { path, size, priority, zeros, nocow } => vec![
            Step::SwapCreateTemporary { path, nocow: *nocow },
            Step::SwapAllocate { path, size: *size, zeros: *zeros },
            Step::SwapFormat { path },
            Step::SwapPublish { path },
            Step::SwapOn { path, priority: *priority },
        ],
        Change::SwapOn { path, priority } => vec![Step::SwapOn { path, priority: *priority }],
        Change::SwapOff { path } => vec![Step::SwapOff { path }],
        Change::SwapRetire { path } => vec![Step::SwapOff { path }, Step::SwapDelete { path }],
        Change::FileWrite { path, before, after, why: _ } => vec![
            Step::FilePrepare { path, before: before.as_ref(), after },
            Step::FilePlace { path, before: before.as_ref() },
        ],
        Change::FileRemove { path, before, why: _ } => vec![Step::FileRemove { path, before }],
        Change::DirRemove { path } => vec![Step::DirRemove { path }],
        Change::ProgramInstall { path, sha256, length: _ } => {
            vec![Step::ProgramPrepare { path, sha256 }, Step::ProgramPlace { path }]
        }
        Change::ProgramRemove { path } => vec![Step::ProgramRemove { path }],
        Change::LinkPut { path, target, why: _ } => vec![Step::LinkPut { path, target }],
        Change::LinkRemove { path, target } => vec![Step::LinkRemove { path, target }],
        Change::AgentStart => vec![Step::AgentStart],
        Change::AgentStop => vec![Step::AgentStop],
        Change::Sysctl { key, from: _, to } => vec![Step::Sysctl { key, to }],
        Change::ReloadSystem => vec![Step::ReloadSystem],
        Change::ReloadUserManager { pid, start_time } => {
            vec![Step::ReloadUserManager { pid: *pid, start_time: *start_time }]
        }
        Change::Score { pid, start_time, comm, from: _, to, why: _ } => {
            vec![Step::Score { pid: *pid, start_time: *start_time, comm, to: *to }]
        }
    }
}

impl fmt::Display for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SwapCreateTemporary { path, .. } => write!(f, "create a temporary file for {path}"),
            Self::SwapAllocate { path, .. } => write!(f, "allocate {path}"),
            Self::SwapFormat { path } => write!(f, "write the swap header of {path}"),
            Self::SwapPublish { path } => write!(f, "rename the temporary swap file to {path}"),
            Self::SwapOn { path, .. } => write!(f, "switch on {path}"),
            Self::SwapOff { path } => write!(f, "switch off {path}"),
            Self::SwapDelete { path } => write!(f, "delete {path}"),
            Self::FilePrepare { path, .. } | Self::ProgramPrepare { path, .. } => {
                write!(f, "write a temporary file for {path}")
            }
            Self::FilePlace { path, .. } | Self::ProgramPlace { path } => {
                write!(f, "rename the temporary file to {path}")
            }
            Self::FileRemove { path, .. }
            | Self::DirRemove { path }
            | Self::ProgramRemove { path }
            | Self::LinkRemove { path, .. } => write!(f, "delete {path}"),
            Self::LinkPut { path, .. } => write!(f, "create the link {path}"),
            Self::AgentStart => f.write_str("start the agent"),
            Self::AgentStop => f.write_str("stop the agent"),
            Self::Sysctl { key, to } => write!(f, "set {key} to {to}"),
            Self::ReloadSystem => f.write_str("reload systemd"),
            Self::ReloadUserManager { pid, .. } => write!(f, "reload the user manager {pid}"),
            Self::Score { pid, comm, to, .. } => write!(f, "set oom_score_adj of {comm} ({pid}) to {to}"),
        }
    }
}
