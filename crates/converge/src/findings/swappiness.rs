//! What is wrong with vm.swappiness, now and at the next boot.

use oomguard_spec::policy::Policy;

use crate::facts::Facts;
use crate::facts::sysctl::KEY;
use crate::finding::{Finding, Severity};
use crate::layout;

pub(super) fn findings(policy: &Policy, facts: &Facts) -> Vec<Finding> {
    let Some(wanted) = policy.swappiness else { return Vec::new() };
    if facts.container.is_some() {
        return Vec::new();
    }
    let mut found = Vec::new();
    let why = "a low value keeps programs in memory and swaps before anything is killed";
    if let Some(live) = facts.swappiness.live
        && live != u32::from(wanted)
    {
        found.push(
            Finding::new("swappiness", Severity::Warning, KEY, live.to_string(), wanted.to_string())
                .because(why)
                .mended_by(format!("set {KEY} to {wanted} now")),
        );
    }
    found.extend(at_boot(facts, wanted));
    found.extend(procps_last(facts, wanted));
    found
}

fn at_boot(facts: &Facts, wanted: u8) -> Option<Finding> {
    let should = format!("{wanted} after a boot");
    let Some(winner) = facts.swappiness.winner() else {
        return Some(
            Finding::new("swappiness-not-persistent", Severity::Warning, KEY, "set by no file", should)
                .because("the next boot has the kernel's default of 60")
                .mended_by(format!("write {}", layout::SYSCTL)),
        );
    };
    if winner.value == wanted.to_string() {
        return None;
    }
    let place = format!("{}:{}", winner.path, winner.line);
    let finding = Finding::new(
        "swappiness-not-persistent",
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
            .mended_by(format!("write {}, which comes later", layout::SYSCTL))
    } else {
        finding.because(format!("{} comes later than {} and wins", winner.path, layout::SYSCTL)).advise(
            format!("change or delete line {} of {}; oomguard does not touch it", winner.line, winner.path),
        )
    })
}

/// `sysctl --system` reads /etc/sysctl.conf after everything else, unlike the boot.
fn procps_last(facts: &Facts, wanted: u8) -> Option<Finding> {
    let line = facts.swappiness.procps_last.as_ref()?;
    (line.value != wanted.to_string()).then(|| {
        Finding::new(
            "swappiness-sysctl-conf",
            Severity::Advice,
            format!("{}:{}", line.path, line.line),
            format!("sets {KEY} to {}", line.value),
            wanted.to_string(),
        )
        .because("the boot is not affected, but `sysctl --system` applies this file last")
        .advise("change or delete that line; oomguard does not touch it")
    })
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
