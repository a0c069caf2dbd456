//! This machine: its journal, and how it is now.

use oomguard_converge::history::{self, Entry, State as Kept};
use oomguard_converge::{Facts, findings};
use oomguard_host::Host;

use super::{FactsSeen, HostSeen, kinds};
use super::{RecordError, State, Work};
use crate::NamedPolicy;

/// What was done on this machine: the apply of that name, or the last one; and what a check of it says now.
///
/// # Errors
/// When nothing was applied, when there is no apply of that name, or when the machine cannot be read.
pub fn of_host(host: &Host, hostname: &str, id: Option<&str>) -> Result<Work, RecordError> {
    let entry = match id {
        Some(id) => history::read(host, id)?,
        None => history::list(host)?.pop().ok_or(RecordError::NothingApplied)?,
    };
    let Some(policy) = entry.record.plans.last().map(|plan| plan.policy.clone()) else {
        return Err(RecordError::NothingApplied);
    };
    let facts = Facts::read(host, &policy)?;
    let found = findings(&policy, &facts);
    let state = state(&entry);
    let differs = kinds(&found);
    let status = match state {
        State::Undone => "undone",
        _ if differs.is_empty() => "operational",
        _ => "differs",
    };
    let not_known = facts.unread.iter().map(|one| format!("{}: {} ({})", one.what, one.unknown, one.why));
    Ok(Work {
        seen: HostSeen {
            hostname: hostname.to_owned(),
            status,
            seen: Some(host.now()),
            facts: Some(FactsSeen::of_facts(&policy, &facts)),
            differs,
            problem: None,
        },
        state,
        policy: Some(NamedPolicy { name: "the one that was applied".to_owned(), policy }),
        ids: vec![entry.record.id],
        changes: entry.record.plans.into_iter().flat_map(|plan| plan.changes).collect(),
        checked: Some(found),
        not_known: not_known.collect(),
        refusals: Vec::new(),
        run: None,
    })
}

fn state(entry: &Entry) -> State {
    match entry.state {
        Kept::Applied => State::Applied,
        Kept::RolledBack => State::Undone,
        Kept::Open | Kept::RollingBack => State::Cut,
    }
}
