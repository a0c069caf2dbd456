//! Changes and policies in a few words.

use std::collections::BTreeSet;

use oomguard_converge::change::Change;
use oomguard_spec::policy::{Policy, SwapSize};
use oomguard_spec::size::Bytes;

/// A change in one line, as of something that has been done.
pub fn done(change: &Change) -> String {
    match change {
        Change::SwapCreate { path, size, priority, .. } => {
            let priority = priority.map(|priority| format!(", priority {priority}")).unwrap_or_default();
            format!("swap: {path} of {} created and switched on{priority}", Bytes(*size))
        }
        Change::SwapOn { path, .. } => format!("swap: {path} switched on"),
        Change::SwapOff { path } => format!("swap: {path} switched off"),
        Change::SwapRetire { path } => format!("swap: {path} switched off and deleted"),
        Change::FileWrite { path, before: None, why, .. } => format!("created: {path} ({why})"),
        Change::FileWrite { path, why, .. } => format!("changed: {path} ({why})"),
        Change::FileRemove { path, why, .. } => format!("deleted: {path} ({why})"),
        Change::DirRemove { path } => format!("deleted: the folder {path}"),
        Change::ProgramInstall { path, .. } => format!("installed: {path}"),
        Change::ProgramRemove { path } => format!("deleted: {path}"),
        Change::LinkPut { path, target, .. } => format!("linked: {path} to {target}"),
        Change::LinkRemove { path, .. } => format!("deleted: the link {path}"),
        Change::AgentStart => "service: oomguard-agent started".to_owned(),
        Change::AgentStop => "service: oomguard-agent stopped".to_owned(),
        Change::Sysctl { key, from, to } => format!("kernel: {key} from {from} to {to}"),
        Change::ReloadSystem => "systemd: read its files again".to_owned(),
        Change::ReloadUserManager { pid, .. } => {
            format!("systemd: the user manager {pid} read its files again")
        }
        Change::Score { pid, comm, from, to, why, .. } => {
            format!("score: {comm} (PID {pid}) from {from} to {to}, by {why}")
        }
    }
}

/// The file, folder or link that a change makes, changes or takes away.
pub fn file(change: &Change) -> Option<&str> {
    match change {
        Change::SwapCreate { path, .. }
        | Change::SwapRetire { path }
        | Change::FileWrite { path, .. }
        | Change::FileRemove { path, .. }
        | Change::ProgramInstall { path, .. }
        | Change::ProgramRemove { path }
        | Change::LinkPut { path, .. }
        | Change::LinkRemove { path, .. } => Some(path),
        _ => None,
    }
}

/// How something was before a change that shows it.
pub fn before(change: &Change) -> Option<(String, String)> {
    match change {
        Change::Sysctl { key, from, .. } => Some((key.replace('.', "_") + "_before", from.clone())),
        _ => None,
    }
}

/// What a policy is for, a line each.
pub fn objectives(policy: &Policy) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    if let Some(swap) = &policy.swap {
        let size = match swap.size {
            SwapSize::Bytes(size) => size.to_string(),
            SwapSize::RamPermille(permille) => {
                let share = format!("{}.{:03}", permille / 1000, permille % 1000);
                format!("{} times the memory", share.trim_end_matches('0').trim_end_matches('.'))
            }
        };
        let least = swap.minimum.map(|least| format!(" (at least {least})")).unwrap_or_default();
        found.insert(format!("Have {size}{least} of swap at {}, now and after a boot", swap.file));
    }
    if let Some(swappiness) = policy.swappiness {
        found.insert(format!("Set vm.swappiness to {swappiness}, now and after a boot"));
    }
    if let Some(protection) = &policy.oom_protection {
        let keepers = [
            ("user managers", protection.systemd_user),
            ("tmux, screen and zellij servers", protection.tmux_sessions),
        ];
        let keepers =
            keepers.iter().filter_map(|(who, score)| Some(format!("Protect {who} at {}", (*score)?)));
        found.extend(keepers);
        found.extend(
            protection.services.iter().map(|(unit, rule)| format!("Protect {unit} at {}", rule.score)),
        );
        found.insert(format!(
            "Keep what sessions start at {}: protect the keeper, never the load",
            protection.load
        ));
    }
    if policy.wants_agent() {
        found.insert("Keep it so with the agent".to_owned());
    }
    found
}
