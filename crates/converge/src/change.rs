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

/// What a change does and to what, without the details: findings refer to changes by it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum ChangeKey {
    /// See [`Change::SwapCreate`].
    SwapCreate {
        /// The swap file.
        path: String,
    },
    /// See [`Change::SwapOn`].
    SwapOn {
        /// The file or device.
        path: String,
    },
    /// See [`Change::SwapOff`].
    SwapOff {
        /// The file or device.
        path: String,
    },
    /// See [`Change::SwapRetire`].
    SwapRetire {
        /// The swap file.
        path: String,
    },
    /// See [`Change::FileWrite`].
    FileWrite {
        /// The file.
        path: String,
    },
    /// See [`Change::FileRemove`].
    FileRemove {
        /// The file.
        path: String,
    },
    /// See [`Change::DirRemove`].
    DirRemove {
        /// The directory.
        path: String,
    },
    /// See [`Change::ProgramInstall`].
    ProgramInstall {
        /// The program.
        path: String,
    },
    /// See [`Change::ProgramRemove`].
    ProgramRemove {
        /// The program.
        path: String,
    },
    /// See [`Change::LinkPut`].
    LinkPut {
        /// The link.
        path: String,
    },
    /// See [`Change::LinkRemove`].
    LinkRemove {
        /// The link.
        path: String,
    },
    /// See [`Change::AgentStart`].
    AgentStart,
    /// See [`Change::AgentStop`].
    AgentStop,
    /// See [`Change::Sysctl`].
    Sysctl {
        /// As sysctl(8) names it.
        key: String,
    },
    /// See [`Change::ReloadSystem`].
    ReloadSystem,
    /// See [`Change::ReloadUserManager`].
    ReloadUserManager {
        /// Its process.
        pid: i32,
    },
    /// See [`Change::Score`].
    Score {
        /// The process.
        pid: i32,
    },
}

impl Change {
    /// What it does and to what.
    #[must_use]
    pub fn key(&self) -> ChangeKey {
        match self {
            Self::SwapCreate { path, .. } => ChangeKey::SwapCreate { path: path.clone() },
            Self::SwapOn { path, .. } => ChangeKey::SwapOn { path: path.clone() },
            Self::SwapOff { path } => ChangeKey::SwapOff { path: path.clone() },
            Self::SwapRetire { path } => ChangeKey::SwapRetire { path: path.clone() },
            Self::FileWrite { path, .. } => ChangeKey::FileWrite { path: path.clone() },
            Self::FileRemove { path, .. } => ChangeKey::FileRemove { path: path.clone() },
            Self::DirRemove { path } => ChangeKey::DirRemove { path: path.clone() },
            Self::ProgramInstall { path, .. } => ChangeKey::ProgramInstall { path: path.clone() },
            Self::ProgramRemove { path } => ChangeKey::ProgramRemove { path: path.clone() },
            Self::LinkPut { path, .. } => ChangeKey::LinkPut { path: path.clone() },
            Self::LinkRemove { path, .. } => ChangeKey::LinkRemove { path: path.clone() },
            Self::AgentStart => ChangeKey::AgentStart,
            Self::AgentStop => ChangeKey::AgentStop,
            Self::Sysctl { key, .. } => ChangeKey::Sysctl { key: key.clone() },
            Self::ReloadSystem => ChangeKey::ReloadSystem,
            Self::ReloadUserManager { pid, .. } => ChangeKey::ReloadUserManager { pid: *pid },
            Self::Score { pid, .. } => ChangeKey::Score { pid: *pid },
        }
    }

    /// The change without its sentence for people: what a digest covers.
    pub(crate) fn without_prose(&self) -> Self {
        let mut change = self.clone();
        match &mut change {
            Self::FileWrite { why, .. }
            | Self::FileRemove { why, .. }
            | Self::LinkPut { why, .. }
            | Self::Score { why, .. } => why.clear(),
            Self::SwapCreate { path: _, size: _, priority: _, zeros: _, nocow: _ }
            | Self::SwapOn { path: _, priority: _ }
            | Self::SwapOff { path: _ }
            | Self::SwapRetire { path: _ }
            | Self::DirRemove { path: _ }
            | Self::ProgramInstall { path: _, sha256: _, length: _ }
            | Self::ProgramRemove { path: _ }
            | Self::LinkRemove { path: _, target: _ }
            | Self::AgentStart
            | Self::AgentStop
            | Self::Sysctl { key: _, from: _, to: _ }
            | Self::ReloadSystem
            | Self::ReloadUserManager { pid: _, start_time: _ } => {}
        }
        change
    }
}
