//! What is wrong with vm.swappiness, now and at the next boot.

use crate::change::ChangeKey;
use crate::decisions::{Decisions, SwappinessDecision};
use crate::facts::Facts;
use crate::facts::sysctl::KEY;
use crate::finding::{Finding, FindingKind, Severity};
use crate::layout;

pub(super) fn findings(decisions: &Decisions<'_>) -> Vec<Finding> {
    let (policy, facts) = (decisions.policy, decisions.facts);
    let Some(wanted) = policy.swappiness.filter(|_| facts.container.is_none()) else { return Vec::new() };
    let live = decisions.swappiness.map(|SwappinessDecision { from, to }| {
        let change = ChangeKey::Sysctl { key: KEY.to_owned() };
        Finding::new(FindingKind::Swappiness, Severity::Warning, KEY, from.to_string(), to.to_string())
            .because("a low value keeps programs in memory, and still swaps before anything is killed")
            .fixed_by(format!("set {KEY} to {to} now"), [change])
    });
    live.into_iter().chain(at_boot(facts, wanted)).chain(procps_last(facts, wanted)).collect()
}

fn at_boot(facts: &Facts, wanted: u8) -> Option<Finding> {
    let should = format!("{wanted} after a boot");
    let write = || ChangeKey::FileWrite { path: layout::SYSCTL.to_owned() };
    let Some(winner) = facts.swappiness.winner() else {
        return Some(
            Finding::new(
                FindingKind::SwappinessNotPersistent,
                Severity::Warning,
                KEY,
                "set by no file",
                should,
            )
            .because("the next boot has the kernel's default of 60")
            .fixed_by(format!("write {}", layout::SYSCTL), [write()]),
        );
    };
    if winner.value == wanted.to_string() {
        return None;
    }
    let place = format!("{}:{}", winner.path, winner.line);
    let finding = Finding::new(
        FindingKind::SwappinessNotPersistent,
        Severity::Warning,
        KEY,
        format!("{place} sets {} at boot", winner.value),
        should,
    );
    let ours_is_last =
        winner.path.as_str() == layout::SYSCTL || file_name(&winner.path) < file_name(layout::SYSCTL);
    Some(if ours_is_last {
        finding
            .because("that file decides at the next boot")
            .fixed_by(format!("write {}, which comes after it", layout::SYSCTL), [write()])
    } else {
        finding.because(format!("{} comes after {} and wins", winner.path, layout::SYSCTL)).advise(format!(
            "change or delete line {} of {}; oomguard does not touch it",
            winner.line, winner.path
        ))
    })
}

/// `sysctl --system` reads /etc/sysctl.conf after everything else, unlike the boot.
fn procps_last(facts: &Facts, wanted: u8) -> Option<Finding> {
    let line = facts.swappiness.procps_last.as_ref()?;
    (line.value != wanted.to_string()).then(|| {
        Finding::new(
            FindingKind::SwappinessSysctlConf,
            Severity::Advice,
            format!("{}:{}", line.path, line.line),
            format!("sets {KEY} to {}", line.value),
            wanted.to_string(),
        )
        .because("a boot ignores this file, but `sysctl --system` applies it last")
        .advise("change or delete that line; oomguard does not touch it")
    })
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
