//! The scores of live processes: keepers that are not protected, and load that is.

use oomguard_spec::policy::Policy;

use crate::facts::KeeperKind;
use crate::facts::{Facts, Process};
use crate::finding::{Finding, Severity};
use crate::target_score::{Bound, target_score};

const LEAK: &str = "protection-leak";
const UNPROTECTED: &str = "keeper-unprotected";

impl Finding {
    /// Whether it is a live process that has another score than it should and may be given: what the agent's guard mends.
    #[must_use]
    pub fn is_of_a_live_score(&self) -> bool {
        [LEAK, UNPROTECTED].contains(&self.id.as_str())
    }
}

pub(super) fn findings(policy: &Policy, facts: &Facts) -> Vec<Finding> {
    let of_process = |process: &Process| {
        let target = target_score(process, policy);
        let wanted = target.bound.correction(process.score)?;
        let leak = process.score < wanted;
        Some(match (target.fixable, leak) {
            (false, _) => undeclared(process, &target.source),
            (true, true) => leaking(process, wanted, &target.bound, &target.source),
            (true, false) => unprotected(process, wanted, &target.source),
        })
    };
    facts.processes.list.iter().filter_map(of_process).collect()
}

fn leaking(process: &Process, wanted: i32, bound: &Bound, says: &str) -> Finding {
    let should = match bound {
        Bound::Exactly(_) => format!("{wanted}, by {says}"),
        _ => format!("{wanted} or higher, by {says}"),
    };
    Finding::new(LEAK, Severity::Critical, name(process), process.score.to_string(), should)
        .because("it is protected without being declared: the kernel kills others in its place")
        .mended_by(format!("set its oom_score_adj to {wanted}"))
}

fn unprotected(process: &Process, wanted: i32, says: &str) -> Finding {
    let (severity, why) = match process.keeper {
        Some(KeeperKind::UserManager) => (Severity::Critical, "all sessions of its user die with it"),
        Some(_) => (Severity::Warning, "all its panes die with it"),
        None => (Severity::Warning, "it runs with another score than the policy says"),
    };
    Finding::new(
        UNPROTECTED,
        severity,
        name(process),
        process.score.to_string(),
        format!("{wanted}, by {says}"),
    )
    .because(why)
    .mended_by(format!("set its oom_score_adj to {wanted}"))
}

/// Outside sessions and named units: said, and left alone.
fn undeclared(process: &Process, says: &str) -> Finding {
    let unit = process.unit.as_deref().unwrap_or("no unit");
    Finding::new(
        "undeclared-protection",
        Severity::Advice,
        name(process),
        format!("{} in {unit}", process.score),
        format!("what its unit says ({says})"),
    )
    .because("it was started by a protected daemon and inherited its protection")
    .advise(format!("put it in a unit of its own, or declare {unit} under `services` in the policy"))
}

fn name(process: &Process) -> String {
    format!("{} (pid {})", process.comm, process.pid)
}
