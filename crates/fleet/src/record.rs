//! A run on other hosts, out of its folder.

use oomguard_converge::change::Change;

use oomguard_report::NamedPolicy;
use oomguard_report::record::{State, Work};

use crate::failure::Kind;
use crate::job::Task;
use crate::outcome::{Outcome, State as Came};
use crate::run::StoredRun;
use crate::status::HostStatus;

/// What came of each host of a run, in its order.
#[must_use]
pub fn of_run(kept: &StoredRun) -> Vec<Work> {
    let outcomes = kept.outcomes().into_iter().zip(&kept.run.hosts);
    outcomes
        .map(|(outcome, member)| of(kept, outcome, kept.run.policies.get(&member.policy).cloned()))
        .collect()
}

fn of(kept: &StoredRun, outcome: Outcome, policy: Option<NamedPolicy>) -> Work {
    let state = state(&kept.run.task, &outcome);
    let answered = outcome.seen.is_some();
    let status = kept.status(&outcome.target).filter(|_| answered);
    let changes: Vec<Change> = kept.plan(&outcome.target).map(|plan| plan.changes).unwrap_or_default();
    let reported = kept.report(&outcome.target).is_some() && answered;
    let is_look = matches!(kept.run.task, Task::Check | Task::Plan | Task::Apply | Task::Setup { .. });
    let refusals = outcome.failure.as_ref().map_or(&outcome.refusals, |failure| &failure.refusals).clone();
    let (ids, findings) = (outcome.ids.clone(), outcome.findings.clone());
    let standing =
        HostStatus { seen: outcome.seen, run: kept.run.id.clone(), policy: String::new(), status, outcome };
    let mut seen = standing.seen();
    match state {
        State::NotYet if seen.problem.is_none() => seen.status = "not_yet_applied",
        State::Undone => seen.status = "undone",
        _ => {}
    }
    Work {
        seen,
        state,
        policy,
        changes: if state == State::AlreadySo { Vec::new() } else { changes },
        ids,
        checked: (is_look && reported).then_some(findings),
        not_known: Vec::new(),
        refusals,
        run: Some(kept.run.id.clone()),
    }
}

fn state(task: &Task, outcome: &Outcome) -> State {
    let failed = outcome.failure.as_ref().map(|failure| failure.kind);
    match (task, outcome.state, failed) {
        (Task::Rollback { .. }, Came::Fine, _) => State::Undone,
        // It was changed; what is wrong with it is said beside it.
        (_, _, Some(Kind::NotHealthy)) => State::Applied,
        (_, _, Some(Kind::ConnectionLost | Kind::Failed)) if task.changes() => State::Cut,
        (_, Came::Failed | Came::NotReached, _) => State::NotYet,
        _ if !outcome.ids.is_empty() => State::Applied,
        (_, Came::Fine, _) => State::AlreadySo,
        _ => State::NotYet,
    }
}
