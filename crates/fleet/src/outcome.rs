//! The result of a task on one host.

use oomguard_converge::{Finding, Refusal, Severity};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::inventory::Target;
use crate::session::Reply;

/// The state of a host. Hosts are shown in this order, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The task failed.
    Failed,
    /// It was not asked, because the run stopped before.
    NotReached,
    /// It differs from its policy.
    Differs,
    /// It matches its policy, or the task is done.
    Fine,
}

impl State {
    /// As it is printed.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::NotReached => "not reached",
            Self::Differs => "differs",
            Self::Fine => "fine",
        }
    }
}

/// The result of a task on one host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Outcome {
    /// The host.
    pub target: Target,
    /// Its state.
    pub state: State,
    /// A summary.
    pub summary: String,
    /// The number of changes in its plan.
    pub changes: usize,
    /// Where it differs from its policy.
    pub findings: Vec<Finding>,
    /// Why its plan would be refused.
    pub refusals: Vec<Refusal>,
    /// The ID of an interrupted apply, which the next one finishes.
    pub unfinished: Option<String>,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// The IDs of the applies that were made or rolled back.
    pub ids: Vec<String>,
    /// The ID of an interrupted apply that this run finished.
    pub recovered: Option<String>,
    /// Warnings about the connection.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// When it last answered in this run, in seconds since 1970.
    pub seen: Option<u64>,
}

impl Outcome {
    /// A host that was not asked.
    #[must_use]
    pub fn not_reached(target: Target) -> Self {
        Self {
            target,
            state: State::NotReached,
            summary: "not reached".to_owned(),
            changes: 0,
            findings: Vec::new(),
            refusals: Vec::new(),
            unfinished: None,
            failure: None,
            ids: Vec::new(),
            recovered: None,
            warnings: Vec::new(),
            seen: None,
        }
    }

    /// From an answer at `now`.
    #[must_use]
    pub fn of(target: Target, reply: &Reply, failure: Option<Failure>, now: u64) -> Self {
        let mut outcome = Self::not_reached(target);
        // A host that fails after it has begun to answer was seen, too.
        let heard = reply.is_heard() || failure.is_none();
        outcome.seen = heard.then_some(now);
        outcome.changes = reply.plan.as_ref().map_or(0, |plan| plan.changes);
        outcome.findings = reply.check().map(|report| report.findings.clone()).unwrap_or_default();
        outcome.ids.clone_from(&reply.ids);
        outcome.recovered.clone_from(&reply.recovered);
        outcome.warnings.clone_from(&reply.warnings);
        let report_fine = reply.check().is_none_or(|report| report.fine);
        if let Some(plan) = &reply.plan {
            outcome.refusals.clone_from(&plan.refusals);
            outcome.unfinished.clone_from(&plan.unfinished);
        }
        if let Some(failure) = failure {
            outcome.fail(failure);
        } else if report_fine && !outcome.must_change() && outcome.refusals.is_empty() {
            outcome.state = State::Fine;
            outcome.summary = outcome.done_words();
        } else {
            outcome.state = State::Differs;
            outcome.summary = outcome.differs_words();
        }
        outcome
    }

    /// Marks the host as failed.
    pub(crate) fn fail(&mut self, failure: Failure) {
        self.state = State::Failed;
        self.summary.clone_from(&failure.message);
        self.failure = Some(failure);
    }

    /// Whether `apply` has something to do there.
    #[must_use]
    pub fn must_change(&self) -> bool {
        self.changes > 0 || self.unfinished.is_some()
    }

    fn done_words(&self) -> String {
        match (self.ids.as_slice(), &self.recovered) {
            ([], _) => "fine".to_owned(),
            (ids, None) => format!("done ({})", ids.join(", ")),
            (ids, Some(_)) => format!("done ({}), including the interrupted apply", ids.join(", ")),
        }
    }

    fn differs_words(&self) -> String {
        let count = |severity| self.findings.iter().filter(|finding| finding.severity == severity).count();
        let mut words = Vec::new();
        for (number, one, many) in [
            (count(Severity::Critical), "critical", "critical"),
            (count(Severity::Warning), "warning", "warnings"),
            (self.changes, "change planned", "changes planned"),
            (self.refusals.len(), "refusal", "refusals"),
        ] {
            if number > 0 {
                words.push(oomguard_text::counted(number, one, many));
            }
        }
        let subjects = self.findings.iter().filter(|finding| finding.severity.differs()).take(3);
        let subjects: Vec<&str> = subjects.map(|finding| finding.kind.id()).collect();
        let more = if subjects.is_empty() { String::new() } else { format!(": {}", subjects.join(", ")) };
        crate::failure::safe(&format!("{}{more}", words.join(", ")))
    }
}
