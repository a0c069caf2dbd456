//! The tasks of a job, other than a setup.

use oomguard_converge::apply::ApplyError;
use oomguard_converge::rank::{self, Load};
use oomguard_converge::rollback::Rollback;
use oomguard_converge::{Plan, refusals};
use oomguard_report::{PlanReport, RankReport, Report};

use super::worker::Worker;
use super::{JobError, setup};
use crate::job::Task;
use crate::lines::Line;

pub(super) fn run(worker: &mut Worker<'_>) -> Result<(), JobError> {
    match &worker.job.task {
        Task::Check | Task::Status | Task::Plan => check(worker),
        Task::Apply => {
            let session = worker.open_session()?;
            worker.apply(session)
        }
        Task::Setup { phase } => setup::run(*phase, worker),
        Task::Rollback { to } => rollback(to.as_deref(), worker),
        Task::Undo { to } => undo(to.as_deref(), worker),
        Task::Rank { add, as_policy } => rank(add, *as_policy, worker),
        Task::Incident { since, boot } => {
            let report = worker.program.incidents(since.as_deref(), *boot)?;
            worker.report(Report::Incident(report));
            Ok(())
        }
    }
}

fn check(worker: &mut Worker<'_>) -> Result<(), JobError> {
    let facts = worker.read_facts()?;
    let plan = Plan::make(&worker.job.policy.policy, &facts);
    let mut report = worker.check_report(&facts, plan.refusals.clone());
    report.dies_first = rank::first(worker.host, &facts)?;
    worker.report(Report::Check(report));
    if worker.job.task == Task::Plan {
        worker.answer.line(&Line::Plan(Box::new(PlanReport {
            changes: plan.changes.len(),
            refusals: refusals(worker.host, &plan),
            unfinished: worker.unfinished(),
            plan,
        })));
    }
    Ok(())
}

/// Says what a rollback would undo; the digest of the plan is the one of the rollback.
fn undo(to: Option<&str>, worker: &mut Worker<'_>) -> Result<(), JobError> {
    let undoing = Rollback::open(worker.live_host()?, to)?;
    let ids = undoing.ids().map(str::to_owned).collect();
    if let Some(mut plan) = undoing.plan()? {
        plan.digest = undoing.digest()?;
        let (changes, refusals) = (plan.changes.len(), plan.refusals.clone());
        worker.answer.line(&Line::Plan(Box::new(PlanReport { plan, changes, refusals, unfinished: None })));
    }
    worker.answer.line(&Line::Done { ids });
    Ok(())
}

fn rollback(to: Option<&str>, worker: &mut Worker<'_>) -> Result<(), JobError> {
    let undoing = Rollback::open(worker.live_host()?, to)?;
    if let Some(expected) = &worker.job.expect
        && *expected != undoing.digest()?
    {
        return Err(ApplyError::HostChanged { differences: Vec::new() }.into());
    }
    let ids = undoing.asked_by(worker.requester()).run(&mut worker.answer)?;
    worker.answer.line(&Line::Done { ids });
    Ok(())
}

fn rank(add: &[String], as_policy: bool, worker: &mut Worker<'_>) -> Result<(), JobError> {
    let loads: Vec<Load> = add.iter().map(|load| load.parse()).collect::<Result<_, _>>()?;
    let report = RankReport::read(worker.host, &worker.job.policy, as_policy, &loads)?;
    worker.report(Report::Rank(report));
    Ok(())
}
