//! The scores of live processes: keepers that are not protected, and load that is.

use crate::change::ChangeKey;
use crate::decisions::Decisions;
use crate::facts::{KeeperKind, Process};
use crate::finding::{Finding, FindingKind, Severity};
use crate::target_score::{Bound, ScoreDecision};

pub(super) fn findings(decisions: &Decisions<'_>) -> Vec<Finding> {
    let of_process = |decision: &ScoreDecision<'_>| {
        let leak = decision.process.score < decision.to;
        match (decision.target.fixable, leak) {
            (false, _) => undeclared(decision),
            (true, true) => fixed(leaking(decision), decision),
            (true, false) => fixed(unprotected(decision), decision),
        }
    };
    decisions.scores.iter().map(of_process).collect()
}

fn fixed(finding: Finding, decision: &ScoreDecision<'_>) -> Finding {
    let change = ChangeKey::Score { pid: decision.process.pid };
    finding.fixed_by(format!("set its oom_score_adj to {}", decision.to), [change])
}

fn leaking(decision: &ScoreDecision<'_>) -> Finding {
    let ScoreDecision { process, target, to } = decision;
    let or_higher = if matches!(target.bound, Bound::Exactly(_)) { "" } else { " or higher" };
    about(
        FindingKind::ProtectionLeak,
        Severity::Critical,
        process,
        format!("{to}{or_higher}, by {}", target.source),
    )
    .because("undeclared protection: the kernel kills other processes in its place")
}

fn unprotected(decision: &ScoreDecision<'_>) -> Finding {
    let ScoreDecision { process, target, to } = decision;
    let (severity, why) = match process.keeper {
        Some(KeeperKind::UserManager) => (Severity::Critical, "all sessions of its user end with it"),
        Some(_) => (Severity::Warning, "all its panes end with it"),
        None => (Severity::Warning, "its score is not the one that the policy sets"),
    };
    about(FindingKind::KeeperUnprotected, severity, process, format!("{to}, by {}", target.source))
        .because(why)
}

/// Outside of sessions and named units: reported, and left alone.
fn undeclared(decision: &ScoreDecision<'_>) -> Finding {
    let ScoreDecision { process, target, .. } = decision;
    let unit = process.unit.as_deref().unwrap_or("no unit");
    Finding::new(
        FindingKind::UndeclaredProtection,
        Severity::Advice,
        name(process),
        format!("{} in {unit}", process.score),
        format!("the score of its unit ({})", target.source),
    )
    .because("inherited protection: a protected daemon started it")
    .advise(format!("move it to a unit of its own, or declare {unit} under `services` in the policy"))
}

fn about(kind: FindingKind, severity: Severity, process: &Process, should: String) -> Finding {
    Finding::new(kind, severity, name(process), process.score.to_string(), should)
}

fn name(process: &Process) -> String {
    format!("{} (pid {})", process.comm, process.pid)
}
