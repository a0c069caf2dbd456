//! What is looked at before anything is changed: read-only, and all refusals together.

#![deny(clippy::wildcard_enum_match_arm, reason = "a new change must say whether its path is checked")]

use oomguard_host::Host;
use oomguard_host::files::{Kind, parent};

use crate::change::Change;
use crate::finding::Refusal;
use crate::plan::Plan;

/// Everything that speaks against these changes on this host, beside what the plan itself refuses.
#[must_use]
pub fn refusals(host: &Host, plan: &Plan) -> Vec<Refusal> {
    let mut found = plan.refusals.clone();
    for change in &plan.changes {
        found.extend(match change {
            Change::FileWrite { path, .. }
            | Change::FileRemove { path, .. }
            | Change::ProgramInstall { path, .. }
            | Change::ProgramRemove { path } => file(host, path, Kind::File),
            Change::LinkPut { path, .. } | Change::LinkRemove { path, .. } => file(host, path, Kind::Symlink),
            // A swap file has its refusals in the swap's decision; a step looks again before it touches the rest.
            Change::SwapCreate { .. }
            | Change::SwapOn { .. }
            | Change::SwapOff { .. }
            | Change::SwapRetire { .. }
            | Change::DirRemove { .. }
            | Change::AgentStart
            | Change::AgentStop
            | Change::Sysctl { .. }
            | Change::ReloadSystem
            | Change::ReloadUserManager { .. }
            | Change::Score { .. } => None,
        });
    }
    found
}

/// A file is replaced only where nobody but root could have put something in its way.
fn file(host: &Host, path: &str, kind: Kind) -> Option<Refusal> {
    let advice = "make root its owner, remove symbolic links from its path and write access for other users";
    let refuse = |reason: String| Some(Refusal::new("untrusted-path", reason, advice));
    match host.lstat(path) {
        Err(e) => return refuse(e.to_string()),
        Ok(Some(meta)) if meta.kind != kind => {
            let wanted = if kind == Kind::File { "regular file" } else { "symbolic link" };
            return refuse(format!("{path} is not a {wanted}"));
        }
        Ok(Some(meta)) if meta.uid != host.trusted_uid() => {
            return refuse(format!("{path} belongs to user {}, not to root", meta.uid));
        }
        Ok(_) => {}
    }
    let mut dir = parent(path);
    while dir != "/" {
        match host.lstat(dir) {
            Err(e) => return refuse(e.to_string()),
            Ok(Some(meta)) if meta.kind != Kind::Directory => {
                return refuse(format!("{dir} is not a directory"));
            }
            Ok(Some(meta)) if meta.uid != host.trusted_uid() || meta.mode & 0o022 != 0 => {
                return refuse(format!("users other than root can write to {dir}"));
            }
            Ok(_) => {}
        }
        dir = parent(dir);
    }
    None
}
