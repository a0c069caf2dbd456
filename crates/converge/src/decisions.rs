//! Everything that is decided about a host from its policy and facts. Findings and plan are two projections of it.

use oomguard_host::ParseError;
use oomguard_spec::policy::Policy;

use crate::agent::AgentDecision;
use crate::facts::Facts;
use crate::fstab_edit::{self, FstabEdit};
use crate::managed_files::{self, FileDecision};
use crate::swap_decision::{self, SwapDecision};
use crate::target_score::{self, ScoreDecision};

/// Everything that is decided about a host, once.
#[derive(Debug)]
pub struct Decisions<'a> {
    pub(crate) policy: &'a Policy,
    pub(crate) facts: &'a Facts,
    /// `None`: the policy says nothing about swap.
    pub(crate) swap: Option<SwapDecision>,
    /// The new /etc/fstab, where it has to change.
    pub(crate) fstab: Result<Option<FstabEdit>, ParseError>,
    pub(crate) swappiness: Option<SwappinessDecision>,
    pub(crate) agent: AgentDecision<'a>,
    pub(crate) files: FileDecision,
    /// Every process whose score is out of its bound.
    pub(crate) scores: Vec<ScoreDecision<'a>>,
}

/// The live vm.swappiness has to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SwappinessDecision {
    pub from: u32,
    pub to: u8,
}

impl<'a> Decisions<'a> {
    /// Decides. The facts must have been read for this policy.
    #[must_use]
    pub fn of(policy: &'a Policy, facts: &'a Facts) -> Self {
        let swap = swap_decision::decide(policy, facts);
        let agent = AgentDecision::of(policy, facts);
        Self {
            fstab: fstab(policy, facts, swap.as_ref()),
            swap,
            swappiness: swappiness(policy, facts),
            files: managed_files::decide(policy, facts, &agent),
            agent,
            scores: target_score::decide(policy, facts),
            policy,
            facts,
        }
    }
}

/// A container's fstab and kernel parameters are those of its host.
fn fstab(
    policy: &Policy,
    facts: &Facts,
    swap: Option<&SwapDecision>,
) -> Result<Option<FstabEdit>, ParseError> {
    match (&policy.swap, swap) {
        (Some(policy), Some(decision)) if facts.container.is_none() => {
            fstab_edit::edit(facts, decision, policy)
        }
        _ => Ok(None),
    }
}

fn swappiness(policy: &Policy, facts: &Facts) -> Option<SwappinessDecision> {
    let (to, from) = (policy.swappiness?, facts.swappiness.live?);
    (facts.container.is_none() && from != u32::from(to)).then_some(SwappinessDecision { from, to })
}
