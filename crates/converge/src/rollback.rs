//! Rollback an apply: back to the bytes, scores and swaps of before.
//!
//! What is undone is worked out from the record and the host as it is, so a rollback that was cut is simply run again.

use oomguard_host::files::Kind;
use oomguard_host::proc::oom_score_adj;
use oomguard_host::{Host, HostError, swap_header, swapfile};

use crate::blob::Blob;
use crate::change::Change;
use crate::execute::is_same_process;
use crate::facts::Facts;
use crate::finding::Refusal;
use crate::history::{self, Entry, Record, State};
use crate::layout;
use crate::plan::{self, Plan};
use crate::preflight;
use crate::run::{ApplyError, Watcher, lock, remove_temporaries, run};

/// What a rollback does, before it does it.
#[derive(Debug)]
pub struct Rollback<'h> {
    host: &'h Host,
    /// The newest first.
    records: Vec<Record>,
    /// Who asked for it, when it is not the person who runs it.
    by: Option<String>,
    _lock: oomguard_host::files::Lock,
}

impl<'h> Rollback<'h> {
    /// Locks the host and finds what is to be undone: the last apply, or all since (and with) `to`.
    ///
    /// # Errors
    /// When this user may not, somebody else is at it, or the journal has no such apply.
    pub fn open(host: &'h Host, to: Option<&str>) -> Result<Self, ApplyError> {
        let lock = lock(host)?;
        let undoable = |entry: &Entry| entry.state != State::RolledBack;
        let mut entries: Vec<Entry> = history::list(host)?.into_iter().filter(undoable).collect();
        entries.reverse();
        let records = entries.into_iter().map(|entry| entry.record);
        let records: Vec<Record> = match to {
            None => records.take(1).collect(),
            Some(id) => {
                let mut wanted: Vec<Record> = records.collect();
                let Some(at) = wanted.iter().position(|record| record.id == id) else {
                    return Err(history::HistoryError::Unknown { id: id.chars().take(80).collect() }.into());
                };
                wanted.truncate(at + 1);
                wanted
            }
        };
        Ok(Self { host, records, by: None, _lock: lock })
    }

    /// The journal says who asked for it.
    #[must_use]
    pub fn asked_by(self, who: Option<String>) -> Self {
        Self { by: who, ..self }
    }

    /// The names of the applies that are undone, the newest first.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.records.iter().map(|record| record.id.as_str())
    }

    /// What undoing the newest of them comes to.
    ///
    /// # Errors
    /// When the host cannot be read.
    pub fn plan(&self) -> Result<Option<Plan>, ApplyError> {
        self.records.first().map(|record| undo(self.host, record)).transpose()
    }

    /// A name for exactly this rollback of the host as it is: which applies, and what undoing the newest comes to.
    ///
    /// # Errors
    /// When the host cannot be read.
    pub fn digest(&self) -> Result<String, ApplyError> {
        let plan = self.plan()?.map(|plan| plan.digest).unwrap_or_default();
        let ids: Vec<&str> = self.ids().collect();
        Ok(oomguard_host::files::sha256(format!("rollback {} {plan}", ids.join(" ")).as_bytes()))
    }

    /// Undoes them all, the newest first.
    ///
    /// # Errors
    /// When it is refused, or a step fails; the same call again goes on.
    pub fn run(self, watcher: &mut dyn Watcher) -> Result<Vec<String>, ApplyError> {
        let mut undone = Vec::new();
        for record in self.records {
            remove_temporaries(self.host, &record)?;
            undone.push(record.id.clone());
            finish(self.host, record, self.by.as_deref(), watcher)?;
        }
        Ok(undone)
    }
}

/// Undoes one apply, from wherever it or an earlier rollback of it was cut.
pub(crate) fn finish(
    host: &Host,
    record: Record,
    by: Option<&str>,
    watcher: &mut dyn Watcher,
) -> Result<(), ApplyError> {
    let plan = undo(host, &record)?;
    let refusals = preflight::refusals(host, &plan);
    if !refusals.is_empty() {
        return Err(ApplyError::Refused(refusals));
    }
    history::asked(host, &record.id, "rollback", by)?;
    history::set_state(host, &record.id, State::RollingBack)?;
    run(host, &record.id, &plan.changes, watcher)?;
    history::set_state(host, &record.id, State::RolledBack)?;
    Ok(())
}

/// The changes that take a host back to before an apply.
fn undo(host: &Host, record: &Record) -> Result<Plan, ApplyError> {
    let last = record.plans.last().ok_or_else(|| history::HistoryError::Damaged {
        path: record.id.clone(),
        why: "no plan in it".to_owned(),
    })?;
    let facts = Facts::read(host, &last.policy)?;
    let mut undo = Undo { host, record, facts: &facts, changes: Vec::new(), refusals: Vec::new() };
    undo.bring_swaps_back()?;
    undo.agent_stops();
    undo.links();
    undo.files()?;
    undo.take_swaps_away()?;
    undo.sysctl();
    undo.reloads();
    undo.scores();
    undo.programs()?;
    undo.agent_starts();
    undo.dirs();
    Ok(Plan::from_parts(&last.policy, &facts, undo.changes, undo.refusals, Vec::new()))
}

struct Undo<'a> {
    host: &'a Host,
    record: &'a Record,
    facts: &'a Facts,
    changes: Vec<Change>,
    refusals: Vec<Refusal>,
}

impl Undo<'_> {
    fn planned(&self) -> impl Iterator<Item = &Change> {
        self.record.plans.iter().flat_map(|plan| &plan.changes)
    }

    /// Swap files of ours that the apply took away are made again, as they were.
    fn bring_swaps_back(&mut self) -> Result<(), HostError> {
        for (path, before) in &self.record.before.own_swaps {
            let priority =
                before.priority.and_then(|priority| i16::try_from(priority).ok()).filter(|p| *p >= 0);
            let there = self.host.lstat(path)?.is_some();
            if !there {
                let fs_type = self.facts.swap.place.as_ref().and_then(|place| place.fs_type.clone());
                self.changes.push(Change::SwapCreate {
                    path: path.clone(),
                    size: before.size,
                    priority,
                    zeros: false,
                    nocow: fs_type.as_deref() == Some("btrfs"),
                });
            } else if before.active && self.facts.swap.area(path).is_none() {
                self.changes.push(Change::SwapOn { path: path.clone(), priority });
            }
        }
        Ok(())
    }

    /// Whether this apply wrote the agent's unit, and what was there before.
    fn agent_unit_before(&self) -> Option<Option<&history::FileBefore>> {
        self.record.before.files.get(layout::AGENT_UNIT).map(Option::as_ref)
    }

    /// Before its files go. What it has protected stays so; what the apply has protected is written back.
    fn agent_stops(&mut self) {
        if self.agent_unit_before() == Some(None) && self.facts.agent.running.is_some() {
            self.changes.push(Change::AgentStop);
        }
    }

    /// It goes on as it was before: with the old program and policy.
    fn agent_starts(&mut self) {
        let touched = self.planned().any(|change| matches!(change, Change::AgentStart | Change::AgentStop));
        let unit_stays = self.facts.units.managed_files.contains_key(layout::AGENT_UNIT);
        let there_before = self.agent_unit_before().map_or(unit_stays, |before| before.is_some());
        if touched && there_before {
            self.changes.push(Change::AgentStart);
        }
    }

    fn links(&mut self) {
        for (path, before) in &self.record.before.links {
            let now = self.host.link_target(path);
            match (now, before) {
                (now, Some(target)) if now.as_ref() != Some(target) => self.changes.push(Change::LinkPut {
                    path: path.clone(),
                    target: target.clone(),
                    why: "as it was before".to_owned(),
                }),
                (Some(target), None) => self.changes.push(Change::LinkRemove { path: path.clone(), target }),
                _ => {}
            }
        }
    }

    /// A program that was installed goes, once no unit names it.
    fn programs(&mut self) -> Result<(), HostError> {
        let installed: Vec<String> = self
            .planned()
            .filter_map(|change| match change {
                Change::ProgramInstall { path, .. } => Some(path.clone()),
                _ => None,
            })
            .collect();
        for path in installed {
            let known = self.changes.contains(&Change::ProgramRemove { path: path.clone() });
            if !known && self.host.lstat(&path)?.is_some() {
                self.changes.push(Change::ProgramRemove { path });
            }
        }
        Ok(())
    }

    fn files(&mut self) -> Result<(), HostError> {
        let why = || "as it was before".to_owned();
        for (path, before) in &self.record.before.files {
            let now = self.host.read_optional(path)?.map(Blob);
            let then = before.as_ref().map(|before| before.bytes.clone());
            if now == then {
                continue;
            }
            if !self.is_as_written(path, now.as_ref()) {
                self.refusals.push(Refusal::new(
                    "changed-since",
                    format!("{path} was changed after the apply, and a rollback would lose that change"),
                    "undo that change first, or edit the file by hand",
                ));
                continue;
            }
            match (now, then) {
                (Some(before), None) => {
                    self.changes.push(Change::FileRemove { path: path.clone(), before, why: why() })
                }
                (before, Some(after)) => {
                    self.changes.push(Change::FileWrite { path: path.clone(), before, after, why: why() });
                }
                (None, None) => {}
            }
        }
        Ok(())
    }

    /// Whether a file is as one of the plans made it.
    fn is_as_written(&self, path: &str, now: Option<&Blob>) -> bool {
        self.planned().any(|change| match change {
            Change::FileWrite { path: written, after, .. } => written == path && Some(after) == now,
            Change::FileRemove { path: removed, .. } => removed == path && now.is_none(),
            _ => false,
        })
    }

    /// Swap files that the apply made go, and what it switched on goes off.
    fn take_swaps_away(&mut self) -> Result<(), HostError> {
        let was_there = |path: &String| self.record.before.own_swaps.contains_key(path);
        let created: Vec<String> = self
            .planned()
            .filter_map(|change| match change {
                Change::SwapCreate { path, .. } => Some(path.clone()),
                _ => None,
            })
            .filter(|path| !was_there(path))
            .collect();
        for path in created {
            let is_file = self.host.lstat(&path)?.is_some_and(|meta| meta.kind == Kind::File);
            let known = self.changes.contains(&Change::SwapRetire { path: path.clone() });
            if is_file && !known && is_ours(self.host, &path)? {
                self.changes.push(Change::SwapRetire { path });
            }
        }
        for path in &self.record.before.swaps_off {
            if self.facts.swap.area(path).is_some() {
                self.changes.push(Change::SwapOff { path: path.clone() });
            }
        }
        self.refuse_without_room();
        Ok(())
    }

    /// All of it has to fit at once, although each step looks again.
    fn refuse_without_room(&mut self) {
        let goes: Vec<&str> = self
            .changes
            .iter()
            .filter_map(|change| match change {
                Change::SwapRetire { path } | Change::SwapOff { path } => Some(path.as_str()),
                _ => None,
            })
            .collect();
        let gone = |path: &str| goes.contains(&path);
        let areas = &self.facts.swap.areas;
        let used: u64 = areas.iter().filter(|area| gone(&area.path)).map(|area| area.used).sum();
        let stays: u64 =
            areas.iter().filter(|area| !gone(&area.path)).map(|area| area.size - area.used).sum();
        let comes: u64 = self
            .changes
            .iter()
            .map(|change| if let Change::SwapCreate { size, .. } = change { *size } else { 0 })
            .sum();
        if used > 0 && !crate::facts::swap::has_room_for(used, &self.facts.memory, stays + comes) {
            self.refusals.push(Refusal::new(
                "no-room",
                format!("{used} bytes of {} are in use, and memory has no room for them", goes.join(", ")),
                "wait until less swap is in use",
            ));
        }
    }

    fn sysctl(&mut self) {
        for (key, then) in &self.record.before.sysctl {
            let Some(now) = self.facts.swappiness.live.map(|live| live.to_string()) else { continue };
            // Somebody who set it since then wants it so.
            let ours = self.planned().any(|change| matches!(change, Change::Sysctl { to, .. } if *to == now));
            if now != *then && ours {
                self.changes.push(Change::Sysctl { key: key.clone(), from: now, to: then.clone() });
            }
        }
    }

    fn reloads(&mut self) {
        let (system, user) = plan::reloads_for(&self.changes);
        if system {
            self.changes.push(Change::ReloadSystem);
        }
        if user {
            let managers: Vec<Change> =
                plan::user_managers(self.facts).map(plan::reload_user_manager).collect();
            self.changes.extend(managers);
        }
    }

    fn scores(&mut self) {
        let boot = history::boot_id(self.host);
        for before in self.record.before.scores.iter().filter(|before| before.boot_id == boot) {
            let score = self.host.read(&format!("/proc/{}/oom_score_adj", before.pid)).ok();
            let Some(now) = score.and_then(|bytes| oom_score_adj::parse(&bytes).ok()) else { continue };
            if now != before.score && is_same_process(self.host, before.pid, before.start_time) {
                self.changes.push(Change::Score {
                    pid: before.pid,
                    start_time: before.start_time,
                    comm: before.comm.clone(),
                    from: now,
                    to: before.score,
                    why: "as it was before".to_owned(),
                });
            }
        }
    }

    fn dirs(&mut self) {
        let dirs = self.record.before.missing_dirs.iter().rev();
        self.changes.extend(dirs.map(|path| Change::DirRemove { path: path.clone() }));
    }
}

fn is_ours(host: &Host, path: &str) -> Result<bool, HostError> {
    let head = host.read_head(path, 64 << 10)?;
    Ok(swap_header::parse(&head).is_ok_and(|header| header.label == swapfile::LABEL))
}
