//! Applying a plan: lock, recover, plan, record, change, check.

use std::ops::ControlFlow;

use oomguard_host::files::{Lock, sha256, temp_sibling};
use oomguard_host::{Host, HostError};
use oomguard_spec::policy::Policy;

use crate::change::Change;
use crate::execute::{StepError, execute};
use crate::facts::Facts;
use crate::finding::{Finding, Refusal};
use crate::findings;
use crate::history::{self, Before, FileBefore, HistoryError, Record, ScoreBefore, State, SwapBefore};
use crate::layout;
use crate::plan::Plan;
use crate::preflight;
use crate::rollback;
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
        "another oomguard (pid {pid}) is changing this host; wait for it, or see what it does with `ps {pid}`"
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
    #[error("nothing was changed, for {} reason(s)", .0.len())]
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
        "stopped after step {number} of {total}; the same command again finishes it, `oomguard rollback` undoes it"
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

/// A host that nobody else changes while this value lives, with a plan for it.
#[derive(Debug)]
pub struct Session<'h> {
    host: &'h Host,
    policy: Policy,
    plan: Plan,
    facts: Facts,
    /// An apply that was cut, which this one finishes.
    unfinished: Option<Record>,
    version: String,
    /// Who asked for it, when it is not the person who runs it.
    by: Option<String>,
    _lock: Lock,
}

/// What an apply did.
#[derive(Debug)]
pub struct Outcome {
    /// The journal's name for it; `None` when there was nothing to do.
    pub id: Option<String>,
    /// What still differs.
    pub left: Vec<Finding>,
    /// The host afterwards.
    pub facts: Facts,
}

impl<'h> Session<'h> {
    /// Locks the host, cleans up after an apply that was cut, and plans.
    ///
    /// # Errors
    /// When this user may not, somebody else is at it, or the host cannot be read.
    pub fn open(host: &'h Host, policy: &Policy, version: &str) -> Result<Self, ApplyError> {
        let lock = lock(host)?;
        let unfinished = recover(host)?;
        let facts = Facts::read(host, policy)?;
        let plan = Plan::make(policy, &facts);
        let version = version.to_owned();
        Ok(Self { host, policy: policy.clone(), plan, facts, unfinished, version, by: None, _lock: lock })
    }

    /// The journal of the apply says who asked for it.
    #[must_use]
    pub fn asked_by(self, who: Option<String>) -> Self {
        Self { by: who, ..self }
    }

    /// The host that is locked.
    #[must_use]
    pub fn host(&self) -> &'h Host {
        self.host
    }

    /// What would be changed.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The host before.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The apply that was cut and that this one finishes.
    #[must_use]
    pub fn unfinished(&self) -> Option<&str> {
        self.unfinished.as_ref().map(|record| record.id.as_str())
    }

    /// Takes only the plan that was shown before.
    ///
    /// # Errors
    /// When the host now has another one; with the differences.
    pub fn expect(&self, saved: &Plan) -> Result<(), ApplyError> {
        if saved.digest == self.plan.digest {
            return Ok(());
        }
        Err(ApplyError::HostChanged { differences: differences(saved, &self.plan) })
    }

    /// Takes only the plan with this digest.
    ///
    /// # Errors
    /// When the host now has another one.
    pub fn expect_digest(&self, digest: &str) -> Result<(), ApplyError> {
        if digest == self.plan.digest {
            return Ok(());
        }
        Err(ApplyError::HostChanged { differences: Vec::new() })
    }

    /// Everything that speaks against the plan.
    #[must_use]
    pub fn refusals(&self) -> Vec<Refusal> {
        preflight::refusals(self.host, &self.plan)
    }

    /// Changes the host.
    ///
    /// # Errors
    /// When it is refused, or a step fails; what was done until then is in the journal.
    pub fn apply(self, watcher: &mut dyn Watcher) -> Result<Outcome, ApplyError> {
        let refusals = self.refusals();
        if !refusals.is_empty() {
            return Err(ApplyError::Refused(refusals));
        }
        if self.plan.changes.is_empty() {
            if let Some(record) = &self.unfinished {
                history::set_state(self.host, &record.id, State::Applied)?;
            }
            let left = findings(&self.policy, &self.facts);
            return Ok(Outcome { id: self.unfinished.map(|record| record.id), left, facts: self.facts });
        }
        let record = self.record()?;
        history::write(self.host, &record)?;
        history::asked(self.host, &record.id, "apply", self.by.as_deref())?;
        run(self.host, &record.id, &self.plan.changes, watcher)?;
        history::set_state(self.host, &record.id, State::Applied)?;
        let facts = Facts::read(self.host, &self.policy)?;
        Ok(Outcome { id: Some(record.id), left: findings(&self.policy, &facts), facts })
    }

    /// The record of this apply. One that finishes another keeps how everything was before the first.
    fn record(&self) -> Result<Record, ApplyError> {
        let mut record = match &self.unfinished {
            Some(record) => record.clone(),
            None => Record {
                schema: history::SCHEMA.to_owned(),
                id: history::new_id(self.host)?,
                started: self.host.now(),
                version: self.version.clone(),
                plans: Vec::new(),
                before: self.own_swaps_before(),
            },
        };
        for change in &self.plan.changes {
            self.remember(change, &mut record.before)?;
        }
        record.plans.push(self.plan.clone());
        Ok(record)
    }

    fn own_swaps_before(&self) -> Before {
        let own = self.facts.swap.place.iter().flat_map(|place| &place.own);
        let own_swaps = own.map(|file| {
            let area = self.facts.swap.area(&file.path);
            let priority = area.map(|area| area.priority);
            (file.path.clone(), SwapBefore { size: file.size, priority, active: file.active })
        });
        Before { own_swaps: own_swaps.collect(), ..Before::default() }
    }

    fn remember(&self, change: &Change, before: &mut Before) -> Result<(), ApplyError> {
        match change {
            Change::FileWrite { path, .. } | Change::FileRemove { path, .. }
                if !before.files.contains_key(path) =>
            {
                before.files.insert(path.clone(), file_before(self.host, path)?);
                remember_missing_dirs(self.host, path, &mut before.missing_dirs)?;
            }
            Change::LinkPut { path, .. } | Change::LinkRemove { path, .. }
                if !before.links.contains_key(path) =>
            {
                before.links.insert(path.clone(), self.host.link_target(path));
                remember_missing_dirs(self.host, path, &mut before.missing_dirs)?;
            }
            Change::ProgramInstall { path, .. } => {
                remember_missing_dirs(self.host, path, &mut before.missing_dirs)?;
            }
            Change::Sysctl { key, from, .. } => {
                before.sysctl.entry(key.clone()).or_insert_with(|| from.clone());
            }
            Change::SwapOn { path, .. } => {
                let known = before.own_swaps.contains_key(path) || before.swaps_off.contains(path);
                let ours =
                    self.facts.swap.place.iter().any(|place| place.own.iter().any(|own| own.path == *path));
                if !known && !ours {
                    before.swaps_off.push(path.clone());
                }
            }
            Change::Score { pid, start_time, comm, from, .. } => {
                let score = ScoreBefore {
                    pid: *pid,
                    start_time: *start_time,
                    comm: comm.clone(),
                    score: *from,
                    boot_id: boot_id(self.host),
                };
                if !before.scores.iter().any(|known| known.is_of_same_process(&score)) {
                    before.scores.push(score);
                }
            }
            _ => {}
        }
        Ok(())
    }
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

/// Cleans up after an apply or rollback that was cut. The unfinished apply is what the next one continues.
fn recover(host: &Host) -> Result<Option<Record>, ApplyError> {
    let mut unfinished = None;
    for entry in history::list(host)? {
        match entry.state {
            State::Open => {
                remove_temporaries(host, &entry.record)?;
                unfinished = Some(entry.record);
            }
            State::RollingBack => {
                remove_temporaries(host, &entry.record)?;
                rollback::finish(host, entry.record, None, &mut Silent)?;
            }
            State::Applied | State::RolledBack => {}
        }
    }
    Ok(unfinished)
}

/// Hidden files that a cut apply may have left: exactly those that its steps, or their undoing, create.
pub(crate) fn remove_temporaries(host: &Host, record: &Record) -> Result<(), HostError> {
    let planned = record.plans.iter().flat_map(|plan| &plan.changes).filter_map(|change| match change {
        Change::SwapCreate { path, .. }
        | Change::FileWrite { path, .. }
        | Change::LinkPut { path, .. }
        | Change::ProgramInstall { path, .. } => Some(path),
        _ => None,
    });
    for path in planned
        .chain(record.before.links.keys())
        .chain(record.before.files.keys())
        .chain(record.before.own_swaps.keys())
    {
        host.remove_file(&temp_sibling(path))?;
    }
    Ok(())
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

pub(crate) fn boot_id(host: &Host) -> String {
    let bytes = host.read("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    String::from_utf8_lossy(&bytes).trim().to_owned()
}

fn file_before(host: &Host, path: &str) -> Result<Option<FileBefore>, HostError> {
    let (Some(bytes), Some(meta)) = (host.read_optional(path)?, host.lstat(path)?) else { return Ok(None) };
    let sha256 = sha256(&bytes);
    Ok(Some(FileBefore {
        bytes: crate::blob::Blob(bytes),
        sha256,
        mode: meta.mode,
        uid: meta.uid,
        gid: meta.gid,
    }))
}

fn remember_missing_dirs(host: &Host, path: &str, missing: &mut Vec<String>) -> Result<(), HostError> {
    let mut dir = oomguard_host::files::parent(path);
    let mut new = Vec::new();
    while dir != "/" && host.lstat(dir)?.is_none() && !missing.iter().any(|known| known == dir) {
        new.push(dir.to_owned());
        dir = oomguard_host::files::parent(dir);
    }
    missing.extend(new.into_iter().rev());
    Ok(())
}

/// How two plans differ, in the words of their steps.
fn differences(saved: &Plan, now: &Plan) -> Vec<String> {
    let mut lines = Vec::new();
    if saved.machine_id != now.machine_id {
        lines.push("the plan was made on another machine (/etc/machine-id differs)".to_owned());
    }
    if saved.policy != now.policy {
        lines.push("the plan is for another policy".to_owned());
    }
    let gone = saved.steps.iter().filter(|step| !now.steps.contains(step));
    lines.extend(gone.map(|step| format!("no longer needed or possible: {step}")));
    let new = now.steps.iter().filter(|step| !saved.steps.contains(step));
    lines.extend(new.map(|step| format!("needed now: {step}")));
    if lines.is_empty() {
        lines.push(
            "the same steps, with other contents: compare `oomguard plan` with the saved plan".to_owned(),
        );
    }
    lines
}
