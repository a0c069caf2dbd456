//! Which process rule of a policy matches a process.

use oomguard_spec::policy::{ProcessRule, Protection};

use super::process::Process;

/// Whether a rule matches a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Match {
    Yes,
    No,
    /// Everything visible matches, and this user may not see which program it runs.
    Unknown,
}

/// The first rule that matches a process, or may match it.
pub(crate) fn first_match<'p>(
    process: &Process,
    protection: &'p Protection,
) -> Option<(&'p ProcessRule, Match)> {
    let rules = protection.processes.iter().map(|rule| (rule, matches(rule, process)));
    rules.into_iter().find(|(_, matched)| *matched != Match::No)
}

fn matches(rule: &ProcessRule, process: &Process) -> Match {
    let user = rule.user.as_deref().is_none_or(|user| {
        process.user.as_deref() == Some(user) || process.uid.is_some_and(|uid| user == uid.to_string())
    });
    let command = rule.command.as_ref().is_none_or(|command| *command == process.comm);
    let cgroup = rule.cgroup.as_deref().is_none_or(|cgroup| is_in_cgroup(&process.cgroup, cgroup));
    if !(user && command && cgroup) {
        return Match::No;
    }
    match (&rule.exe, &process.exe) {
        (None, _) => Match::Yes,
        (Some(_), None) => Match::Unknown,
        (Some(path), Some(program)) => {
            let trusted = program.roots || (program.own && rule.user.is_some());
            if *path == program.path && trusted { Match::Yes } else { Match::No }
        }
    }
}

fn is_in_cgroup(cgroup: &str, place: &str) -> bool {
    cgroup.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
