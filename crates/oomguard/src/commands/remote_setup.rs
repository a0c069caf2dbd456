//! The part of a setup that runs on the host: see `oomguard_fleet::setup`.

use oomguard_converge::apply::{ApplyError, Session};
use oomguard_converge::history::{self, State};
use oomguard_converge::{Facts, Plan, rank, refusals};
use oomguard_fleet::installed_command;
use oomguard_fleet::job::Job;
use oomguard_fleet::lines::Line;
use oomguard_fleet::server::Server;
use oomguard_fleet::setup::{self, Looked, Phase, Said, Step};
use oomguard_host::Host;
use oomguard_report::PlanReport;

use super::remote::{self, Lines, NotDone};
use crate::output::{Terminal, check, plan};

const VERSION: &str = env!("CARGO_PKG_VERSION");

pub fn run(phase: Phase, job: &Job, host: &Host, out: &mut Lines) -> Result<(), NotDone> {
    match phase {
        Phase::DryRun | Phase::Preflight => look(phase, job, host, out),
        Phase::Change => change(job, super::live(host)?, out),
        Phase::Verify => {
            let facts = Facts::read(host, &job.policy.policy)?;
            out.facts(host, job, &facts);
            last_steps(job, host, &facts, None, out)
        }
    }
}

fn look(phase: Phase, job: &Job, host: &Host, out: &mut Lines) -> Result<(), NotDone> {
    let facts = Facts::read(host, &job.policy.policy)?;
    let plan = Plan::make(&job.policy.policy, &facts);
    out.facts(host, job, &facts);
    let server = Server::read(host, &facts)?;
    let against = refusals(host, &plan);
    let open = history::list(host).unwrap_or_default().into_iter().find(|entry| entry.state == State::Open);
    let unfinished = open.map(|entry| entry.record.id);
    let looked = Looked {
        server: &server,
        plan: &plan,
        refusals: &against,
        unfinished: unfinished.as_deref(),
        version: VERSION,
    };
    for said in looked.steps(&plan::line) {
        out.line(&Line::Setup { said });
    }
    let (all, changes) = (looked.all_refusals(), looked.changes());
    if all.is_empty() && (phase == Phase::DryRun || !looked.must_change()) {
        let would = looked.must_change().then_some("would check that it is so; now `oomguard check` says:");
        last_steps(job, host, &facts, would, out)?;
    } else {
        out.report(remote::report(job, host, &facts, all.clone()));
    }
    out.line(&Line::Plan(Box::new(PlanReport { plan, changes, refusals: all, unfinished })));
    Ok(())
}

fn change(job: &Job, host: &Host, out: &mut Lines) -> Result<(), NotDone> {
    let session = Session::open(host, &job.policy.policy, VERSION)?;
    remote::expected(job, &session)?;
    let server = Server::read(host, session.facts())?;
    let against = session.refusals();
    let looked = Looked {
        server: &server,
        plan: session.plan(),
        refusals: &against,
        unfinished: None,
        version: VERSION,
    };
    let all = looked.all_refusals();
    if !all.is_empty() {
        return Err(NotDone::Refused(ApplyError::Refused(all)));
    }
    let changed = installed_command::install(&session)?;
    out.line(&Line::Setup { said: setup::installed(VERSION, changed) });
    out.part_of = setup::belongs_to(&session.plan().changes);
    remote::apply(job, host, session.asked_by(remote::who(job)), out)
}

/// Whether it is so, and the swap that there is.
fn last_steps(
    job: &Job,
    host: &Host,
    facts: &Facts,
    before: Option<&str>,
    out: &mut Lines,
) -> Result<(), NotDone> {
    let mut report = remote::report(job, host, facts, Vec::new());
    report.dies_first = rank::first(host, facts)?;
    let plain = Terminal::capturing();
    let table = if report.fine {
        check::table(&report, facts, "", &plain)
    } else {
        // What to type next is nothing to be typed on the server.
        let open = report.findings.iter().filter(|finding| finding.severity.differs());
        let (mended, left): (Vec<_>, Vec<_>) = open.partition(|finding| finding.mend.is_some());
        let counts = format!("{} would be mended, {} need a person.\n", mended.len(), left.len());
        check::found(&report, facts, &plain) + &counts
    };
    let mut lines: Vec<String> = before.map(str::to_owned).into_iter().collect();
    lines.extend(table.lines().map(str::to_owned));
    out.line(&Line::Setup { said: Said::new(Step::Verify, lines) });
    let swap = super::apply::swap_status(host, &plain);
    let lines = swap.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
    out.line(&Line::Setup { said: Said::new(Step::Status, lines) });
    out.report(report);
    Ok(())
}
