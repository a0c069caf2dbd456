//! The part of a setup that runs on the host: see [`setup`](crate::setup).

use oomguard_converge::apply::ApplyError;
use oomguard_converge::{Facts, Plan, rank, refusals};
use oomguard_report::{PlanReport, Report};

use super::JobError;
use super::worker::Worker;
use crate::installed_command;
use crate::lines::Line;
use crate::server::Server;
use crate::setup::{self, Looked, Phase, Said, Step};

pub(super) fn run(phase: Phase, worker: &mut Worker<'_>) -> Result<(), JobError> {
    match phase {
        Phase::DryRun | Phase::Preflight => preflight(phase, worker),
        Phase::Change => change(worker),
        Phase::Verify => {
            let facts = worker.read_facts()?;
            last_steps(&facts, None, worker)
        }
    }
}

fn preflight(phase: Phase, worker: &mut Worker<'_>) -> Result<(), JobError> {
    let facts = worker.read_facts()?;
    let plan = Plan::make(&worker.job.policy.policy, &facts);
    let server = Server::read(worker.host, &facts)?;
    let against = refusals(worker.host, &plan);
    let unfinished = worker.unfinished();
    let looked = Looked {
        server: &server,
        plan: &plan,
        refusals: &against,
        unfinished: unfinished.as_deref(),
        version: worker.program.version(),
    };
    for said in looked.steps(&|change| worker.program.change_line(change)) {
        worker.answer.line(&Line::Setup { said });
    }
    let (all, changes) = (looked.all_refusals(), looked.changes());
    if all.is_empty() && (phase == Phase::DryRun || !looked.must_change()) {
        let would = looked.must_change().then_some("would check the host; `oomguard check` says now:");
        last_steps(&facts, would, worker)?;
    } else {
        let report = worker.check_report(&facts, all.clone());
        worker.report(Report::Check(report));
    }
    worker.answer.line(&Line::Plan(Box::new(PlanReport { plan, changes, refusals: all, unfinished })));
    Ok(())
}

fn change(worker: &mut Worker<'_>) -> Result<(), JobError> {
    let version = worker.program.version();
    let session = worker.open_session()?;
    let server = Server::read(worker.host, session.facts())?;
    let against = session.refusals();
    let looked =
        Looked { server: &server, plan: session.plan(), refusals: &against, unfinished: None, version };
    let all = looked.all_refusals();
    if !all.is_empty() {
        return Err(ApplyError::Refused(all).into());
    }
    let changed = installed_command::install(&session)?;
    worker.answer.line(&Line::Setup { said: setup::installed(version, changed) });
    worker.answer.part_of = setup::belongs_to(&session.plan().changes);
    worker.apply(session)
}

/// Checks the host and shows its swap.
fn last_steps(facts: &Facts, before: Option<&str>, worker: &mut Worker<'_>) -> Result<(), JobError> {
    let mut report = worker.check_report(facts, Vec::new());
    report.dies_first = rank::first(worker.host, facts)?;
    let mut lines: Vec<String> = before.map(str::to_owned).into_iter().collect();
    lines.extend(worker.program.check_lines(&report, facts));
    worker.answer.line(&Line::Setup { said: Said::new(Step::Verify, lines) });
    let lines = worker.program.swap_lines();
    worker.answer.line(&Line::Setup { said: Said::new(Step::Status, lines) });
    worker.report(Report::Check(report));
    Ok(())
}
