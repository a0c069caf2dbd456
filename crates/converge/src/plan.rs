//! Facts and policy to an ordered list of changes: the only thing that `apply` takes.

use oomguard_host::files::sha256;
use oomguard_spec::policy::Policy;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::agent;
use crate::blob::Blob;
use crate::change::Change;
use crate::facts::KeeperKind;
use crate::facts::agent::{Content, Program};
use crate::facts::{Facts, Process, sysctl};
use crate::finding::Refusal;
use crate::fstab_edit;
use crate::layout;
use crate::managed_files;
use crate::step;
use crate::swap_decision::{self, SwapDecision};
use crate::target_score::target_score;

/// The version of the form below.
pub const SCHEMA: &str = "oomguard.plan/1";

/// Ordered changes that take one host from what it is to its policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// `oomguard.plan/1`
    pub schema: String,
    /// The SHA-256 of everything below, in hexadecimal. It changes when the host does in a way that matters.
    pub digest: String,
    /// /etc/machine-id of the host: a plan is for one host.
    pub machine_id: Option<String>,
    /// The policy that the plan comes from.
    pub policy: Policy,
    /// The changes, in order.
    pub changes: Vec<Change>,
    /// Why nothing is changed, when it is so; all reasons at once.
    pub refusals: Vec<Refusal>,
    /// What a person should know before saying yes.
    pub notes: Vec<String>,
    /// The steps that the changes come to; power may be cut after each.
    pub steps: Vec<String>,
}

/// Why a saved plan is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPlan {
    /// No JSON, or of another form.
    #[error("this is no plan of oomguard ({0}); make one with `oomguard plan -o FILE`")]
    Unreadable(String),
    /// Another version of the form.
    #[error("this plan has the form {0}, and this oomguard reads {SCHEMA}; make it again with this version")]
    Schema(String),
    /// Somebody changed it.
    #[error("this plan was changed after it was made: its digest does not match; make it again")]
    Digest,
}

impl Plan {
    /// Works out the changes for a host. The same facts and policy give the same plan, to the digest.
    #[must_use]
    pub fn make(policy: &Policy, facts: &Facts) -> Self {
        let mut maker = Maker { policy, facts, changes: Vec::new(), refusals: Vec::new(), notes: Vec::new() };
        let decision = swap_decision::decide(policy, facts);
        if let Some(decision) = &decision {
            maker.swap(decision);
        }
        maker.refusals.extend(agent::refusal(policy, facts));
        maker.agent_goes();
        maker.files();
        maker.retire(decision.as_ref());
        maker.live_sysctl();
        maker.reloads();
        maker.scores();
        maker.agent_starts();
        Self::from_parts(policy, facts.machine_id.clone(), maker.changes, maker.refusals, maker.notes)
    }

    /// A plan of given changes.
    #[must_use]
    pub(crate) fn from_parts(
        policy: &Policy,
        machine_id: Option<String>,
        changes: Vec<Change>,
        refusals: Vec<Refusal>,
        notes: Vec<String>,
    ) -> Self {
        let mut plan = Self {
            schema: SCHEMA.to_owned(),
            digest: String::new(),
            machine_id,
            policy: policy.clone(),
            steps: step::names(&changes),
            changes,
            refusals,
            notes,
        };
        plan.digest = plan.digest_of_rest();
        plan
    }

    /// Reads a saved plan.
    ///
    /// # Errors
    /// When it is no plan, or was changed since.
    pub fn from_json(bytes: &[u8]) -> Result<Self, BadPlan> {
        let value: serde_json::Value =
            serde_json::from_slice(bytes).map_err(|e| BadPlan::Unreadable(e.to_string()))?;
        match value.get("schema").and_then(serde_json::Value::as_str) {
            Some(SCHEMA) => {}
            Some(other) => return Err(BadPlan::Schema(other.chars().take(60).collect())),
            None => return Err(BadPlan::Unreadable("it has no `schema`".to_owned())),
        }
        let plan: Self = serde_json::from_value(value).map_err(|e| BadPlan::Unreadable(e.to_string()))?;
        if plan.digest == plan.digest_of_rest() { Ok(plan) } else { Err(BadPlan::Digest) }
    }

    /// The plan as it is saved and printed.
    #[must_use]
    pub fn to_json(&self) -> String {
        // A plan is made of strings, numbers and lists of them, which serde_json always writes.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// Whether the host is as the policy says, as far as oomguard can make it so.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.refusals.is_empty()
    }

    fn digest_of_rest(&self) -> String {
        let rest = Self { digest: String::new(), ..self.clone() };
        sha256(rest.to_json().as_bytes())
    }
}

struct Maker<'a> {
    policy: &'a Policy,
    facts: &'a Facts,
    changes: Vec<Change>,
    refusals: Vec<Refusal>,
    notes: Vec<String>,
}

impl Maker<'_> {
    /// Swap that comes, and fstab once it is proven. Swap that goes follows later.
    fn swap(&mut self, decision: &SwapDecision) {
        let Some(policy) = &self.policy.swap else { return };
        self.refusals.extend(decision.refusals.iter().cloned());
        if let Some(why) = &decision.disk_bound {
            self.notes.push(why.clone());
        }
        if self.facts.container.is_some() {
            return;
        }
        for path in &decision.switch_on {
            let own = decision.keep.as_ref() == Some(path);
            let priority = if own { policy.priority } else { self.fstab_priority(path) };
            self.changes.push(Change::SwapOn { path: path.clone(), priority });
        }
        if let Some(file) = &decision.create {
            self.changes.push(Change::SwapCreate {
                path: file.path.clone(),
                size: file.size,
                priority: policy.priority,
                zeros: file.allocation == oomguard_host::swapfile::Allocation::Zeros,
                nocow: file.nocow,
            });
        }
        match fstab_edit::edit(self.facts, decision, policy) {
            Ok(None) => {}
            Ok(Some(edit)) => self.changes.push(Change::FileWrite {
                path: layout::FSTAB.to_owned(),
                before: self.facts.swap.fstab.clone(),
                after: Blob(edit.after),
                why: "the next boot switches the swap on".to_owned(),
            }),
            Err(e) => self.refusals.push(Refusal::new(
                "fstab-path",
                format!("a path cannot be written in /etc/fstab: {e}"),
                "name another `file` in the policy's `swap`",
            )),
        }
    }

    fn fstab_priority(&self, path: &str) -> Option<i16> {
        let blob = self.facts.swap.fstab.as_ref()?;
        let line = self.facts.swap.fstab_swaps.iter().find(|entry| entry.path == path)?.line;
        let fstab = oomguard_host::fstab::Fstab::parse(&blob.0);
        let entry = fstab.swap_entries().find(|entry| entry.line == line)?;
        entry.priority().and_then(|priority| i16::try_from(priority).ok())
    }

    /// Before its unit and policy go.
    fn agent_goes(&mut self) {
        if agent::unwanted(self.policy, self.facts) {
            if self.facts.agent.running.is_some() {
                self.changes.push(Change::AgentStop);
            }
            if let Some(target) = self.facts.agent.link.clone() {
                self.changes.push(Change::LinkRemove { path: layout::AGENT_WANTS.to_owned(), target });
            }
        }
    }

    /// Last: everything is then as it will find it.
    fn agent_starts(&mut self) {
        if agent::must_start(self.policy, self.facts) {
            self.changes.push(Change::AgentStart);
        }
    }

    /// The agent's program comes before the unit that names it, and the link to the unit after it.
    fn files(&mut self) {
        let program = agent::wanted(self.policy, self.facts).cloned();
        if let Some(Program { path, missing: Some(content) }) = program.clone() {
            let Content { sha256, length } = content;
            self.changes.push(Change::ProgramInstall { path, sha256, length });
        }
        self.managed_files();
        if program.is_some() && self.facts.agent.link.as_deref() != Some(agent::LINK_TARGET) {
            self.changes.push(Change::LinkPut {
                path: layout::AGENT_WANTS.to_owned(),
                target: agent::LINK_TARGET.to_owned(),
                why: "the agent starts at boot".to_owned(),
            });
        }
    }

    fn managed_files(&mut self) {
        let own = &self.facts.units.managed_files;
        for file in managed_files::to_write(self.policy, self.facts) {
            self.changes.push(Change::FileWrite {
                before: own.get(&file.path).cloned(),
                path: file.path,
                after: Blob(file.text.into_bytes()),
                why: file.why,
            });
        }
        for path in managed_files::stale(self.policy, self.facts) {
            if let Some(before) = own.get(&path).cloned() {
                let why = "the policy no longer asks for it".to_owned();
                self.changes.push(Change::FileRemove { path, before, why });
            }
        }
    }

    fn retire(&mut self, decision: Option<&SwapDecision>) {
        for path in decision.map(|decision| &decision.retire).into_iter().flatten() {
            self.changes.push(Change::SwapRetire { path: path.clone() });
        }
    }

    fn live_sysctl(&mut self) {
        if let (Some(wanted), Some(live), None) =
            (self.policy.swappiness, self.facts.swappiness.live, &self.facts.container)
            && live != u32::from(wanted)
        {
            let key = sysctl::KEY.to_owned();
            self.changes.push(Change::Sysctl { key, from: live.to_string(), to: wanted.to_string() });
        }
    }

    /// One reload for all files, and only when a file that systemd reads has changed.
    fn reloads(&mut self) {
        let (system, user) = reloads_for(&self.changes);
        if system {
            self.changes.push(Change::ReloadSystem);
        }
        if user {
            let managers: Vec<Change> = user_managers(self.facts).map(reload_user_manager).collect();
            self.changes.extend(managers);
        }
    }

    /// Leaks first: between two writes there is never more protection than before.
    fn scores(&mut self) {
        let (policy, facts) = (self.policy, self.facts);
        let mut writes: Vec<Change> =
            facts.processes.list.iter().filter_map(|process| score(process, policy)).collect();
        writes.sort_by_key(|change| matches!(change, Change::Score { from, to, .. } if to < from));
        let protects_multiplexer = writes.iter().any(|change| {
            matches!(change, Change::Score { pid, to, .. } if *to < 0 && is_multiplexer(facts, *pid))
        });
        if protects_multiplexer && agent::wanted(policy, facts).is_none() {
            self.notes.push(
                "a pane that is opened later in a protected tmux, screen or zellij inherits its score; \
                 `check` finds it, and `apply` takes it off again"
                    .to_owned(),
            );
        }
        self.changes.extend(writes);
    }
}

/// Whether changes of files make a reload of systemd, and of the user managers, necessary.
pub(crate) fn reloads_for(changes: &[Change]) -> (bool, bool) {
    let paths = || {
        changes.iter().filter_map(|change| match change {
            Change::FileWrite { path, .. }
            | Change::FileRemove { path, .. }
            | Change::LinkPut { path, .. }
            | Change::LinkRemove { path, .. } => Some(path.as_str()),
            _ => None,
        })
    };
    let system = paths().any(|path| path == layout::FSTAB || path.starts_with("/etc/systemd/system/"));
    let user = paths().any(|path| path == layout::USER_LOAD || path == layout::USER_LOAD_OLD);
    (system, user)
}

/// The `systemd --user` processes (their PAM helpers are keepers too, and take no signals).
pub(crate) fn user_managers(facts: &Facts) -> impl Iterator<Item = &Process> {
    let is_manager =
        |process: &&Process| process.keeper == Some(KeeperKind::UserManager) && process.comm == "systemd";
    facts.processes.list.iter().filter(is_manager)
}

pub(crate) fn reload_user_manager(process: &Process) -> Change {
    Change::ReloadUserManager { pid: process.pid, start_time: process.start_time }
}

fn is_multiplexer(facts: &Facts, pid: i32) -> bool {
    facts.processes.list.iter().any(|p| p.pid == pid && p.keeper == Some(KeeperKind::Multiplexer))
}

fn score(process: &Process, policy: &Policy) -> Option<Change> {
    let target = target_score(process, policy);
    let to = target.bound.correction(process.score).filter(|_| target.fixable)?;
    Some(Change::Score {
        pid: process.pid,
        start_time: process.start_time,
        comm: process.comm.clone(),
        from: process.score,
        to,
        why: target.source,
    })
}
