//! What is wrong with the agent: missing, of another build, not running, with another policy.

use crate::agent::Stale;
use crate::change::ChangeKey;
use crate::decisions::Decisions;
use crate::finding::{Finding, FindingKind, Severity};
use crate::layout;

const WHY: &str = "without the agent, what starts in a protected session keeps that protection until the next \
                   `apply`";
const WHY_BUILD: &str = "another build may not know every setting of this policy";

pub(super) fn findings(decisions: &Decisions<'_>) -> Vec<Finding> {
    let facts = decisions.facts;
    let is_installed = facts.units.managed_files.contains_key(layout::AGENT_UNIT);
    let missing = || about(FindingKind::AgentMissing, "not installed", "installed and running");
    if !decisions.agent.searched.is_empty() && !is_installed {
        let searched = decisions.agent.searched.join(" or at ");
        return vec![missing().advise(format!("`apply` needs its program at {searched}"))];
    }
    let Some(program) = decisions.agent.program else { return Vec::new() };
    let install = || ChangeKey::ProgramInstall { path: program.path.clone() };
    let start = || decisions.agent.must_start.then_some(ChangeKey::AgentStart);
    if !is_installed {
        let mut changes: Vec<ChangeKey> = program.missing.iter().map(|_| install()).collect();
        changes.push(ChangeKey::FileWrite { path: layout::AGENT_UNIT.to_owned() });
        changes.extend(start());
        return vec![missing().fixed_by("install and start it", changes)];
    }
    let mut found = Vec::new();
    if program.missing.is_some() {
        let changes = [Some(install()), start()].into_iter().flatten();
        found.push(
            about(FindingKind::AgentProgramDiffers, "another build", "this build")
                .because(WHY_BUILD)
                .fixed_by(format!("install {} and start it", program.path), changes),
        );
    }
    if decisions.agent.must_enable {
        let is = match &facts.agent.link {
            Some(link) => format!("linked to {link}"),
            None => "not started at boot".to_owned(),
        };
        let path = layout::AGENT_WANTS.to_owned();
        found.push(
            about(FindingKind::AgentNotEnabled, is, "started at boot")
                .fixed_by(format!("create the link {path}"), [ChangeKey::LinkPut { path }]),
        );
    }
    found.extend(stale(decisions));
    found
}

fn stale(decisions: &Decisions<'_>) -> Option<Finding> {
    let is_missing = decisions.agent.program.is_some_and(|program| program.missing.is_some());
    let writes_policy = decisions.files.write.iter().any(|file| file.path == layout::AGENT_POLICY);
    let (finding, fix) = match decisions.agent.stale? {
        Stale::NotRunning => (about(FindingKind::AgentNotRunning, "not running", "running"), "start it"),
        // Another finding covers the program that is missing, or the file that is still to be written.
        Stale::OtherProgram if is_missing => return None,
        Stale::OtherPolicy if writes_policy => return None,
        Stale::OtherProgram => {
            let finding = about(FindingKind::AgentProgramDiffers, "running another build", "this build");
            (finding.because(WHY_BUILD), "restart it")
        }
        Stale::OtherPolicy => {
            let finding =
                about(FindingKind::AgentOtherPolicy, "running with another policy", "with this policy");
            (finding.because("it enforces the scores of the policy that it has loaded"), "restart it")
        }
    };
    Some(finding.fixed_by(fix, [ChangeKey::AgentStart]))
}

fn about(kind: FindingKind, is: impl Into<String>, should: &str) -> Finding {
    Finding::new(kind, Severity::Warning, layout::AGENT_UNIT_NAME, is, should).because(WHY)
}
