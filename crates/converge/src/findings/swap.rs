//! What is wrong with the swap of a host.

use oomguard_spec::policy::Policy;
use oomguard_spec::size::Bytes;

use crate::facts::Facts;
use crate::finding::{Finding, Severity};
use crate::fstab_edit;
use crate::layout;
use crate::swap_decision::{self, SwapDecision};

const MIB: u64 = 1 << 20;
const WHY_SWAP: &str = "without room to swap, the OOM killer strikes as soon as memory is full";

pub(super) fn findings(policy: &Policy, facts: &Facts) -> Vec<Finding> {
    let Some(decision) = swap_decision::decide(policy, facts) else { return Vec::new() };
    let mut found = Vec::new();
    if facts.swap.unknown.is_some() {
        // Listed among what could not be read, and refused by the plan.
        return found;
    }
    if facts.container.is_some() {
        found.extend(in_container(facts, &decision));
        return found;
    }
    found.extend(size(&decision));
    found.extend(retired(facts, &decision));
    found.extend(switched_off(&decision));
    found.extend(persistence(policy, facts, &decision));
    found.extend(stray_lines(facts));
    found.extend(priority(policy, facts, &decision));
    found
}

fn in_container(facts: &Facts, decision: &SwapDecision) -> Option<Finding> {
    let kind = facts.container.as_deref()?;
    if decision.total + MIB >= decision.required {
        return None;
    }
    Some(
        Finding::new(
            "swap-of-the-host",
            Severity::Advice,
            "swap",
            format!("{} seen from inside a container ({kind})", amount(decision.total)),
            format!("{} on the container's host", Bytes(decision.wanted)),
        )
        .because("a container has no swap of its own: its host's kernel swaps for it")
        .advise("run `oomguard check` on the host"),
    )
}

fn size(decision: &SwapDecision) -> Option<Finding> {
    let have = decision.total;
    let wanted = Bytes(decision.wanted).to_string();
    let too_little = have + MIB < decision.required;
    let finding = |id, severity| Finding::new(id, severity, "swap", amount(have), &wanted).because(WHY_SWAP);
    if let Some(file) = &decision.create {
        let mend = if decision.retire.is_empty() {
            format!("create {} with {}, switch it on", file.path, Bytes(file.size))
        } else {
            format!(
                "create {} with {}, switch it on, then take {} away",
                file.path,
                Bytes(file.size),
                decision.retire.join(", ")
            )
        };
        let found = match (have, too_little) {
            (0, _) => finding("no-swap", Severity::Critical),
            (_, true) => finding("swap-too-small", Severity::Critical),
            (_, false) => finding("swap-size", Severity::Warning)
                .because("the swap file that oomguard made has another size than the policy asks for"),
        };
        return Some(match reasons(decision) {
            None => found.mended_by(mend),
            Some(reasons) => found.advise(reasons),
        });
    }
    if let Some(why) = &decision.disk_bound
        && decision.refusals.is_empty()
    {
        return Some(
            finding("swap-disk-bound", Severity::Advice)
                .because(why.clone())
                .advise("a larger disk, or another `file` in the policy's `swap`, would allow more"),
        );
    }
    if too_little && decision.switch_on.is_empty() {
        let id = if have == 0 { "no-swap" } else { "swap-too-small" };
        return Some(finding(id, Severity::Critical).advise(reasons(decision).unwrap_or_default()));
    }
    (decision.retire.is_empty() && have + MIB < decision.wanted && decision.switch_on.is_empty()).then(|| {
        finding("swap-below-recommended", Severity::Advice)
            .because("the swap that is there meets the policy's minimum and is left as it is")
            .advise(
                "a larger swap of your own, or none so that oomguard makes one, gives what is recommended",
            )
    })
}

/// Why nothing may be done about the swap, when it is so.
fn reasons(decision: &SwapDecision) -> Option<String> {
    let reasons: Vec<&str> = decision.refusals.iter().map(|refusal| refusal.reason.as_str()).collect();
    (!reasons.is_empty()).then(|| reasons.join("; "))
}

/// A swap file of ours that an interrupted change left behind.
fn retired(facts: &Facts, decision: &SwapDecision) -> Vec<Finding> {
    if decision.create.is_some() {
        return Vec::new();
    }
    let left = decision.retire.iter().map(|path| {
        let on = facts.swap.area(path).is_some();
        Finding::new(
            "swap-left-over",
            Severity::Warning,
            path,
            if on { "a swap file of oomguard's that is on" } else { "a swap file of oomguard's that is off" },
            "gone: another one has taken its place",
        )
        .because("it takes disk space, and nothing needs it")
        .mended_by(if on { "switch it off and delete it" } else { "delete it" })
    });
    left.collect()
}

fn switched_off(decision: &SwapDecision) -> Vec<Finding> {
    let off = decision.switch_on.iter().map(|path| {
        Finding::new("swap-off", Severity::Critical, path, "there, and switched off", "on")
            .because(WHY_SWAP)
            .mended_by("switch it on")
    });
    off.collect()
}

fn persistence(policy: &Policy, facts: &Facts, decision: &SwapDecision) -> Vec<Finding> {
    let mut found = Vec::new();
    let Some(swap) = &policy.swap else { return found };
    // A swap that is only about to be made is no finding of its own.
    if decision.create.is_none()
        && let Ok(edit) = fstab_edit::edit(facts, decision, swap)
        && let Some(change) = edit
    {
        for what in change.reasons {
            found.push(
                Finding::new("swap-not-persistent", Severity::Warning, layout::FSTAB, what.is, what.should)
                    .because("the next boot does not have the swap that is on now")
                    .mended_by(what.mend),
            );
        }
    }
    for area in facts.swap.on_disk().filter(|area| area.kind == crate::facts::swap::AreaKind::Device) {
        if !facts.swap.is_persistent(&area.path) {
            found.push(
                Finding::new(
                    "swap-partition-by-hand",
                    Severity::Advice,
                    &area.path,
                    "on, and not in fstab",
                    "on after a boot",
                )
                .because("nothing that oomguard knows switches this partition on at the next boot")
                .advise(format!("add `UUID=... none swap sw,nofail 0 0` for {} to /etc/fstab", area.path)),
            );
        }
    }
    found
}

/// Lines of fstab that a person has to look at. They are never deleted.
fn stray_lines(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    for (first, second) in &facts.swap.duplicates {
        let what = facts.swap.fstab_swaps.iter().find(|entry| entry.line == *second);
        found.push(
            Finding::new(
                "fstab-duplicate",
                Severity::Warning,
                format!("{}:{second}", layout::FSTAB),
                format!("{} again, as on line {first}", what.map_or("the same swap", |entry| &entry.spec)),
                "each swap once",
            )
            .because("systemd makes one unit a swap, and complains about the second line at every boot")
            .advise(format!("delete line {first} or line {second} by hand")),
        );
    }
    for entry in facts.swap.fstab_swaps.iter().filter(|entry| !entry.exists && !entry.noauto) {
        found.push(
            Finding::new(
                "fstab-missing-swap",
                Severity::Warning,
                format!("{}:{}", layout::FSTAB, entry.line),
                format!("names {}, and there is nothing", entry.spec),
                "a swap that exists",
            )
            .because("the boot waits for it, or fails to switch it on")
            .advise(format!("create it, or delete line {} by hand", entry.line)),
        );
    }
    found
}

fn priority(policy: &Policy, facts: &Facts, decision: &SwapDecision) -> Option<Finding> {
    let wanted = policy.swap.as_ref()?.priority?;
    let area = facts.swap.area(decision.keep.as_deref()?)?;
    (decision.create.is_none() && area.priority != i32::from(wanted)).then(|| {
        Finding::new(
            "swap-priority",
            Severity::Advice,
            &area.path,
            format!("on with priority {}", area.priority),
            format!("priority {wanted}, which the next boot gives it"),
        )
        .because("the priority of a swap changes only when it is switched off and on")
        .advise("nothing to do; the order of several swaps is not worth a swapoff")
    })
}

fn amount(bytes: u64) -> String {
    if bytes == 0 { "none".to_owned() } else { Bytes(bytes).to_string() }
}
