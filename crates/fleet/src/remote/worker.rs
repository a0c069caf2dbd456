//! One job in hand: its host, its answer, and what several tasks need.

use std::io::Write;
use std::ops::ControlFlow;

use oomguard_converge::apply::{ApplyError, Session, Watcher};
use oomguard_converge::history::{self, State};
use oomguard_converge::{Facts, Refusal, findings};
use oomguard_host::{Host, journald};
use oomguard_report::{CheckReport, Report, StatusReport, host_name};

use super::{JobError, Program};
use crate::job::Job;
use crate::lines::{Line, SCHEMA};
use crate::pushed_programs;
use crate::setup::Step;

/// The name of a requester is no longer than this, in characters.
const MAX_REQUESTER: usize = 300;

/// One job in hand.
pub(super) struct Worker<'a> {
    pub job: &'a Job,
    pub host: &'a Host,
    pub program: &'a dyn Program,
    pub answer: Answer<'a>,
}

impl<'a> Worker<'a> {
    pub(super) fn header(&mut self) {
        let version = self.program.version().to_owned();
        self.answer.line(&Line::Header { schema: SCHEMA.to_owned(), version, host: host_name(self.host) });
    }

    /// Writes the end of the answer.
    pub(super) fn finish(mut self, result: Result<(), JobError>) {
        match result {
            Ok(()) if self.answer.done.is_empty() => self.note("finished: nothing to change"),
            Ok(()) => self.note(&format!("finished ({})", self.answer.done.join(", "))),
            Err(error) => {
                let (message, refusals) = match error {
                    JobError::Apply(ApplyError::Refused(refusals)) => {
                        ("nothing was changed".to_owned(), refusals)
                    }
                    error => (error.to_string(), Vec::new()),
                };
                self.note(&format!("failed ({})", oomguard_text::shown(&message, 300)));
                self.answer.line(&Line::Failed { message, refusals });
            }
        }
        self.answer.line(&Line::End);
    }

    /// Logs a change that somebody else asked for to the systemd journal.
    pub(super) fn note(&self, what: &str) {
        if let Some(by) = self.requester()
            && self.job.task.changes()
        {
            let text = format!("{} {what}; requested by {by}", self.job.task.name());
            journald::note(self.host, "oomguard", &text);
        }
    }

    /// Who asked for a change.
    pub(super) fn requester(&self) -> Option<String> {
        self.job.by.as_ref().map(|by| oomguard_text::shown(by, MAX_REQUESTER))
    }

    /// This host, if it can be changed: a folder has no kernel to prove a change on.
    pub(super) fn live_host(&self) -> Result<&'a Host, JobError> {
        if self.host.is_live() { Ok(self.host) } else { Err(JobError::Folder) }
    }

    /// A session that applies the job's policy, provided that its plan is the one that was agreed to.
    pub(super) fn open_session(&self) -> Result<Session<'a>, JobError> {
        let session = Session::open(self.live_host()?, &self.job.policy.policy, self.program.version())?;
        if let Some(digest) = &self.job.expect {
            session.expect_digest(digest)?;
        }
        Ok(session)
    }

    pub(super) fn read_facts(&mut self) -> Result<Facts, JobError> {
        let facts = Facts::read(self.host, &self.job.policy.policy)?;
        self.status(&facts);
        Ok(facts)
    }

    pub(super) fn status(&mut self, facts: &Facts) {
        let status = StatusReport::new(host_name(self.host), &self.job.policy.policy, facts);
        self.answer.line(&Line::Status { status });
    }

    pub(super) fn check_report(&self, facts: &Facts, refusals: Vec<Refusal>) -> CheckReport {
        let found = findings(&self.job.policy.policy, facts);
        CheckReport::new(host_name(self.host), &self.job.policy.name, found, refusals, facts)
    }

    pub(super) fn report(&mut self, report: Report) {
        self.answer.line(&Line::Report { report });
    }

    /// The interrupted apply that the next one finishes.
    pub(super) fn unfinished(&self) -> Option<String> {
        // A journal that cannot be read is for the apply to complain about.
        let entries = history::list(self.host).unwrap_or_default();
        entries.into_iter().find(|entry| entry.state == State::Open).map(|entry| entry.record.id)
    }

    /// Applies, and reports the host as it is then.
    pub(super) fn apply(&mut self, session: Session<'_>) -> Result<(), JobError> {
        let session = session.asked_by(self.requester());
        if let Some(id) = session.unfinished() {
            self.answer.line(&Line::Recovered { id: id.to_owned() });
        }
        let outcome = session.apply(&mut self.answer)?;
        self.status(&outcome.facts);
        let mut report = self.check_report(&outcome.facts, Vec::new());
        report.findings = outcome.left;
        self.report(Report::Check(report));
        self.answer.line(&Line::Done { ids: outcome.id.into_iter().collect() });
        // A program that stays does no harm, and the next apply tries again.
        let _ = pushed_programs::remove_unused(self.host);
        Ok(())
    }
}

/// The answer, line by line.
pub(super) struct Answer<'a> {
    out: &'a mut dyn Write,
    /// Nobody reads it any more; the work goes on.
    gone: bool,
    /// For each step of an apply, the step of the setup that it is part of; empty without a setup.
    pub part_of: Vec<Step>,
    /// The journal IDs of what was applied or rolled back.
    done: Vec<String>,
}

impl<'a> Answer<'a> {
    pub(super) fn new(out: &'a mut dyn Write) -> Self {
        Self { out, gone: false, part_of: Vec::new(), done: Vec::new() }
    }

    pub(super) fn line(&mut self, line: &Line) {
        if let Line::Done { ids } = line {
            self.done.clone_from(ids);
        }
        if !self.gone {
            let written = self.out.write_all(line.to_line().as_bytes());
            self.gone = written.and_then(|()| self.out.flush()).is_err();
        }
    }
}

impl Watcher for Answer<'_> {
    fn begins(&mut self, number: usize, total: usize, step: &str) {
        let part_of = number.checked_sub(1).and_then(|at| self.part_of.get(at).copied());
        self.line(&Line::Step { number, total, step: step.to_owned(), part_of });
    }

    fn progress(&mut self, _: u64) {}

    fn done(&mut self, _: usize, _: usize, _: &str) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}
