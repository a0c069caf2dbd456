//! Whether the agent belongs on a host, and whether the one that runs is the right one: for findings and plan alike.

use oomguard_host::files::sha256;
use oomguard_spec::policy::Policy;

use crate::facts::Facts;
use crate::facts::agent::{Program, Running};
use crate::finding::Refusal;
use crate::layout;

/// What the link that starts it at boot points to.
pub(crate) const LINK_TARGET: &str = layout::AGENT_UNIT;

/// The program of the agent that this host should have. Without systemd there is nobody to run it.
pub(crate) fn wanted<'f>(policy: &Policy, facts: &'f Facts) -> Option<&'f Program> {
    let program = facts.agent.program.as_ref()?;
    (policy.wants_agent() && facts.systemd.is_some()).then_some(program)
}

/// Whether this host should have the agent, and its program was not found beside the command.
pub(crate) fn lacks_program(policy: &Policy, facts: &Facts) -> bool {
    policy.wants_agent() && facts.systemd.is_some() && !facts.agent.searched.is_empty()
}

/// Why an agent that is wanted cannot be installed.
pub(crate) fn refusal(policy: &Policy, facts: &Facts) -> Option<Refusal> {
    lacks_program(policy, facts).then(|| {
        let searched = facts.agent.searched.join(" nor at ");
        Refusal::new(
            "agent-program-missing",
            format!("the agent's program, oomguard-agent, is not at {searched}"),
            "put the oomguard-agent of this version there (in a checkout `cargo build --release` makes both programs), \
             or use a policy with `agent: false`",
        )
    })
}

/// Whether an agent that is there has to go. A policy that speaks of neither protection nor agent leaves it alone, and
/// so does a host whose own program is not known.
pub(crate) fn unwanted(policy: &Policy, facts: &Facts) -> bool {
    let spoken_of = policy.agent.is_some() || policy.oom_protection.is_some();
    spoken_of && (!policy.wants_agent() || facts.systemd.is_none())
}

/// Why the agent that runs has to be started anew, or at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// None runs.
    NotRunning,
    /// Another program runs.
    OtherProgram,
    /// It has not read the policy.
    OtherPolicy,
}

/// What is wrong with the agent that runs, as far as a start of it mends that.
pub(crate) fn start(policy: &Policy, facts: &Facts) -> Option<Start> {
    let program = wanted(policy, facts)?;
    if !facts.agent.booted {
        return None;
    }
    let Some(running) = &facts.agent.running else { return Some(Start::NotRunning) };
    let Running { exe, policy: read, .. } = running;
    // An ordinary user does not see the program.
    if exe.as_ref().is_some_and(|exe| *exe != program.path) {
        return Some(Start::OtherProgram);
    }
    let document = layout::agent_policy(policy).text;
    (read.as_deref() != Some(sha256(document.as_bytes()).as_str())).then_some(Start::OtherPolicy)
}

/// Whether the plan starts the agent: also when only its unit is written anew.
pub(crate) fn must_start(policy: &Policy, facts: &Facts) -> bool {
    let Some(program) = wanted(policy, facts) else { return false };
    let unit = layout::agent_unit(&program.path);
    let same = facts.units.managed_files.get(&unit.path).is_some_and(|blob| blob.0 == unit.text.as_bytes());
    start(policy, facts).is_some() || (!same && facts.agent.booted)
}
