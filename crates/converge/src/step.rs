//! The steps that changes come to. Power may be cut after each; tests walk this very list.

use std::fmt;

use crate::change::Change;

/// One step of a change: the host is whole before it and after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step<'a> {
    /// What is done.
    pub action: Action,
    /// The change that it is part of.
    pub change: &'a Change,
}

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Create the empty swap file under a hidden name.
    SwapTemporary,
    /// Give it its blocks.
    SwapAllocate,
    /// Write its header.
    SwapFormat,
    /// Give it its final name.
    SwapPublish,
    /// Switch a swap on, and see it in /proc/swaps.
    SwapOn,
    /// Switch a swap off, if there is room for what is in it.
    SwapOff,
    /// Delete a swap file of ours that is off.
    SwapDelete,
    /// Write the new file under a hidden name.
    FilePrepare,
    /// Put it in place of the old one.
    FilePlace,
    /// Delete a file of ours.
    FileRemove,
    /// Delete an empty folder of ours.
    DirRemove,
    /// Write this program under a hidden name.
    ProgramPrepare,
    /// Give it its name.
    ProgramPlace,
    /// Delete an installed program of ours.
    ProgramRemove,
    /// Make a link.
    LinkPut,
    /// Delete a link.
    LinkRemove,
    /// Start the agent.
    AgentStart,
    /// Stop the agent.
    AgentStop,
    /// Set a kernel parameter.
    Sysctl,
    /// Let systemd read its files again.
    Reload,
    /// Set the score of a process.
    Score,
}

/// The steps of a list of changes, in order.
#[must_use]
pub fn steps(changes: &[Change]) -> Vec<Step<'_>> {
    let of = |change| actions(change).iter().map(move |action| Step { action: *action, change });
    changes.iter().flat_map(of).collect()
}

/// The steps in words.
#[must_use]
pub fn names(changes: &[Change]) -> Vec<String> {
    steps(changes).iter().map(ToString::to_string).collect()
}

fn actions(change: &Change) -> &'static [Action] {
    use Action as A;
    match change {
        Change::SwapCreate { .. } => {
            &[A::SwapTemporary, A::SwapAllocate, A::SwapFormat, A::SwapPublish, A::SwapOn]
        }
        Change::SwapOn { .. } => &[A::SwapOn],
        Change::SwapOff { .. } => &[A::SwapOff],
        Change::SwapRetire { .. } => &[A::SwapOff, A::SwapDelete],
        Change::FileWrite { .. } => &[A::FilePrepare, A::FilePlace],
        Change::FileRemove { .. } => &[A::FileRemove],
        Change::DirRemove { .. } => &[A::DirRemove],
        Change::ProgramInstall { .. } => &[A::ProgramPrepare, A::ProgramPlace],
        Change::ProgramRemove { .. } => &[A::ProgramRemove],
        Change::LinkPut { .. } => &[A::LinkPut],
        Change::LinkRemove { .. } => &[A::LinkRemove],
        Change::AgentStart => &[A::AgentStart],
        Change::AgentStop => &[A::AgentStop],
        Change::Sysctl { .. } => &[A::Sysctl],
        Change::ReloadSystem | Change::ReloadUserManager { .. } => &[A::Reload],
        Change::Score { .. } => &[A::Score],
    }
}

impl fmt::Display for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.action {
            Action::SwapTemporary => "create an empty file for",
            Action::SwapAllocate => "allocate",
            Action::SwapFormat => "write the swap header of",
            Action::SwapPublish => "give its name to",
            Action::SwapOn => "switch on",
            Action::SwapOff => "switch off",
            Action::SwapDelete => "delete",
            Action::FilePrepare | Action::ProgramPrepare => "prepare",
            Action::FilePlace | Action::ProgramPlace => "put in place",
            Action::FileRemove | Action::DirRemove | Action::ProgramRemove | Action::LinkRemove => "remove",
            Action::LinkPut => "make the link",
            Action::AgentStart => "start",
            Action::AgentStop => "stop",
            Action::Sysctl => "set",
            Action::Reload => "reload",
            Action::Score => "set the score of",
        };
        let object = match self.change {
            Change::SwapCreate { path, .. }
            | Change::SwapOn { path, .. }
            | Change::SwapOff { path }
            | Change::SwapRetire { path }
            | Change::FileWrite { path, .. }
            | Change::FileRemove { path, .. }
            | Change::ProgramInstall { path, .. }
            | Change::ProgramRemove { path }
            | Change::LinkPut { path, .. }
            | Change::LinkRemove { path, .. }
            | Change::DirRemove { path } => path.clone(),
            Change::AgentStart | Change::AgentStop => "the agent".to_owned(),
            Change::Sysctl { key, to, .. } => format!("{key} to {to}"),
            Change::ReloadSystem => "systemd".to_owned(),
            Change::ReloadUserManager { pid, .. } => format!("the user manager {pid}"),
            Change::Score { pid, comm, to, .. } => format!("{comm} ({pid}) to {to}"),
        };
        write!(f, "{verb} {object}")
    }
}
