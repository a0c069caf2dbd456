//! Decisions to findings.

mod agent;
mod protection;
mod scores;
mod swap;
mod swappiness;

use oomguard_spec::policy::Policy;

use crate::decisions::Decisions;
use crate::facts::Facts;
use crate::finding::Finding;

/// Every way in which a host differs from its policy, the most severe first.
#[must_use]
pub fn findings(policy: &Policy, facts: &Facts) -> Vec<Finding> {
    findings_of(&Decisions::of(policy, facts))
}

/// The same, of decisions that were made already.
#[must_use]
pub fn findings_of(decisions: &Decisions<'_>) -> Vec<Finding> {
    let mut found = swap::findings(decisions);
    found.extend(swappiness::findings(decisions));
    found.extend(protection::findings(decisions));
    found.extend(agent::findings(decisions));
    found.extend(scores::findings(decisions));
    // Stable: within one severity the order above stays.
    found.sort_by_key(|finding| finding.severity);
    found
}
