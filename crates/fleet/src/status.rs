//! The last known state of every host, from all runs.

use std::collections::BTreeMap;

use oomguard_report::StatusReport;
pub use oomguard_report::record::moment;
use oomguard_report::record::{FactsSeen, HostSeen, kinds};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::failure::Kind;
use crate::host_name::HostName;
use crate::job::Task;
use crate::outcome::{Outcome, State};
use crate::run::{RunError, Runs, StoredRun};

/// The last known state of a host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HostStatus {
    /// The result of its last task.
    pub outcome: Outcome,
    /// The run in which that was.
    pub run: String,
    /// Where its policy comes from.
    pub policy: String,
    /// When it last answered, in seconds since 1970; absent if it never did.
    pub seen: Option<u64>,
    /// What it reported then.
    pub status: Option<StatusReport>,
}

impl HostStatus {
    /// The host as a session document has it.
    #[must_use]
    pub fn seen(&self) -> HostSeen {
        let outcome = &self.outcome;
        let problem = outcome.failure.as_ref();
        HostSeen {
            hostname: outcome.target.name.host().trim_matches(['[', ']']).to_owned(),
            status: self.status_word(),
            seen: self.seen,
            facts: self.status.as_ref().map(FactsSeen::of_status),
            differs: kinds(&outcome.findings),
            problem: problem.map(|failure| (failure.message.clone(), failure.advice.clone())),
        }
    }

    /// A word for the `verification` section of a document.
    fn status_word(&self) -> &'static str {
        match (&self.outcome.failure, self.outcome.state) {
            (Some(failure), _) if failure.kind == Kind::Unreachable => "unreachable",
            (Some(_), _) => "failed",
            (None, State::Fine) => "operational",
            (None, State::NotReached) => "not_yet_applied",
            (None, _) => "differs",
        }
    }
}

/// All hosts of all runs, the worst first, then the one that has not answered for longest.
///
/// # Errors
/// When the folder of runs cannot be read. A run that cannot is left out.
pub fn latest(runs: &Runs) -> Result<Vec<HostStatus>, RunError> {
    let mut all: BTreeMap<HostName, HostStatus> = BTreeMap::new();
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
    let mut all: Vec<HostStatus> = all.into_values().collect();
    all.sort_by_key(|standing| (standing.outcome.state, standing.seen));
    Ok(all)
}

fn add(all: &mut BTreeMap<HostName, HostStatus>, outcome: Outcome, kept: &StoredRun, policy: String) {
    let name = outcome.target.name.clone();
    let status = outcome.seen.and_then(|_| kept.status(&outcome.target));
    let (seen, run) = (outcome.seen, kept.run.id.clone());
    match all.get_mut(&name) {
        // A run that stopped before this host tells nothing new about it.
        Some(known) if outcome.state == State::NotReached => known.seen = known.seen.max(seen),
        Some(known) => {
            *known = HostStatus {
                outcome,
                run,
                policy,
                seen: seen.or(known.seen),
                status: status.or_else(|| known.status.take()),
            };
        }
        None => drop(all.insert(name, HostStatus { outcome, run, policy, seen, status })),
    }
}
