//! What applies and rollbacks share: the lock, the error, and running steps that are recorded one by one.

#![deny(clippy::wildcard_enum_match_arm, reason = "a new change must say which temporary files it leaves")]

use std::ops::ControlFlow;

use oomguard_host::files::{Lock, temp_sibling};
use oomguard_host::{Host, HostError};

use crate::change::Change;
use crate::execute::{StepError, execute};
use crate::finding::Refusal;
use crate::history::{self, HistoryError, Record};
use crate::layout;
use crate::step::{self, Step};

/// Why nothing was changed, or not everything.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// Only root may.
    #[error("only root may change this host; run it with sudo")]
    NotRoot,
    /// Somebody else is at it.
    #[error(
        "another oomguard (pid {pid}) is changing this host; wait until it is done (`ps {pid}` shows it)"
    )]
    Locked {
        /// The other process.
        pid: String,
    },
    /// The host is not as the saved plan expects.
    #[error("the host has changed since this plan was made; nothing was changed")]
    HostChanged {
        /// How the host's plan now differs from the saved one, a line each.
        differences: Vec<String>,
    },
    /// Something speaks against it.
    #[error("nothing was changed, for {}", oomguard_text::counted(.0.len(), "reason", "reasons"))]
    Refused(Vec<Refusal>),
    /// A step failed.
    #[error("step {number} of {total} failed ({step}): {source}")]
    Step {
        /// 1-based.
        number: usize,
        /// How many there are.
        total: usize,
        /// The step in words.
        step: String,
        /// What went wrong.
        source: StepError,
    },
    /// The watcher said stop.
    #[error(
        "stopped after step {number} of {total}; run the same command again to finish, or `oomguard rollback` to undo it"
    )]
    Stopped {
        /// 1-based.
        number: usize,
        /// How many there are.
        total: usize,
    },
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] HistoryError),
    /// The machine said no.
    #[error(transparent)]
    Host(#[from] HostError),
}

/// Is told what happens, and may stop it between two steps.
pub trait Watcher {
    /// A step begins: its number from 1, how many there are, what it does.
    fn begins(&mut self, number: usize, total: usize, step: &str);
    /// A long step has done so many bytes.
    fn progress(&mut self, bytes: u64);
    /// A step is done and durable.
    fn done(&mut self, number: usize, total: usize, step: &str) -> ControlFlow<()>;
}

/// Takes the lock, creating oomguard's own folder on the first call.
pub(crate) fn lock(host: &Host) -> Result<Lock, ApplyError> {
    if !host.may_change() {
        return Err(ApplyError::NotRoot);
    }
    host.create_dirs(layout::HISTORY_DIR)?;
    host.try_lock(layout::LOCK)?.ok_or_else(|| {
        let pid = host.read(layout::LOCK).unwrap_or_default();
        ApplyError::Locked { pid: String::from_utf8_lossy(&pid).trim().to_owned() }
    })
}

/// Hidden files that a cut apply may have left: exactly those that its steps, or their undoing, create.
pub(crate) fn remove_temporaries(host: &Host, record: &Record) -> Result<(), HostError> {
    let planned = record.plans.iter().flat_map(|plan| &plan.changes).filter_map(temporary_for);
    for path in planned
        .chain(record.before.links.keys())
        .chain(record.before.files.keys())
        .chain(record.before.own_swaps.keys())
    {
        host.remove_file(&temp_sibling(path))?;
    }
    Ok(())
}

/// The file beside which a change creates a temporary one.
fn temporary_for(change: &Change) -> Option<&String> {
    match change {
        Change::SwapCreate { path, .. }
        | Change::FileWrite { path, .. }
        | Change::LinkPut { path, .. }
        | Change::ProgramInstall { path, .. } => Some(path),
        Change::SwapOn { .. }
        | Change::SwapOff { .. }
        | Change::SwapRetire { .. }
        | Change::FileRemove { .. }
        | Change::DirRemove { .. }
        | Change::ProgramRemove { .. }
        | Change::LinkRemove { .. }
        | Change::AgentStart
        | Change::AgentStop
        | Change::Sysctl { .. }
        | Change::ReloadSystem
        | Change::ReloadUserManager { .. }
        | Change::Score { .. } => None,
    }
}

/// Runs the steps of some changes, each recorded when it is done.
pub(crate) fn run(
    host: &Host,
    id: &str,
    changes: &[Change],
    watcher: &mut dyn Watcher,
) -> Result<(), ApplyError> {
    let steps: Vec<Step<'_>> = step::steps(changes);
    let total = steps.len();
    for (number, step) in steps.iter().enumerate().map(|(at, step)| (at + 1, step)) {
        let words = step.to_string();
        watcher.begins(number, total, &words);
        execute(host, step, &mut |bytes| watcher.progress(bytes)).map_err(|source| ApplyError::Step {
            number,
            total,
            step: words.clone(),
            source,
        })?;
        history::step_done(host, id, &words)?;
        if watcher.done(number, total, &words).is_break() {
            return Err(ApplyError::Stopped { number, total });
        }
    }
    Ok(())
}

/// Nobody watches.
pub(crate) struct Silent;

impl Watcher for Silent {
    fn begins(&mut self, _: usize, _: usize, _: &str) {}
    fn progress(&mut self, _: u64) {}
    fn done(&mut self, _: usize, _: usize, _: &str) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}
