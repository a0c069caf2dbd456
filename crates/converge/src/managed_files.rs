//! The files that oomguard manages: which a policy asks for on a host, and which it no longer asks for.

use oomguard_spec::policy::{Policy, ServiceRule};

use crate::agent::AgentDecision;
use crate::facts::Facts;
use crate::layout::{self, ManagedFile};

/// What has to happen to the files that oomguard manages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FileDecision {
    /// Files whose bytes on the host differ.
    pub write: Vec<ManagedFile>,
    /// Paths of files that this policy no longer asks for.
    pub remove: Vec<String>,
}

pub(crate) fn decide(policy: &Policy, facts: &Facts, agent: &AgentDecision<'_>) -> FileDecision {
    let wanted = wanted(policy, facts, agent);
    let is_wanted = |path: &&String| wanted.iter().any(|file| file.path == **path);
    // A part that the policy does not mention is left alone.
    let in_scope = |path: &&String| {
        if path.as_str() == layout::SYSCTL {
            policy.swappiness.is_some()
        } else if path.as_str() == layout::AGENT_UNIT || path.as_str() == layout::AGENT_POLICY {
            agent.is_unwanted
        } else {
            policy.oom_protection.is_some()
        }
    };
    let there = &facts.units.managed_files;
    let remove = there.keys().filter(|path| !is_wanted(path)).filter(in_scope).cloned().collect();
    let differs =
        |file: &ManagedFile| there.get(&file.path).is_none_or(|blob| blob.0 != file.text.as_bytes());
    FileDecision { remove, write: wanted.into_iter().filter(differs).collect() }
}

/// The files that should be on this host. Where another file has the same effect already, none is needed.
fn wanted(policy: &Policy, facts: &Facts, agent: &AgentDecision<'_>) -> Vec<ManagedFile> {
    let mut files = Vec::new();
    files.extend(sysctl(policy, facts));
    if let Some(agent) = agent.program {
        files.push(layout::agent_policy(policy));
        files.push(layout::agent_unit(&agent.path));
    }
    let (Some(protection), Some(systemd)) = (&policy.oom_protection, facts.systemd) else { return files };
    if let Some(score) = protection.systemd_user {
        files.push(layout::user_manager(score, systemd));
        files.push(layout::user_load(protection.load, systemd));
    }
    let expendable = protection
        .expendable
        .iter()
        .map(|(unit, score)| (unit, ServiceRule { score: *score, memory_low: None }));
    let services = protection.services.iter().map(|(unit, rule)| (unit, *rule));
    files.extend(services.chain(expendable).map(|(unit, rule)| layout::service(unit, rule, systemd)));
    files
}

fn sysctl(policy: &Policy, facts: &Facts) -> Option<ManagedFile> {
    let swappiness = policy.swappiness?;
    if facts.container.is_some() {
        return None;
    }
    let somebody_else_does = facts
        .swappiness
        .winner()
        .is_some_and(|winner| winner.path != layout::SYSCTL && winner.value == swappiness.to_string());
    (!somebody_else_does || facts.units.managed_files.contains_key(layout::SYSCTL))
        .then(|| layout::sysctl(swappiness))
}
