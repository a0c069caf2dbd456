//! A session document with the incident in the team's own form, and the change as a policy that `plan` takes.

use std::fmt::Write as _;

use oomguard_spec::Yaml;
use serde_json::Value;

use crate::explain::policy_of;
use crate::model::{Consumer, Incident};
use crate::shown::{size, size_or_dash};

/// How many entries a list has.
const MAX_ENTRIES: usize = 30;

/// One incident as a cspec document, valid for `oomguard spec check`.
#[must_use]
pub fn cspec(incident: &Incident, source: &str) -> String {
    let date = day(incident);
    let id = date.as_deref().map_or_else(|| "oom-incident".to_owned(), |date| format!("{date}-oom-incident"));
    let victims = oomguard_text::counted(incident.kills.len() as u64, "process", "processes");
    let mut pairs = vec![("id".to_owned(), Yaml::text(id)), ("type".to_owned(), Yaml::word("session"))];
    pairs.extend(date.map(|date| ("date".to_owned(), Yaml::Day(date))));
    let rest = [
        ("status", Yaml::word("open")),
        ("priority", Yaml::word("high")),
        ("title", Yaml::text(format!("Out of memory: {victims} killed"))),
        ("summary", Yaml::text(incident.summary.clone())),
        ("context", context(incident, source)),
        ("next_steps", Yaml::texts(next_steps(incident))),
    ];
    pairs.extend(rest.map(|(key, value)| (key.to_owned(), value)));
    Yaml::Map(pairs).document() + &change(incident, "oomguard plan --spec THIS_FILE").unwrap_or_default()
}

/// The `context` of a session document: `incident` and `investigation`. Other records of a session have it, too.
#[must_use]
pub fn context(incident: &Incident, source: &str) -> Yaml {
    let happened = Yaml::map([
        ("date", Yaml::text(incident.start.as_deref().unwrap_or("not in the log"))),
        ("symptom", Yaml::text(symptom(incident))),
        ("root_cause", Yaml::text(incident.cause.words())),
        ("trigger", Yaml::text(trigger(incident))),
        ("impact", Yaml::text(impact(incident))),
    ]);
    Yaml::map([("incident", happened), ("investigation", investigation(incident, source))])
}

fn investigation(incident: &Incident, source: &str) -> Yaml {
    let memory = &incident.memory;
    let amounts = [
        ("memory_available", memory.ram_kib.map(|ram| format!("{} RAM", size(ram)))),
        ("cgroup_limit", memory.limit_kib.map(size)),
        ("swap_before", memory.swap_total_kib.map(size)),
    ];
    let mut pairs = vec![("source".to_owned(), Yaml::text(source))];
    pairs.extend(amounts.into_iter().filter_map(|(key, amount)| Some((key.to_owned(), Yaml::Text(amount?)))));
    pairs.push(("oom_events".to_owned(), events(incident)));
    pairs.push(("top_consumers".to_owned(), consumers(incident)));
    let evidence = incident.evidence.iter().map(|proof| format!("line {}: {}", proof.line, proof.text));
    pairs.push(("evidence".to_owned(), Yaml::texts(evidence.take(MAX_ENTRIES))));
    Yaml::Map(pairs)
}

/// What its advice says to do.
#[must_use]
pub fn next_steps(incident: &Incident) -> Vec<String> {
    incident
        .advice
        .iter()
        .take(MAX_ENTRIES)
        .map(|advice| format!("{}: {}", advice.what, advice.why))
        .collect()
}

/// The advice as a `memory_config`, where a policy can say it, under a remark on how to see it.
#[must_use]
pub fn change(incident: &Incident, how: &str) -> Option<String> {
    let policy = policy_of(incident)?;
    Some(format!("\n# The change: {how}\n{}", memory_config(policy)))
}

/// A policy as a document of its own.
pub(super) fn memory_config(policy: serde_json::Map<String, Value>) -> String {
    Yaml::from(&serde_json::json!({ "memory_config": policy })).document()
}

fn events(incident: &Incident) -> Yaml {
    let names = incident.kills.iter().map(|kill| {
        let name = kill.comm.as_deref().or(kill.memcg.as_deref()).unwrap_or("unknown");
        let by = if kill.by == "kernel" { String::new() } else { format!(", by {}", kill.by) };
        kill.pid.map_or_else(|| format!("{name}{by}"), |pid| format!("{name} (PID {pid}){by}"))
    });
    let reaped = incident.reaped_only.iter().filter_map(|task| {
        Some(format!(
            "{} (PID {}), seen only by the OOM reaper",
            task.comm.as_deref().unwrap_or("unknown"),
            task.pid?
        ))
    });
    let all: Vec<String> = names.chain(reaped).collect();
    let mut items: Vec<Yaml> = all
        .iter()
        .take(MAX_ENTRIES)
        .map(|name| Yaml::map([("killed_process", Yaml::text(name.as_str()))]))
        .collect();
    if let Some(more) = all.len().checked_sub(MAX_ENTRIES).filter(|more| *more > 0) {
        items.push(Yaml::map([("more", Yaml::Number(i64::try_from(more).unwrap_or(i64::MAX)))]));
    }
    Yaml::List(items)
}

fn consumers(incident: &Incident) -> Yaml {
    let one = |task: &Consumer| {
        let mut held = size_or_dash(task.rss_kib);
        if let Some(swap) = task.swap_kib.filter(|swap| *swap > 0) {
            _ = write!(held, ", {} in swap", size(swap));
        }
        Yaml::map([
            ("process", Yaml::text(task.comm.as_deref().unwrap_or("unknown"))),
            ("pid", Yaml::Number(task.pid.into())),
            ("held", Yaml::Text(held)),
        ])
    };
    Yaml::List(incident.top_consumers.iter().map(one).collect())
}

fn symptom(incident: &Incident) -> String {
    let names: Vec<String> = incident.kills.iter().filter_map(|kill| kill.comm.clone()).take(6).collect();
    match incident.kills.len() {
        0 => "memory ran out; the log names no victim".to_owned(),
        all if all > names.len() => format!("{} and others killed ({all} in total)", names.join(", ")),
        _ => format!("{} killed", names.join(", ")),
    }
}

fn trigger(incident: &Incident) -> String {
    let culprit = incident.culprit.as_ref().map(|culprit| {
        format!(
            "{} of {}",
            oomguard_text::counted(culprit.processes, "process", "processes"),
            culprit.program
        )
    });
    let asked = incident.triggers.first().and_then(|trigger| trigger.comm.clone());
    match (culprit, asked) {
        (Some(culprit), Some(asked)) => format!("{culprit} held the most memory; {asked} requested more"),
        (Some(culprit), None) => format!("{culprit} held the most memory"),
        (None, Some(asked)) => format!("{asked} requested memory"),
        (None, None) => "not in the log".to_owned(),
    }
}

fn impact(incident: &Incident) -> String {
    if incident.lost.what.is_empty() {
        return symptom(incident);
    }
    incident.lost.what.iter().take(6).cloned().collect::<Vec<_>>().join("; ")
}

/// The day of the incident, where the log has one with its year.
fn day(incident: &Incident) -> Option<String> {
    let start = incident.start.as_deref()?.get(..10)?;
    let digits = start.bytes().enumerate().all(|(at, byte)| match at {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    digits.then(|| start.to_owned())
}
