//! Facts and policy to an ordered list of changes: the only thing that `apply` takes.

use oomguard_host::files::sha256;
use oomguard_spec::policy::Policy;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::agent;
use crate::basis::{self, Fact};
use crate::blob::Blob;
use crate::change::Change;
use crate::decisions::{Decisions, SwappinessDecision};
use crate::facts::agent::{Content, Program};
use crate::facts::{Facts, KeeperKind, Process, sysctl};
use crate::finding::Refusal;
use crate::layout;
use crate::step;
use crate::target_score::ScoreDecision;

/// The version of the form below.
pub const SCHEMA: &str = "oomguard.plan/2";

/// Ordered changes that take one host from what it is to its policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// `oomguard.plan/2`
    pub schema: String,
    /// The SHA-256, in hexadecimal, of the data below: policy, changes and the facts that they rest on. The sentences for
    /// people (`why`, `reason`, `advice`, `notes`, `steps`) are not part of it.
    pub digest: String,
    /// /etc/machine-id of the host: a plan is for one host.
    pub machine_id: Option<String>,
    /// The policy that the plan comes from.
    pub policy: Policy,
    /// The changes, in order.
    pub changes: Vec<Change>,
    /// The facts that the changes rest on and do not contain.
    pub rests_on: Vec<Fact>,
    /// Why nothing is changed, if so; all reasons at once.
    pub refusals: Vec<Refusal>,
    /// What a person should know before saying yes.
    pub notes: Vec<String>,
    /// The steps of the changes, in words; a crash may come after each.
    pub steps: Vec<String>,
}

/// Why a saved plan is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPlan {
    /// No JSON, or of another form.
    #[error("not an oomguard plan ({0}); make one with `oomguard plan -o FILE`")]
    Unreadable(String),
    /// Another version of the form.
    #[error(
        "the plan's schema is {0}, and this version reads {SCHEMA}; make the plan again with this version"
    )]
    Schema(String),
    /// Somebody changed it.
    #[error("the plan was edited: its digest does not match; make the plan again")]
    Digest,
}

impl Plan {
    /// Plans the changes for a host. The same facts and policy give the same plan, to the digest.
    #[must_use]
    pub fn make(policy: &Policy, facts: &Facts) -> Self {
        Self::of(&Decisions::of(policy, facts))
    }

    /// The same, of decisions that were made already.
    #[must_use]
    pub fn of(decisions: &Decisions<'_>) -> Self {
        let mut maker = Maker { decisions, changes: Vec::new(), refusals: Vec::new(), notes: Vec::new() };
        maker.swap();
        maker.refusals.extend(agent::refusal(&decisions.agent));
        maker.agent_stops();
        maker.files();
        maker.retire();
        maker.live_sysctl();
        maker.reloads();
        maker.scores();
        maker.agent_starts();
        Self::from_parts(decisions.policy, decisions.facts, maker.changes, maker.refusals, maker.notes)
    }

    /// A plan of given changes.
    #[must_use]
    pub(crate) fn from_parts(
        policy: &Policy,
        facts: &Facts,
        changes: Vec<Change>,
        refusals: Vec<Refusal>,
        notes: Vec<String>,
    ) -> Self {
        let mut plan = Self {
            schema: SCHEMA.to_owned(),
            digest: String::new(),
            machine_id: facts.machine_id.clone(),
            policy: policy.clone(),
            steps: step::names(&changes),
            rests_on: basis::of(&changes, facts),
            changes,
            refusals,
            notes,
        };
        plan.digest = plan.digest_of_data();
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
            None => return Err(BadPlan::Unreadable("no `schema`".to_owned())),
        }
        let mut plan: Self = serde_json::from_value(value).map_err(|e| BadPlan::Unreadable(e.to_string()))?;
        if plan.digest != plan.digest_of_data() {
            return Err(BadPlan::Digest);
        }
        // Another version may have other words for the same steps.
        plan.steps = step::names(&plan.changes);
        Ok(plan)
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

    fn digest_of_data(&self) -> String {
        let data = Data {
            schema: &self.schema,
            machine_id: self.machine_id.as_deref(),
            policy: &self.policy,
            changes: self.changes.iter().map(Change::without_prose).collect(),
            rests_on: &self.rests_on,
            refusals: self.refusals.iter().map(|refusal| refusal.id.as_str()).collect(),
        };
        sha256(serde_json::to_string(&data).unwrap_or_default().as_bytes())
    }
}

/// What a digest covers: a plan without its sentences.
#[derive(Serialize)]
struct Data<'a> {
    schema: &'a str,
    machine_id: Option<&'a str>,
    policy: &'a Policy,
    changes: Vec<Change>,
    rests_on: &'a [Fact],
    refusals: Vec<&'a str>,
}

struct Maker<'a> {
    decisions: &'a Decisions<'a>,
    changes: Vec<Change>,
    refusals: Vec<Refusal>,
    notes: Vec<String>,
}

impl Maker<'_> {
    /// Swap that comes, and fstab once it is proven. Swap that goes follows later.
    fn swap(&mut self) {
        let (policy, facts) = (self.decisions.policy, self.decisions.facts);
        let (Some(policy), Some(decision)) = (&policy.swap, &self.decisions.swap) else { return };
        self.refusals.extend(decision.refusals.iter().cloned());
        if let Some(why) = &decision.disk_bound {
            self.notes.push(why.clone());
        }
        if facts.container.is_some() {
            return;
        }
        for path in &decision.switch_on {
            let own = decision.keep.as_ref() == Some(path);
            let priority = if own { policy.priority } else { fstab_priority(facts, path) };
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
        match &self.decisions.fstab {
            Ok(None) => {}
            Ok(Some(edit)) => self.changes.push(Change::FileWrite {
                path: layout::FSTAB.to_owned(),
                before: facts.swap.fstab.clone(),
                after: Blob(edit.after.clone()),
                why: "switch the swap on at boot".to_owned(),
            }),
            Err(e) => self.refusals.push(Refusal::new(
                "fstab-path",
                format!("a path cannot be written to /etc/fstab: {e}"),
                "name another `file` in the policy's `swap`",
            )),
        }
    }

    /// Before its unit and policy go.
    fn agent_stops(&mut self) {
        if self.decisions.agent.is_unwanted {
            let agent = &self.decisions.facts.agent;
            if agent.running.is_some() {
                self.changes.push(Change::AgentStop);
            }
            if let Some(target) = agent.link.clone() {
                self.changes.push(Change::LinkRemove { path: layout::AGENT_WANTS.to_owned(), target });
            }
        }
    }

    /// Last: everything that it reads is then in place.
    fn agent_starts(&mut self) {
        if self.decisions.agent.must_start {
            self.changes.push(Change::AgentStart);
        }
    }

    /// The agent's program comes before the unit that names it, and the link to the unit after it.
    fn files(&mut self) {
        if let Some(Program { path, missing: Some(content) }) = self.decisions.agent.program.cloned() {
            let Content { sha256, length } = content;
            self.changes.push(Change::ProgramInstall { path, sha256, length });
        }
        self.managed_files();
        if self.decisions.agent.must_enable {
            self.changes.push(Change::LinkPut {
                path: layout::AGENT_WANTS.to_owned(),
                target: agent::LINK_TARGET.to_owned(),
                why: "the agent starts at boot".to_owned(),
            });
        }
    }

    fn managed_files(&mut self) {
        let there = &self.decisions.facts.units.managed_files;
        for file in &self.decisions.files.write {
            self.changes.push(Change::FileWrite {
                path: file.path.clone(),
                before: there.get(&file.path).cloned(),
                after: Blob(file.text.clone().into_bytes()),
                why: file.why.clone(),
            });
        }
        for path in &self.decisions.files.remove {
            if let Some(before) = there.get(path).cloned() {
                let why = "the policy no longer asks for it".to_owned();
                self.changes.push(Change::FileRemove { path: path.clone(), before, why });
            }
        }
    }

    fn retire(&mut self) {
        for path in self.decisions.swap.iter().flat_map(|decision| &decision.retire) {
            self.changes.push(Change::SwapRetire { path: path.clone() });
        }
    }

    fn live_sysctl(&mut self) {
        if let Some(SwappinessDecision { from, to }) = self.decisions.swappiness {
            let key = sysctl::KEY.to_owned();
            self.changes.push(Change::Sysctl { key, from: from.to_string(), to: to.to_string() });
        }
    }

    /// One reload for all files, and only when a file that systemd reads has changed.
    fn reloads(&mut self) {
        let (system, user) = reloads_for(&self.changes);
        if system {
            self.changes.push(Change::ReloadSystem);
        }
        if user {
            self.changes.extend(user_managers(self.decisions.facts).map(reload_user_manager));
        }
    }

    /// Leaks first: between two writes there is never more protection than before.
    fn scores(&mut self) {
        let (mut raised, mut lowered) = (Vec::new(), Vec::new());
        let mut protects_multiplexer = false;
        for decision in self.decisions.scores.iter().filter(|decision| decision.target.fixable) {
            let lowers = decision.to < decision.process.score;
            protects_multiplexer |=
                decision.to < 0 && decision.process.keeper == Some(KeeperKind::Multiplexer);
            if lowers { &mut lowered } else { &mut raised }.push(score(decision));
        }
        if protects_multiplexer && self.decisions.agent.program.is_none() {
            self.notes.push(
                "a pane that is opened later in a protected tmux, screen or zellij inherits its score; \
                 `check` finds it, and `apply` resets it"
                    .to_owned(),
            );
        }
        self.changes.extend(raised.into_iter().chain(lowered));
    }
}

fn fstab_priority(facts: &Facts, path: &str) -> Option<i16> {
    let blob = facts.swap.fstab.as_ref()?;
    let line = facts.swap.fstab_swaps.iter().find(|entry| entry.path == path)?.line;
    let fstab = oomguard_host::fstab::Fstab::parse(&blob.0);
    let entry = fstab.swap_entries().find(|entry| entry.line == line)?;
    entry.priority().and_then(|priority| i16::try_from(priority).ok())
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

fn score(decision: &ScoreDecision<'_>) -> Change {
    let process = decision.process;
    Change::Score {
        pid: process.pid,
        start_time: process.start_time,
        comm: process.comm.clone(),
        from: process.score,
        to: decision.to,
        why: decision.target.source.clone(),
    }
}
