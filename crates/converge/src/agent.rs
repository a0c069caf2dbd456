//! Whether the agent belongs on a host, and whether the one that runs is the right one.

use oomguard_host::files::sha256;
use oomguard_spec::policy::Policy;

use crate::facts::Facts;
use crate::facts::agent::{Program, Running};
use crate::finding::Refusal;
use crate::layout;

/// What the link that starts it at boot points to.
pub(crate) const LINK_TARGET: &str = layout::AGENT_UNIT;

/// What has to happen to the agent of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AgentDecision<'f> {
    /// The program that the host should have. Without systemd nothing could run it.
    pub program: Option<&'f Program>,
    /// The host should have the agent, and its program was not found at these paths.
    pub searched: &'f [String],
    /// An agent that is there has to go. A policy that names neither protection nor agent leaves it alone.
    pub is_unwanted: bool,
    /// The link that starts it at boot is missing or wrong.
    pub must_enable: bool,
    /// What is wrong with the agent that runs, as far as a start fixes it.
    pub stale: Option<Stale>,
    /// The plan starts it: also when only its unit is written again.
    pub must_start: bool,
}

/// Why the agent that runs has to be restarted, or started at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stale {
    /// None runs.
    NotRunning,
    /// Another program runs.
    OtherProgram,
    /// It has not read the policy.
    OtherPolicy,
}

impl<'f> AgentDecision<'f> {
    pub(crate) fn of(policy: &Policy, facts: &'f Facts) -> Self {
        let program =
            facts.agent.program.as_ref().filter(|_| policy.wants_agent() && facts.systemd.is_some());
        let is_named = policy.agent.is_some() || policy.oom_protection.is_some();
        let belongs_here = policy.wants_agent() && facts.systemd.is_some();
        let stale = program.and_then(|program| stale(policy, facts, program));
        Self {
            program,
            searched: if belongs_here { &facts.agent.searched } else { &[] },
            is_unwanted: is_named && (!policy.wants_agent() || facts.systemd.is_none()),
            must_enable: program.is_some() && facts.agent.link.as_deref() != Some(LINK_TARGET),
            stale,
            must_start: stale.is_some()
                || program.is_some_and(|program| facts.agent.booted && unit_differs(facts, program)),
        }
    }
}

/// Why an agent that is wanted cannot be installed.
pub(crate) fn refusal(agent: &AgentDecision<'_>) -> Option<Refusal> {
    (!agent.searched.is_empty()).then(|| {
        Refusal::new(
            "agent-program-missing",
            format!("the agent's program, oomguard-agent, is not at {}", agent.searched.join(" nor at ")),
            "put the oomguard-agent of this version there (in a checkout `cargo build --release` makes both programs), \
             or use a policy with `agent: false`",
        )
    })
}

fn stale(policy: &Policy, facts: &Facts, program: &Program) -> Option<Stale> {
    if !facts.agent.booted {
        return None;
    }
    let Some(running) = &facts.agent.running else { return Some(Stale::NotRunning) };
    let Running { exe, policy: read, .. } = running;
    // An ordinary user does not see the program.
    if exe.as_ref().is_some_and(|exe| *exe != program.path) {
        return Some(Stale::OtherProgram);
    }
    let document = layout::agent_policy(policy).text;
    (read.as_deref() != Some(sha256(document.as_bytes()).as_str())).then_some(Stale::OtherPolicy)
}

fn unit_differs(facts: &Facts, program: &Program) -> bool {
    let unit = layout::agent_unit(&program.path);
    facts.units.managed_files.get(&unit.path).is_none_or(|blob| blob.0 != unit.text.as_bytes())
}
