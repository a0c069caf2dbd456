//! One change of a host: data that a person can read and a machine can check.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::blob::Blob;

/// One change of a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "change", rename_all = "snake_case", deny_unknown_fields)]
pub enum Change {
    /// Make a swap file and switch it on.
    SwapCreate {
        /// Its final path.
        path: String,
        /// Its length in bytes.
        size: u64,
        /// Its priority; `None` lets the kernel choose.
        priority: Option<i16>,
        /// Write zeros instead of fallocate(2).
        zeros: bool,
        /// Switch copy-on-write off (btrfs).
        nocow: bool,
    },
    /// Switch on a swap that exists.
    SwapOn {
        /// The file or device.
        path: String,
        /// Its priority; `None` lets the kernel choose.
        priority: Option<i16>,
    },
    /// Switch a swap off and leave it where it is.
    SwapOff {
        /// The file or device.
        path: String,
    },
    /// Switch a swap file of oomguard's off and delete it.
    SwapRetire {
        /// The file.
        path: String,
    },
    /// Write a file as a whole.
    FileWrite {
        /// The file.
        path: String,
        /// Its bytes before; `None`: there is none.
        before: Option<Blob>,
        /// Its bytes after.
        after: Blob,
        /// What it is for.
        why: String,
    },
    /// Delete a file of oomguard's.
    FileRemove {
        /// The file.
        path: String,
        /// Its bytes before.
        before: Blob,
        /// Why it goes.
        why: String,
    },
    /// Delete a folder that oomguard made, if nothing is in it.
    DirRemove {
        /// The folder.
        path: String,
    },
    /// Copy the agent's program to where its unit runs it.
    ProgramInstall {
        /// Where; the name has the beginning of its SHA-256.
        path: String,
        /// Its SHA-256, in hexadecimal.
        sha256: String,
        /// Its length in bytes.
        length: u64,
    },
    /// Delete a program that was so installed.
    ProgramRemove {
        /// The file.
        path: String,
    },
    /// Make a symbolic link, in place of the one that is there.
    LinkPut {
        /// Its path.
        path: String,
        /// What it points to.
        target: String,
        /// What it is for.
        why: String,
    },
    /// Delete a symbolic link.
    LinkRemove {
        /// Its path.
        path: String,
        /// What it points to.
        target: String,
    },
    /// Start the agent, or start it anew.
    AgentStart,
    /// Stop the agent. What it has protected stays so.
    AgentStop,
    /// Set a parameter of the running kernel.
    Sysctl {
        /// As sysctl(8) names it.
        key: String,
        /// The value before.
        from: String,
        /// The value after.
        to: String,
    },
    /// Let systemd read its files again (`systemctl daemon-reload`).
    ReloadSystem,
    /// Let a running user manager read its files again (SIGHUP, see systemd(1)).
    ReloadUserManager {
        /// Its process.
        pid: i32,
        /// When it started, in clock ticks since boot.
        start_time: u64,
    },
    /// Set the score of a live process.
    Score {
        /// The process.
        pid: i32,
        /// When it started, in clock ticks since boot.
        start_time: u64,
        /// Its name.
        comm: String,
        /// Its oom_score_adj before.
        from: i32,
        /// Its oom_score_adj after.
        to: i32,
        /// Who says so.
        why: String,
    },
}
