//! What is wrong with the swap of a host.

use oomguard_spec::policy::Policy;
use oomguard_spec::size::Bytes;

use crate::change::ChangeKey;
use crate::decisions::Decisions;
use crate::facts::Facts;
use crate::finding::{Finding, FindingKind, Severity};
use crate::layout;
use crate::swap_decision::{NewSwapFile, SwapDecision};

const MIB: u64 = 1 << 20;
const WHY_SWAP: &str = "without swap, the OOM killer runs as soon as memory is full";

pub(super) fn findings(decisions: &Decisions<'_>) -> Vec<Finding> {
    let (policy, facts) = (decisions.policy, decisions.facts);
    let Some(decision) = &decisions.swap else { return Vec::new() };
    let mut found = Vec::new();
    if facts.swap.unknown.is_some() {
        // Listed among what could not be read, and refused by the plan.
        return found;
    }
    if facts.container.is_some() {
        found.extend(in_container(facts, decision));
        return found;
    }
    found.extend(size(decisions, decision));
    found.extend(retired(facts, decision));
    found.extend(switched_off(decision));
    found.extend(persistence(decisions, decision));
    found.extend(stray_lines(facts));
    found.extend(priority(policy, facts, decision));
    found
}

fn in_container(facts: &Facts, decision: &SwapDecision) -> Option<Finding> {
    let kind = facts.container.as_deref()?;
    if decision.total + MIB >= decision.required {
        return None;
    }
    Some(
        Finding::new(
            FindingKind::SwapOfTheHost,
            Severity::Advice,
            "swap",
            format!("{} seen from inside a container ({kind})", amount(decision.total)),
            format!("{} on the container's host", Bytes(decision.wanted)),
        )
        .because("a container has no swap of its own: the kernel of its host swaps")
        .advise("run `oomguard check` on the host"),
    )
}

fn size(decisions: &Decisions<'_>, decision: &SwapDecision) -> Option<Finding> {
    let too_little = decision.total + MIB < decision.required;
    if let Some(file) = &decision.create {
        return Some(new_file(decisions, decision, file, too_little));
    }
    if let Some(why) = &decision.disk_bound
        && decision.refusals.is_empty()
    {
        return Some(
            of_size(decision, FindingKind::SwapDiskBound, Severity::Advice)
                .because(why.clone())
                .advise("use a larger disk, or name another `file` in the policy's `swap`"),
        );
    }
    let (retires, switches_on) = (!decision.retire.is_empty(), !decision.switch_on.is_empty());
    if too_little && !switches_on {
        let kind = if decision.total == 0 { FindingKind::NoSwap } else { FindingKind::SwapTooSmall };
        return Some(
            of_size(decision, kind, Severity::Critical).advise(reasons(decision).unwrap_or_default()),
        );
    }
    (!retires && decision.total + MIB < decision.wanted && !switches_on).then(|| {
        of_size(decision, FindingKind::SwapBelowRecommended, Severity::Advice)
            .because("the existing swap meets the policy's minimum, so it is left as it is")
            .advise("enlarge your swap, or remove it so that oomguard creates one of the recommended size")
    })
}

fn of_size(decision: &SwapDecision, kind: FindingKind, severity: Severity) -> Finding {
    let wanted = Bytes(decision.wanted).to_string();
    Finding::new(kind, severity, "swap", amount(decision.total), wanted).because(WHY_SWAP)
}

fn new_file(
    decisions: &Decisions<'_>,
    decision: &SwapDecision,
    file: &NewSwapFile,
    too_little: bool,
) -> Finding {
    let finding = match (decision.total, too_little) {
        (0, _) => of_size(decision, FindingKind::NoSwap, Severity::Critical),
        (_, true) => of_size(decision, FindingKind::SwapTooSmall, Severity::Critical),
        (_, false) => of_size(decision, FindingKind::SwapSize, Severity::Warning)
            .because("oomguard's swap file has another size than the policy asks for"),
    };
    if let Some(reasons) = reasons(decision) {
        return finding.advise(reasons);
    }
    let mut fix = format!("create {} with {}, switch it on", file.path, Bytes(file.size));
    if !decision.retire.is_empty() {
        fix.push_str(&format!(", then delete {}", decision.retire.join(", ")));
    }
    let fstab = matches!(decisions.fstab, Ok(Some(_)))
        .then(|| ChangeKey::FileWrite { path: layout::FSTAB.to_owned() });
    let retire = decision.retire.iter().map(|path| ChangeKey::SwapRetire { path: path.clone() });
    let create = ChangeKey::SwapCreate { path: file.path.clone() };
    finding.fixed_by(fix, [create].into_iter().chain(fstab).chain(retire))
}

/// Why nothing may be done about the swap.
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
            FindingKind::SwapLeftOver,
            Severity::Warning,
            path,
            if on { "a swap file of oomguard's that is on" } else { "a swap file of oomguard's that is off" },
            "none: another one has replaced it",
        )
        .because("it uses disk space, and nothing needs it")
        .fixed_by(
            if on { "switch it off and delete it" } else { "delete it" },
            [ChangeKey::SwapRetire { path: path.clone() }],
        )
    });
    left.collect()
}

fn switched_off(decision: &SwapDecision) -> Vec<Finding> {
    let off = decision.switch_on.iter().map(|path| {
        Finding::new(FindingKind::SwapOff, Severity::Critical, path, "present, and switched off", "on")
            .because(WHY_SWAP)
            .fixed_by("switch it on", [ChangeKey::SwapOn { path: path.clone() }])
    });
    off.collect()
}

fn persistence(decisions: &Decisions<'_>, decision: &SwapDecision) -> Vec<Finding> {
    let facts = decisions.facts;
    let mut found = Vec::new();
    // A swap that is only about to be created is covered by its own finding.
    if decision.create.is_none()
        && let Ok(Some(edit)) = &decisions.fstab
    {
        for reason in &edit.reasons {
            let change = ChangeKey::FileWrite { path: layout::FSTAB.to_owned() };
            let (is, should) = (&reason.is, &reason.should);
            found.push(
                Finding::new(FindingKind::SwapNotPersistent, Severity::Warning, layout::FSTAB, is, should)
                    .because("after the next boot, swap differs from what is on now")
                    .fixed_by(reason.fix.clone(), [change]),
            );
        }
    }
    for area in facts.swap.on_disk().filter(|area| area.kind == crate::facts::swap::AreaKind::Device) {
        if !facts.swap.is_persistent(&area.path) {
            found.push(
                Finding::new(
                    FindingKind::SwapPartitionByHand,
                    Severity::Advice,
                    &area.path,
                    "on, and not in fstab",
                    "on after a boot",
                )
                .because("nothing known to oomguard switches this partition on at the next boot")
                .advise(format!("add `UUID=... none swap sw,nofail 0 0` for {} to /etc/fstab", area.path)),
            );
        }
    }
    found
}

/// Lines of fstab that a person has to fix. They are never deleted.
fn stray_lines(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    for (first, second) in &facts.swap.duplicates {
        let what = facts.swap.fstab_swaps.iter().find(|entry| entry.line == *second);
        found.push(
            Finding::new(
                FindingKind::FstabDuplicate,
                Severity::Warning,
                format!("{}:{second}", layout::FSTAB),
                format!(
                    "{} a second time, as on line {first}",
                    what.map_or("the same swap", |entry| &entry.spec)
                ),
                "each swap once",
            )
            .because("systemd creates one unit for each swap, and reports the second line at every boot")
            .advise(format!("delete line {first} or line {second} by hand")),
        );
    }
    for entry in facts.swap.fstab_swaps.iter().filter(|entry| !entry.exists && !entry.noauto) {
        found.push(
            Finding::new(
                FindingKind::FstabMissingSwap,
                Severity::Warning,
                format!("{}:{}", layout::FSTAB, entry.line),
                format!("names {}, which does not exist", entry.spec),
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
            FindingKind::SwapPriority,
            Severity::Advice,
            &area.path,
            format!("on with priority {}", area.priority),
            format!("priority {wanted}, which the next boot gives it"),
        )
        .because("the priority of a swap changes only when it is switched off and on")
        .advise("nothing to do: the order of several swaps is not worth a swapoff")
    })
}

fn amount(bytes: u64) -> String {
    if bytes == 0 { "none".to_owned() } else { Bytes(bytes).to_string() }
}
