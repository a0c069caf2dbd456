//! How every host stood when it was last seen, out of all runs.

use std::collections::BTreeMap;

use oomguard_report::StatusReport;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::host_name::HostName;
use crate::job::Task;
use crate::outcome::{Outcome, State};
use crate::run::{Kept, RunError, Runs};

/// How a host stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Standing {
    /// What came of it the last time it was asked.
    pub outcome: Outcome,
    /// The run in which that was.
    pub run: String,
    /// Where its policy comes from.
    pub policy: String,
    /// When it last answered, in seconds since 1970; nothing when it never did.
    pub seen: Option<u64>,
    /// What it reported then.
    pub status: Option<StatusReport>,
}

/// All hosts of all runs, the worst first, and of those the one first that was not seen for longest.
///
/// # Errors
/// When the folder of runs cannot be read. A run that cannot is left out.
pub fn latest(runs: &Runs) -> Result<Vec<Standing>, RunError> {
    let mut all: BTreeMap<HostName, Standing> = BTreeMap::new();
    for id in runs.ids()? {
        let Ok(kept) = runs.open(&id) else { continue };
        if matches!(kept.run.task, Task::Incident { .. }) {
            continue;
        }
        for (outcome, member) in kept.outcomes().into_iter().zip(&kept.run.hosts) {
            let policy = kept.run.policies.get(&member.policy).map(|policy| policy.name.clone());
            add(&mut all, outcome, &kept, policy.unwrap_or_default());
        }
    }
    let mut all: Vec<Standing> = all.into_values().collect();
    all.sort_by_key(|standing| (standing.outcome.state, standing.seen));
    Ok(all)
}

fn add(all: &mut BTreeMap<HostName, Standing>, outcome: Outcome, kept: &Kept, policy: String) {
    let name = outcome.target.name.clone();
    let status = outcome.seen.and_then(|_| kept.status(&outcome.target));
    let (seen, run) = (outcome.seen, kept.run.id.clone());
    match all.get_mut(&name) {
        // That a run was stopped before it says nothing new of it.
        Some(known) if outcome.state == State::NotReached => known.seen = known.seen.max(seen),
        Some(known) => {
            *known = Standing {
                outcome,
                run,
                policy,
                seen: seen.or(known.seen),
                status: status.or_else(|| known.status.take()),
            };
        }
        None => drop(all.insert(name, Standing { outcome, run, policy, seen, status })),
    }
}

/// A moment in UTC, or `never`.
#[must_use]
pub fn moment(seconds: Option<u64>) -> String {
    let time = seconds.and_then(|seconds| i64::try_from(seconds).ok());
    let time = time.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    time.map_or_else(|| "never".to_owned(), |time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}
