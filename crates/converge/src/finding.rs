//! One way in which a host misses its policy.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How bad a finding is. The order is the order in which they are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// When memory runs out now, sessions or services die that must not.
    Critical,
    /// The host differs from its policy.
    Warning,
    /// The host is as the policy says; this is worth knowing all the same.
    Advice,
}

impl Severity {
    /// Whether it means that the host differs from its policy.
    #[must_use]
    pub fn differs(self) -> bool {
        self != Self::Advice
    }
}

/// One way in which a host misses its policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// What kind it is; stable, for scripts.
    pub id: String,
    /// How bad it is.
    pub severity: Severity,
    /// What it is about: a path, a unit, a process.
    pub subject: String,
    /// What is.
    pub is: String,
    /// What should be.
    pub should: String,
    /// Why it matters.
    pub why: String,
    /// What `apply` does about it. `None`: a person must decide.
    pub mend: Option<String>,
    /// What a person can do, where `apply` does nothing.
    pub advice: Option<String>,
}

impl Finding {
    /// A finding that `apply` does nothing about, yet.
    pub(crate) fn new(
        id: &str,
        severity: Severity,
        subject: impl Into<String>,
        is: impl Into<String>,
        should: impl Into<String>,
    ) -> Self {
        Self {
            id: id.to_owned(),
            severity,
            subject: subject.into(),
            is: is.into(),
            should: should.into(),
            why: String::new(),
            mend: None,
            advice: None,
        }
    }

    pub(crate) fn because(mut self, why: impl Into<String>) -> Self {
        self.why = why.into();
        self
    }

    pub(crate) fn mended_by(mut self, mend: impl Into<String>) -> Self {
        self.mend = Some(mend.into());
        self
    }

    pub(crate) fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }
}

/// A reason why nothing is changed on this host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Refusal {
    /// What kind it is; stable, for scripts.
    pub id: String,
    /// What is in the way.
    pub reason: String,
    /// What to do about it.
    pub advice: String,
}

impl Refusal {
    /// One with its reason and what to do about it.
    #[must_use]
    pub fn new(id: &str, reason: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { id: id.to_owned(), reason: reason.into(), advice: advice.into() }
    }
}
