//! An explained incident for people and programs.

pub mod cspec;
pub mod html;
pub mod markdown;
mod picture;
pub mod text;

use crate::explain::policy_of;
use crate::minutes::Growth;
use crate::model::{Incident, LimitOf};
use crate::shown::size;
use oomguard_text::counted;

/// Whose limit it was, in words.
fn limit(incident: &Incident) -> String {
    let name = |path: &Option<String>| {
        path.as_deref().map_or_else(String::new, |path| format!(" {}", oomguard_text::shown(path, 160)))
    };
    match incident.limit {
        LimitOf::Host => "the memory of the host".to_owned(),
        LimitOf::OwnCgroup => format!("the victims' own cgroup{}", name(&incident.oom_memcg)),
        LimitOf::ParentCgroup => format!("a parent cgroup of the victims:{}", name(&incident.oom_memcg)),
        LimitOf::Cgroup => format!("a cgroup{}", name(&incident.oom_memcg)),
        LimitOf::Unknown => "not shown in the log".to_owned(),
    }
}

/// Whether it happened before, in words.
fn before(incident: &Incident) -> Option<String> {
    let before = &incident.before;
    if before.count == 0 {
        return None;
    }
    let last = before.last.as_ref().map(|last| format!(", last: {last}")).unwrap_or_default();
    let times = counted(before.count, "earlier incident", "earlier incidents");
    Some(format!("{times} in this log{last}; {} with the same cause and program", before.alike))
}

/// How the program grew that grew the most over the minutes before, in words.
fn growth(growth: &Growth) -> String {
    let Growth { program, from_kib, to_kib, seconds, processes, .. } = growth;
    let many = match processes {
        1 => String::new(),
        many => format!(" ({many} processes)"),
    };
    let (from, to) = (size(*from_kib), size(*to_kib));
    format!("{program}{many} grew the most: from {from} to {to} in {seconds} s")
}

/// Whether a policy says any of the advice.
fn has_policy(incident: &Incident) -> bool {
    policy_of(incident).is_some()
}
