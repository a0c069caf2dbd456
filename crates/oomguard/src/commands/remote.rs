//! `oomguard remote`: a job from standard input, and lines of JSON. Another oomguard runs it here over ssh.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::ops::ControlFlow;
use std::path::Path;

use oomguard_converge::apply::{ApplyError, Session, Watcher};
use oomguard_converge::history::{self, State};
use oomguard_converge::rollback::Rollback;
use oomguard_converge::{Facts, Plan, findings, layout, rank, refusals};
use oomguard_fleet::job::{Job, Task};
use oomguard_fleet::lines::{Line, SCHEMA};
use oomguard_fleet::pushed_programs;
use oomguard_fleet::setup::Step;
use oomguard_host::{Host, journald, signals};
use oomguard_report::{CheckReport, PlanReport, Report, StatusReport};

use super::remote_setup;
use crate::args::{Incident, IncidentFormat};
use crate::failure::{Failure, code};
use crate::output::Terminal;

/// A job is a policy and a few words.
const LONGEST_JOB: u64 = 4 << 20;

pub fn run(host: &Host) -> Result<u8, Failure> {
    // A change that has begun goes to its end when the connection does not.
    signals::ignore_sighup().map_err(|e| Failure::error(format!("cannot outlive a hangup: {e}")))?;
    let mut bytes = Vec::new();
    io::stdin().lock().take(LONGEST_JOB).read_to_end(&mut bytes)?;
    let job = Job::from_line(&bytes).map_err(Failure::usage)?;
    let mut out = Lines { gone: false, part_of: Vec::new(), done: Vec::new() };
    let version = env!("CARGO_PKG_VERSION").to_owned();
    out.line(&Line::Header { schema: SCHEMA.to_owned(), version, host: super::host_name(host) });
    note(&job, host, "begins");
    match work(&job, host, &mut out) {
        Ok(()) if out.done.is_empty() => note(&job, host, "is done, with nothing left to change"),
        Ok(()) => note(&job, host, &format!("is done ({})", out.done.join(", "))),
        Err(failure) => {
            let line = failed(failure);
            if let Line::Failed { message, .. } = &line {
                note(&job, host, &format!("failed ({})", oomguard_text::shown(message, 300)));
            }
            out.line(&line);
        }
    }
    out.line(&Line::End);
    remove_old_copies();
    Ok(code::AS_IT_SHOULD_BE)
}

/// A change that another asked for is in systemd's journal, too.
fn note(job: &Job, host: &Host, what: &str) {
    if let Some(by) = who(job)
        && job.task.changes()
    {
        journald::note(host, "oomguard", &format!("{} {what}; asked for by {by}", job.task.name()));
    }
}

/// Who asked for a change, fit to be kept.
pub fn who(job: &Job) -> Option<String> {
    job.by.as_ref().map(|by| oomguard_text::shown(by, 300))
}

/// Those beside this program, where it is an ordinary user's own. Root's folder is tidied by an apply.
fn remove_old_copies() {
    let Ok(own) = std::env::current_exe() else { return };
    let parts = (own.parent().and_then(Path::to_str), own.file_name().and_then(OsStr::to_str));
    let (Some(dir), Some(name)) = parts else { return };
    if dir.ends_with("/oomguard") && dir != layout::AGENT_PROGRAM_DIR {
        // A program that stays is no harm, and the next contact tries again.
        let _ = pushed_programs::remove_old_copies(&Host::live(), dir, name);
    }
}

/// Why a job was not done.
pub enum NotDone {
    Refused(ApplyError),
    Other(Failure),
}

impl<E: Into<Failure>> From<E> for NotDone {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

fn failed(why: NotDone) -> Line {
    match why {
        NotDone::Refused(ApplyError::Refused(refusals)) => {
            Line::Failed { message: "nothing was changed".to_owned(), refusals }
        }
        NotDone::Refused(error) => Line::Failed { message: error.to_string(), refusals: Vec::new() },
        NotDone::Other(Failure::Document(message)) => Line::Failed { message, refusals: Vec::new() },
        NotDone::Other(Failure::Message { what, .. }) => Line::Failed { message: what, refusals: Vec::new() },
    }
}

fn work(job: &Job, host: &Host, out: &mut Lines) -> Result<(), NotDone> {
    match &job.task {
        Task::Check | Task::Status | Task::Plan => look(job, host, out),
        Task::Apply => {
            let host = super::live(host)?;
            let session = Session::open(host, &job.policy.policy, env!("CARGO_PKG_VERSION"))?;
            expected(job, &session)?;
            let session = session.asked_by(who(job));
            apply(job, host, session, out)
        }
        Task::Setup { phase } => remote_setup::run(*phase, job, host, out),
        Task::Rollback { to } => rollback(to.as_deref(), job, super::live(host)?, out),
        Task::Undo { to } => undo(to.as_deref(), super::live(host)?, out),
        Task::Rank { add, as_policy } => {
            let report = super::rank::report(add, &job.policy, *as_policy, host)?;
            out.line(&Line::Report { report: Report::Rank(report) });
            Ok(())
        }
        Task::Incident { since, boot } => {
            let args = Incident {
                file: None,
                since: since.clone(),
                boot: *boot,
                recorder: None,
                format: IncidentFormat::Json,
                fleet: Default::default(),
            };
            let mut captured = Terminal::capturing();
            super::incident::run(&args, host, &mut captured)?;
            let report = serde_json::from_str(&captured.captured()).map_err(Failure::error)?;
            out.line(&Line::Report { report: Report::Incident(report) });
            Ok(())
        }
    }
}

fn look(job: &Job, host: &Host, out: &mut Lines) -> Result<(), NotDone> {
    let policy = &job.policy.policy;
    let facts = Facts::read(host, policy)?;
    let plan = Plan::make(policy, &facts);
    out.facts(host, job, &facts);
    let mut report = report(job, host, &facts, plan.refusals.clone());
    report.dies_first = rank::first(host, &facts)?;
    out.report(report);
    if job.task == Task::Plan {
        let open =
            history::list(host).unwrap_or_default().into_iter().find(|entry| entry.state == State::Open);
        out.line(&Line::Plan(Box::new(PlanReport {
            changes: plan.changes.len(),
            refusals: refusals(host, &plan),
            unfinished: open.map(|entry| entry.record.id),
            plan,
        })));
    }
    Ok(())
}

/// Applies, and says how the host is then.
pub fn apply(job: &Job, host: &Host, session: Session<'_>, out: &mut Lines) -> Result<(), NotDone> {
    if let Some(id) = session.unfinished() {
        out.line(&Line::Recovered { id: id.to_owned() });
    }
    let outcome = session.apply(out).map_err(NotDone::Refused)?;
    out.facts(host, job, &outcome.facts);
    let mut report = report(job, host, &outcome.facts, Vec::new());
    report.findings = outcome.left;
    out.report(report);
    out.line(&Line::Done { ids: outcome.id.into_iter().collect() });
    // A program that stays is no harm, and the next apply tries again.
    let _ = pushed_programs::remove_unused(host);
    Ok(())
}

/// Nothing is done but what was agreed to.
pub fn expected(job: &Job, session: &Session<'_>) -> Result<(), NotDone> {
    job.expect.as_deref().map_or(Ok(()), |digest| session.expect_digest(digest)).map_err(NotDone::Refused)
}

/// What a rollback would undo; the digest of the plan is the one of the rollback.
fn undo(to: Option<&str>, host: &Host, out: &mut Lines) -> Result<(), NotDone> {
    let undoing = Rollback::open(host, to)?;
    let ids = undoing.ids().map(str::to_owned).collect();
    if let Some(mut plan) = undoing.plan()? {
        plan.digest = undoing.digest()?;
        let (changes, refusals) = (plan.changes.len(), plan.refusals.clone());
        out.line(&Line::Plan(Box::new(PlanReport { plan, changes, refusals, unfinished: None })));
    }
    out.line(&Line::Done { ids });
    Ok(())
}

fn rollback(to: Option<&str>, job: &Job, host: &Host, out: &mut Lines) -> Result<(), NotDone> {
    let undoing = Rollback::open(host, to)?;
    if let Some(expected) = &job.expect
        && *expected != undoing.digest()?
    {
        return Err(NotDone::Refused(ApplyError::HostChanged { differences: Vec::new() }));
    }
    let ids = undoing.asked_by(who(job)).run(out).map_err(NotDone::Refused)?;
    out.line(&Line::Done { ids });
    Ok(())
}

pub fn report(
    job: &Job,
    host: &Host,
    facts: &Facts,
    refusals: Vec<oomguard_converge::Refusal>,
) -> CheckReport {
    let found = findings(&job.policy.policy, facts);
    CheckReport::new(super::host_name(host), &job.policy.name, found, refusals, facts)
}

/// Standard output. When nobody reads any more, the work goes on.
pub struct Lines {
    gone: bool,
    /// For each step of an apply, the step of the setup that it is part of; empty when it is none.
    pub part_of: Vec<Step>,
    /// The journal's names of what was done or undone.
    done: Vec<String>,
}

impl Lines {
    pub fn line(&mut self, line: &Line) {
        if let Line::Done { ids } = line {
            self.done.clone_from(ids);
        }
        if !self.gone {
            let mut out = io::stdout().lock();
            self.gone = out.write_all(line.to_line().as_bytes()).and_then(|()| out.flush()).is_err();
        }
    }

    pub fn facts(&mut self, host: &Host, job: &Job, facts: &Facts) {
        let status = StatusReport::new(super::host_name(host), &job.policy.policy, facts);
        self.line(&Line::Status { status });
    }

    pub fn report(&mut self, report: CheckReport) {
        self.line(&Line::Report { report: Report::Check(report) });
    }
}

impl Watcher for Lines {
    fn begins(&mut self, number: usize, total: usize, step: &str) {
        let part_of = number.checked_sub(1).and_then(|at| self.part_of.get(at).copied());
        self.line(&Line::Step { number, total, step: step.to_owned(), part_of });
    }

    fn progress(&mut self, _: u64) {}

    fn done(&mut self, _: usize, _: usize, _: &str) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}
