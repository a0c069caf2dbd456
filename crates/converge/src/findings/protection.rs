//! The settings of systemd for scores: what takes effect with the next start of each unit.

use oomguard_spec::policy::Protection;
use oomguard_spec::score::Score;
use oomguard_spec::unit::UnitPattern;

use crate::change::ChangeKey;
use crate::decisions::Decisions;
use crate::facts::Facts;
use crate::facts::units::Setting;
use crate::finding::{Finding, FindingKind, Severity};
use crate::layout::{self, ManagedFile};

pub(super) fn findings(decisions: &Decisions<'_>) -> Vec<Finding> {
    let facts = decisions.facts;
    let Some(protection) = &decisions.policy.oom_protection else { return Vec::new() };
    if facts.systemd.is_none() {
        return vec![no_systemd()];
    }
    let writes = |path: &str| decisions.files.write.iter().find(|file| file.path == path);
    let mut found = Vec::new();
    found.extend(user_manager(protection, facts, writes(layout::USER_MANAGER)));
    let load = writes(layout::USER_LOAD).or_else(|| writes(layout::USER_LOAD_OLD));
    found.extend(user_load(protection, facts, load));
    for (unit, score, must_survive) in named(protection) {
        let file = writes(&layout::service_path(unit));
        found.extend(service(unit.as_str(), score, must_survive, facts, file));
    }
    found.extend(managed_files(decisions, &found));
    found
}

/// Files of ours that set the right score and differ in something else, say after an update, and stale ones.
fn managed_files(decisions: &Decisions<'_>, found: &[Finding]) -> Vec<Finding> {
    let facts = decisions.facts;
    // The agent's unit differs when its program does, and that is another finding.
    let new_program = decisions.agent.program.is_some_and(|program| program.missing.is_some());
    let differing = decisions.files.write.iter().filter(|file| {
        let change = ChangeKey::FileWrite { path: file.path.clone() };
        facts.units.managed_files.contains_key(&file.path)
            && !(new_program && file.path == layout::AGENT_UNIT)
            && !found.iter().any(|finding| finding.changes.contains(&change))
    });
    let differs = |file: &ManagedFile| {
        let (kind, path) = (FindingKind::OwnFileDiffers, file.path.clone());
        Finding::new(
            kind,
            Severity::Warning,
            &path,
            "other contents",
            "as oomguard writes it for this policy",
        )
        .because("it was edited, or is of another version or policy")
        .fixed_by("write it again", [ChangeKey::FileWrite { path }])
    };
    let stale = |path: &String| {
        let (kind, path) = (FindingKind::OwnFileStale, path.clone());
        Finding::new(
            kind,
            Severity::Warning,
            &path,
            "a file of oomguard's",
            "none: the policy no longer asks for it",
        )
        .because("it still changes which process is killed first")
        .fixed_by("delete it", [ChangeKey::FileRemove { path }])
    };
    differing.map(differs).chain(decisions.files.remove.iter().map(stale)).collect()
}

fn named(protection: &Protection) -> impl Iterator<Item = (&UnitPattern, Score, bool)> {
    let services = protection.services.iter().map(|(unit, rule)| (unit, rule.score, true));
    services.chain(protection.expendable.iter().map(|(unit, score)| (unit, *score, false)))
}

fn no_systemd() -> Finding {
    Finding::new(FindingKind::NoSystemd, Severity::Advice, "systemd", "not installed", "drop-ins for keepers")
        .because(
            "oomguard protects services and user managers through systemd; live processes are still checked",
        )
        .advise("use a policy without `oom_protection` here, or protect services by other means")
}

fn user_manager(protection: &Protection, facts: &Facts, file: Option<&ManagedFile>) -> Option<Finding> {
    let wanted = protection.systemd_user?;
    let setting = facts.units.scores.get("user@.service").and_then(|unit| unit.score.as_ref());
    if setting.and_then(Setting::score) == Some(wanted.get()) {
        return None;
    }
    let finding = Finding::new(
        FindingKind::UserManagerUnprotected,
        Severity::Critical,
        "user@.service",
        shown(setting),
        format!("OOMScoreAdjust={wanted}"),
    )
    .because("when a user manager is killed, all sessions of its user end");
    Some(finish(finding, setting, file))
}

fn user_load(protection: &Protection, facts: &Facts, file: Option<&ManagedFile>) -> Option<Finding> {
    protection.systemd_user?;
    let load = protection.load;
    let setting = facts.units.user_default.as_ref();
    if setting.and_then(Setting::score) == Some(load.get()) {
        return None;
    }
    let is = match setting {
        Some(setting) => format!("{} ({}:{})", setting.value, setting.path, setting.line),
        None => "not set".to_owned(),
    };
    let finding = Finding::new(
        FindingKind::LoadInherits,
        Severity::Critical,
        "user services",
        is,
        format!("score {load}"),
    )
    .because("what a user manager starts inherits its protection, and that is the load that uses the memory");
    Some(finish(finding, setting, file))
}

fn service(
    unit: &str,
    wanted: Score,
    must_survive: bool,
    facts: &Facts,
    file: Option<&ManagedFile>,
) -> Option<Finding> {
    let facts = facts.units.scores.get(&unit.replace('*', ""));
    let setting = facts.and_then(|unit| unit.score.as_ref());
    if setting.and_then(Setting::score) == Some(wanted.get()) {
        return None;
    }
    let installed = facts.is_some_and(|unit| unit.installed);
    // What is not installed cannot be killed; its drop-in waits for it.
    let severity = if must_survive && installed { Severity::Critical } else { Severity::Warning };
    let (id, why) = if must_survive {
        (
            FindingKind::ServiceUnprotected,
            "it may be killed when memory runs out, and the policy says that it must survive",
        )
    } else {
        (FindingKind::ServiceNotExpendable, "the policy wants it killed before anything that matters")
    };
    let mut is = shown(setting);
    if !installed {
        is.push_str("; not installed yet");
    }
    let finding = Finding::new(id, severity, unit, is, format!("OOMScoreAdjust={wanted}")).because(why);
    Some(finish(finding, setting, file))
}

/// Either our file fixes it, or a later file of somebody else wins over ours.
fn finish(finding: Finding, setting: Option<&Setting>, file: Option<&ManagedFile>) -> Finding {
    match (file, setting) {
        (Some(file), _) => {
            let path = file.path.clone();
            finding.fixed_by(format!("write {path}"), [ChangeKey::FileWrite { path }])
        }
        (None, Some(setting)) => finding.advise(format!(
            "{}:{} comes after oomguard's file and wins; change or delete that line, oomguard does not touch it",
            setting.path, setting.line
        )),
        (None, None) => finding.advise("see `systemctl cat` of the unit"),
    }
}

fn shown(setting: Option<&Setting>) -> String {
    match setting {
        Some(setting) => format!("OOMScoreAdjust={} ({}:{})", setting.value, setting.path, setting.line),
        None => "no OOMScoreAdjust".to_owned(),
    }
}
