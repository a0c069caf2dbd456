//! What systemd is told about scores: what will hold after the next start of each unit.

use oomguard_spec::policy::{Policy, Protection};
use oomguard_spec::score::Score;

use super::agent;
use crate::facts::Facts;
use crate::facts::units::Setting;
use crate::finding::{Finding, Severity};
use crate::managed_files;

pub(super) fn findings(policy: &Policy, facts: &Facts) -> Vec<Finding> {
    let Some(protection) = &policy.oom_protection else { return Vec::new() };
    if facts.systemd.is_none() {
        return vec![no_systemd()];
    }
    let to_write = managed_files::to_write(policy, facts);
    let mends = |path_part: &str| {
        to_write.iter().find(|file| file.path.contains(path_part)).map(|file| format!("write {}", file.path))
    };
    let mut found = Vec::new();
    found.extend(user_manager(protection, facts, mends("/user@.service.d/")));
    found.extend(user_load(protection, facts, mends("/systemd/user")));
    for (unit, score, must_survive) in named(protection) {
        let mend = mends(&format!("/system/{}/", unit.drop_in_dir()));
        found.extend(service(unit.as_str(), score, must_survive, facts, mend));
    }
    // A file of ours that says the right score and differs in something else, say after an update of oomguard.
    for file in &to_write {
        // The agent's unit differs because its program does, and that is said elsewhere.
        if agent::is_stale_unit(facts, file) {
            continue;
        }
        if facts.units.managed_files.contains_key(&file.path)
            && !found.iter().any(|f| mentions(f, &file.path))
        {
            found.push(
                Finding::new(
                    "own-file-differs",
                    Severity::Warning,
                    &file.path,
                    "not as oomguard writes it",
                    "as the policy says",
                )
                .because("somebody changed it, or it is of another version or policy")
                .mended_by("write it again"),
            );
        }
    }
    for path in managed_files::stale(policy, facts) {
        found.push(
            Finding::new(
                "own-file-stale",
                Severity::Warning,
                path,
                "a file of oomguard's",
                "gone: the policy no longer asks for it",
            )
            .because("it still changes who is killed first")
            .mended_by("take it away"),
        );
    }
    found
}

fn mentions(finding: &Finding, path: &str) -> bool {
    finding.mend.as_ref().is_some_and(|mend| mend.contains(path))
}

fn named(protection: &Protection) -> impl Iterator<Item = (&oomguard_spec::unit::UnitPattern, Score, bool)> {
    let services = protection.services.iter().map(|(unit, rule)| (unit, rule.score, true));
    services.chain(protection.expendable.iter().map(|(unit, score)| (unit, *score, false)))
}

fn no_systemd() -> Finding {
    Finding::new("no-systemd", Severity::Advice, "systemd", "not installed", "drop-ins for keepers")
        .because(
            "oomguard protects services and user managers through systemd; live processes are still checked",
        )
        .advise("use a policy without `oom_protection` here, or protect the services by their own means")
}

fn user_manager(protection: &Protection, facts: &Facts, mend: Option<String>) -> Option<Finding> {
    let wanted = protection.systemd_user?;
    let setting = facts.units.scores.get("user@.service").and_then(|unit| unit.score.as_ref());
    if setting.and_then(Setting::score) == Some(wanted.get()) {
        return None;
    }
    let finding = Finding::new(
        "user-manager-unprotected",
        Severity::Critical,
        "user@.service",
        said(setting),
        format!("OOMScoreAdjust={wanted}"),
    )
    .because("a killed user manager takes all sessions of its user along");
    Some(finish(finding, setting, mend))
}

fn user_load(protection: &Protection, facts: &Facts, mend: Option<String>) -> Option<Finding> {
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
        "load-inherits",
        Severity::Critical,
        "user services",
        is,
        format!("score {load}"),
    )
    .because("what a user manager starts inherits its protection, and that is the load that eats the memory");
    Some(finish(finding, setting, mend))
}

fn service(
    unit: &str,
    wanted: Score,
    must_survive: bool,
    facts: &Facts,
    mend: Option<String>,
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
            "service-unprotected",
            "when memory runs out it may be killed although the policy says it must survive",
        )
    } else {
        ("service-not-expendable", "the policy wants it to go before anything that matters")
    };
    let mut is = said(setting);
    if !installed {
        is.push_str("; not installed yet");
    }
    let finding = Finding::new(id, severity, unit, is, format!("OOMScoreAdjust={wanted}")).because(why);
    Some(finish(finding, setting, mend))
}

/// Either our file mends it, or somebody's later file wins over ours.
fn finish(finding: Finding, setting: Option<&Setting>, mend: Option<String>) -> Finding {
    match (mend, setting) {
        (Some(mend), _) => finding.mended_by(mend),
        (None, Some(setting)) => finding.advise(format!(
            "{}:{} comes later than oomguard's file and wins; change or delete that line, oomguard does not touch it",
            setting.path, setting.line
        )),
        (None, None) => finding.advise("see `systemctl cat` of the unit"),
    }
}

fn said(setting: Option<&Setting>) -> String {
    match setting {
        Some(setting) => format!("OOMScoreAdjust={} ({}:{})", setting.value, setting.path, setting.line),
        None => "no OOMScoreAdjust".to_owned(),
    }
}
