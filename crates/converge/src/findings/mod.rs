//! Facts and policy to findings.

mod agent;
mod protection;
mod scores;
mod swap;
mod swappiness;

use oomguard_spec::policy::Policy;

use crate::facts::Facts;
use crate::finding::Finding;

/// Every way in which a host misses its policy, the most severe first.
#[must_use]
pub fn findings(policy: &Policy, facts: &Facts) -> Vec<Finding> {
    let mut found = swap::findings(policy, facts);
    found.extend(swappiness::findings(policy, facts));
    found.extend(protection::findings(policy, facts));
    found.extend(agent::findings(policy, facts));
    found.extend(scores::findings(policy, facts));
    // Stable: within one severity the order above stays.
    found.sort_by_key(|finding| finding.severity);
    found
}
