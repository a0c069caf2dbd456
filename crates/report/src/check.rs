//! The report of `oomguard check`.

use oomguard_converge::facts::Unread;
use oomguard_converge::finding::Refusal;
use oomguard_converge::rank::First;
use oomguard_converge::{Facts, Finding, Severity};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The version of the form below.
pub const CHECK_SCHEMA: &str = "oomguard.check/1";

/// What `oomguard check` reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckReport {
    /// `oomguard.check/1`
    pub schema: String,
    /// The hostname.
    pub host: String,
    /// Where the policy comes from.
    pub policy: String,
    /// Whether the host matches the policy.
    pub fine: bool,
    /// Where it does not, the most severe first.
    pub findings: Vec<Finding>,
    /// Why `apply` would refuse to change anything; empty if it would not.
    pub refusals: Vec<Refusal>,
    /// What this user could not read.
    pub unread: Vec<Unread>,
    /// The process that is killed first if memory runs out now: the first line of `oomguard rank`.
    pub dies_first: Option<First>,
}

impl CheckReport {
    /// A report of what differs, and of what prevents a fix.
    #[must_use]
    pub fn new(
        host: String,
        policy: &str,
        findings: Vec<Finding>,
        refusals: Vec<Refusal>,
        facts: &Facts,
    ) -> Self {
        Self {
            schema: CHECK_SCHEMA.to_owned(),
            host,
            policy: policy.to_owned(),
            fine: !findings.iter().any(|finding| finding.severity.differs()),
            findings,
            refusals,
            unread: facts.unread.clone(),
            dies_first: None,
        }
    }

    /// The number of findings of a severity.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }
}
