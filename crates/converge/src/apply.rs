//! Applying a plan: lock, recover, plan, record, change, check.

#![deny(clippy::wildcard_enum_match_arm, reason = "a rollback needs to know how everything was")]

use oomguard_host::files::{Lock, sha256};
use oomguard_host::{Host, HostError};
use oomguard_spec::policy::Policy;

use crate::change::Change;
use crate::facts::Facts;
use crate::finding::{Finding, Refusal};
use crate::findings;
use crate::history::{self, Before, FileBefore, Record, ScoreBefore, State, SwapBefore};
use crate::plan::Plan;
use crate::preflight;
use crate::rollback;
pub use crate::run::{ApplyError, Watcher};
use crate::run::{Silent, lock, remove_temporaries, run};

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
            Change::FileWrite { path, .. } | Change::FileRemove { path, .. } => {
                if !before.files.contains_key(path) {
                    before.files.insert(path.clone(), file_before(self.host, path)?);
                    remember_missing_dirs(self.host, path, &mut before.missing_dirs)?;
                }
            }
            Change::LinkPut { path, .. } | Change::LinkRemove { path, .. } => {
                if !before.links.contains_key(path) {
                    before.links.insert(path.clone(), self.host.link_target(path));
                    remember_missing_dirs(self.host, path, &mut before.missing_dirs)?;
                }
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
                    boot_id: history::boot_id(self.host),
                };
                if !before.scores.iter().any(|known| known.is_of_same_process(&score)) {
                    before.scores.push(score);
                }
            }
            // Swap files of oomguard's are in `own_swaps`; the rest changes nothing that lasts.
            Change::SwapCreate { .. }
            | Change::SwapOff { .. }
            | Change::SwapRetire { .. }
            | Change::DirRemove { .. }
            | Change::ProgramRemove { .. }
            | Change::AgentStart
            | Change::AgentStop
            | Change::ReloadSystem
            | Change::ReloadUserManager { .. } => {}
        }
        Ok(())
    }
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
    lines.extend(gone.map(|step| format!("no longer planned: {step}")));
    let new = now.steps.iter().filter(|step| !saved.steps.contains(step));
    lines.extend(new.map(|step| format!("planned now: {step}")));
    if lines.is_empty() {
        lines.push("same steps, other contents: compare `oomguard plan` with the saved plan".to_owned());
    }
    lines
}
