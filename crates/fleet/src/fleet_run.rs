//! A run from its hosts to a verdict: which hosts, the question before a change, and the results.

use std::collections::BTreeMap;
use std::path::Path;

use oomguard_report::NamedPolicy;

use crate::host_name::{BadHostName, with_port};
use crate::inventory::{self, Form, InventoryError, Target};
use crate::job::Task;
use crate::limit::{Limit, LimitError};
use crate::outcome::{Outcome, State};
use crate::rollout::{Rollout, RolloutError, Watcher};
use crate::run::{Member, Run, RunError, Runs, SCHEMA, StoredRun};
use crate::setup::Phase;
use crate::wave::Waves;

/// What is to be done on which hosts.
#[derive(Clone, Debug)]
pub struct Order {
    /// What is done on each.
    pub task: Task,
    /// The hosts.
    pub targets: Vec<Target>,
    /// The role of every host; without it, the inventory names one for each host.
    pub role: Option<String>,
    /// The waves of a change.
    pub waves: Waves,
    /// After more failed hosts than this, no further ones are changed.
    pub max_failures: usize,
    /// Whether an ordinary user becomes root even to read.
    pub root: bool,
}

/// Why there are no hosts.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The inventory cannot be read.
    #[error("cannot read {path}: {source}")]
    File {
        /// The inventory.
        path: String,
        /// The reason.
        source: std::io::Error,
    },
    /// The inventory is not valid.
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    /// A host name is not valid.
    #[error("--host: {0}")]
    Name(#[from] BadHostName),
    /// The limit is not valid, or leaves no host.
    #[error(transparent)]
    Limit(#[from] LimitError),
}

/// The hosts of an inventory and those that are named, restricted to `limit`.
///
/// # Errors
/// When one of the three is not valid.
pub fn targets(
    path: Option<&Path>,
    names: &[String],
    limit: Option<&str>,
) -> Result<Vec<Target>, TargetError> {
    let mut targets = path.map(read_inventory).transpose()?.unwrap_or_default();
    for text in names {
        let (name, port) = with_port(text)?;
        if !targets.iter().any(|target| target.name == name) {
            targets.push(Target::new(name, port));
        }
    }
    match limit {
        Some(limit) => Ok(Limit::parse(limit).choose(targets)?),
        None => Ok(targets),
    }
}

fn read_inventory(path: &Path) -> Result<Vec<Target>, TargetError> {
    let name = path.display().to_string();
    let failed = |source| TargetError::File { path: name.clone(), source };
    let bytes = std::fs::read(path).map_err(failed)?;
    Ok(inventory::read(&name, &bytes, Form::guess(&name, &bytes))?)
}

/// Stores a new run. `policy` gives the policy of a role, or the default one; it is asked once for each.
///
/// # Errors
/// Those of `policy`, and when the run cannot be stored.
pub fn begin<E: From<RunError>>(
    runs: &Runs,
    order: Order,
    now: u64,
    mut policy: impl FnMut(Option<String>) -> Result<NamedPolicy, E>,
) -> Result<StoredRun, E> {
    let mut policies = BTreeMap::new();
    let mut hosts = Vec::new();
    for target in order.targets {
        let role = order.role.clone().or_else(|| target.role.clone());
        let key = role.clone().unwrap_or_else(|| "default".to_owned());
        if !policies.contains_key(&key) {
            policies.insert(key.clone(), policy(role)?);
        }
        hosts.push(Member { target, policy: key });
    }
    let run = Run {
        schema: SCHEMA.to_owned(),
        id: String::new(),
        // Whether a host can be changed must be known before the first one is changed.
        root: order.root || order.task.changes(),
        task: order.task,
        started: 0,
        waves: order.waves.to_string(),
        max_failures: order.max_failures,
        hosts,
        policies,
    };
    Ok(runs.begin(run, now)?)
}

/// A change that a person is asked about.
#[derive(Clone, Debug)]
pub enum Proposal {
    /// Apply the plans of some hosts.
    Change {
        /// The number of changes on all of them.
        changes: usize,
        /// How many hosts are changed.
        hosts: usize,
        /// In which waves.
        waves: Waves,
        /// How many hosts need no change.
        unchanged: usize,
        /// The hosts that are left out, because their preflight failed.
        failed: Vec<Outcome>,
    },
    /// Roll back applies.
    Rollback {
        /// On how many hosts.
        hosts: usize,
        /// From the newest down to this one; without it, the newest.
        to: Option<String>,
    },
}

/// Carries a run out on some of its hosts; false if `confirm` said no to the change.
///
/// # Errors
/// Those of `confirm`, and when results cannot be stored.
pub fn carry_out<E: From<RolloutError>>(
    rollout: &Rollout,
    run: &StoredRun,
    members: &[Member],
    watcher: &mut dyn Watcher,
    confirm: &mut dyn FnMut(&Proposal) -> Result<bool, E>,
) -> Result<bool, E> {
    match &run.run.task {
        Task::Apply | Task::Setup { phase: Phase::Change } => change(rollout, run, members, watcher, confirm),
        Task::Rollback { to } => {
            if !confirm(&Proposal::Rollback { hosts: members.len(), to: to.clone() })? {
                return Ok(false);
            }
            rollout.change(run, members, &run.waves()?, watcher)?;
            Ok(true)
        }
        _ => {
            rollout.look(run, members, watcher)?;
            Ok(true)
        }
    }
}

fn change<E: From<RolloutError>>(
    rollout: &Rollout,
    run: &StoredRun,
    members: &[Member],
    watcher: &mut dyn Watcher,
    confirm: &mut dyn FnMut(&Proposal) -> Result<bool, E>,
) -> Result<bool, E> {
    let waves = run.waves()?;
    let before = rollout.preflight(run, members, watcher)?;
    let changes = before.iter().map(|outcome| outcome.changes).sum();
    let must_change = |outcome: &Outcome| outcome.failure.is_none() && outcome.must_change();
    let pairs = members.iter().zip(&before).filter(|(_, outcome)| must_change(outcome));
    let todo: Vec<Member> = pairs.map(|(member, _)| member.clone()).collect();
    let failed: Vec<Outcome> = before.into_iter().filter(|outcome| outcome.failure.is_some()).collect();
    let proposal = Proposal::Change {
        changes,
        hosts: todo.len(),
        waves: waves.clone(),
        unchanged: members.len() - todo.len() - failed.len(),
        failed,
    };
    let confirmed = todo.is_empty() || confirm(&proposal)?;
    if confirmed {
        rollout.change(run, &todo, &waves, watcher)?;
    }
    rollout.end(members)?;
    Ok(confirmed)
}

/// What a run came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every host did what it was asked, and matches its policy.
    Fine,
    /// Some hosts differ from their policies.
    Differs,
    /// Some hosts failed or were not reached.
    Failed,
}

impl Verdict {
    /// The verdict on the results of a task.
    #[must_use]
    pub fn of(task: &Task, outcomes: &[Outcome]) -> Self {
        let any = |states: &[State]| outcomes.iter().any(|outcome| states.contains(&outcome.state));
        if any(&[State::Failed, State::NotReached]) {
            Self::Failed
        } else if any(&[State::Differs]) && !matches!(task, Task::Status) {
            Self::Differs
        } else {
            Self::Fine
        }
    }
}
