//! What is wrong with the agent: missing, of another build, not running, with another policy.

use oomguard_spec::policy::Policy;

use crate::agent::{self, LINK_TARGET, Start};
use crate::facts::Facts;
use crate::finding::{Finding, Severity};
use crate::layout::{self, ManagedFile};

const WHY: &str =
    "without it, what is started in a protected session is protected too, until the next `apply`";

pub(super) fn findings(policy: &Policy, facts: &Facts) -> Vec<Finding> {
    let about = |id, is: String, should: &str| {
        Finding::new(id, Severity::Warning, layout::AGENT_UNIT_NAME, is, should).because(WHY)
    };
    let unit_there = facts.units.managed_files.contains_key(layout::AGENT_UNIT);
    if agent::lacks_program(policy, facts) && !unit_there {
        let missing = about("agent-missing", "not installed".to_owned(), "installed and running");
        return vec![
            missing.advise(format!("`apply` needs its program at {}", facts.agent.searched.join(" or at "))),
        ];
    }
    let Some(program) = agent::wanted(policy, facts) else { return Vec::new() };
    if !unit_there {
        let is = "not installed".to_owned();
        return vec![about("agent-missing", is, "installed and running").mended_by("install and start it")];
    }
    let mut found = Vec::new();
    if program.missing.is_some() {
        found.push(
            about("agent-program-differs", "of another build".to_owned(), "this build")
                .because("the agent may not know what this policy says")
                .mended_by(format!("install {} and start it", program.path)),
        );
    }
    if facts.agent.link.as_deref() != Some(LINK_TARGET) {
        let is = facts
            .agent
            .link
            .as_ref()
            .map_or("not started at boot".to_owned(), |link| format!("linked to {link}"));
        found.push(
            about("agent-not-enabled", is, "started at boot")
                .mended_by(format!("make the link {}", layout::AGENT_WANTS)),
        );
    }
    let file_differs = || {
        let policy = layout::agent_policy(policy);
        facts.units.managed_files.get(&policy.path).is_none_or(|blob| blob.0 != policy.text.as_bytes())
    };
    found.extend(match agent::start(policy, facts) {
        Some(Start::NotRunning) => {
            Some(about("agent-not-running", "not running".to_owned(), "running").mended_by("start it"))
        }
        // Said above, or the file is still to be written.
        Some(Start::OtherProgram) if program.missing.is_some() => None,
        Some(Start::OtherPolicy) if file_differs() => None,
        Some(Start::OtherProgram) => Some(
            about("agent-program-differs", "running, of another build".to_owned(), "this build")
                .because("the agent may not know what this policy says")
                .mended_by("start it anew"),
        ),
        Some(Start::OtherPolicy) => Some(
            about("agent-other-policy", "running with another policy".to_owned(), "with this one")
                .because("it keeps the scores that it has read of")
                .mended_by("start it anew"),
        ),
        None => None,
    });
    found
}

/// Whether the agent's unit differs for no other reason than that it names another program.
pub(super) fn is_stale_unit(facts: &Facts, file: &ManagedFile) -> bool {
    let missing = facts.agent.program.as_ref().is_some_and(|program| program.missing.is_some());
    file.path == layout::AGENT_UNIT && missing
}
