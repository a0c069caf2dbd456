//! A session document with the incident in the team's own form, and the change as a policy that `plan` takes.

use std::fmt::Write as _;

use serde_json::Value;

use crate::explain::policy_of;
use crate::model::Incident;
use crate::size::{size, size_or_dash};

/// How many entries a list has.
const MOST: usize = 30;

/// One incident as a cspec document, valid for `oomguard spec check`.
#[must_use]
pub fn cspec(incident: &Incident, source: &str) -> String {
    let mut out = String::new();
    let date = day(incident);
    let id = date.as_deref().map_or_else(|| "oom-incident".to_owned(), |date| format!("{date}-oom-incident"));
    _ = writeln!(out, "id: {}", quoted(&id));
    _ = writeln!(out, "type: session");
    if let Some(date) = &date {
        _ = writeln!(out, "date: {date}");
    }
    _ = writeln!(out, "status: open\npriority: high\n");
    let victims = super::counted(incident.kills.len() as u64, "process", "processes");
    _ = writeln!(out, "title: {}\n", quoted(&format!("Out of memory: {victims} killed")));
    _ = writeln!(out, "summary: {}\n", quoted(&incident.summary));
    _ = writeln!(out, "context:\n  incident:");
    _ = writeln!(out, "    date: {}", quoted(incident.start.as_deref().unwrap_or("not in the log")));
    _ = writeln!(out, "    symptom: {}", quoted(&symptom(incident)));
    _ = writeln!(out, "    root_cause: {}", quoted(incident.cause.words()));
    _ = writeln!(out, "    trigger: {}", quoted(&trigger(incident)));
    _ = writeln!(out, "    impact: {}", quoted(&impact(incident)));
    _ = writeln!(out, "\n  investigation:\n    source: {}", quoted(source));
    if let Some(ram) = incident.memory.ram_kib {
        _ = writeln!(out, "    memory_available: {}", quoted(&format!("{} RAM", size(ram))));
    }
    if let Some(limit) = incident.memory.limit_kib {
        _ = writeln!(out, "    cgroup_limit: {}", quoted(&size(limit)));
    }
    if let Some(swap) = incident.memory.swap_total_kib {
        _ = writeln!(out, "    swap_before: {}", quoted(&size(swap)));
    }
    events(&mut out, incident);
    consumers(&mut out, incident);
    lines(
        &mut out,
        "    evidence",
        incident.evidence.iter().map(|proof| format!("line {}: {}", proof.line, proof.text)),
    );
    lines(
        &mut out,
        "next_steps",
        incident.advice.iter().map(|advice| format!("{}: {}", advice.what, advice.why)),
    );
    if let Some(policy) = policy_of(incident) {
        _ = writeln!(out, "\n# The change: oomguard plan --spec THIS_FILE");
        out.push_str(&yaml(&serde_json::json!({ "memory_config": policy }), 0));
    }
    out
}

fn events(out: &mut String, incident: &Incident) {
    let names = incident.kills.iter().map(|kill| {
        let name = kill.comm.as_deref().or(kill.memcg.as_deref()).unwrap_or("unknown");
        let by = if kill.by == "kernel" { String::new() } else { format!(", by {}", kill.by) };
        kill.pid.map_or_else(|| format!("{name}{by}"), |pid| format!("{name} (PID {pid}){by}"))
    });
    let reaped = incident.reaped_only.iter().filter_map(|task| {
        Some(format!(
            "{} (PID {}), seen by the reaper only",
            task.comm.as_deref().unwrap_or("unknown"),
            task.pid?
        ))
    });
    let all: Vec<String> = names.chain(reaped).collect();
    if all.is_empty() {
        out.push_str("    oom_events: []\n");
        return;
    }
    out.push_str("    oom_events:\n");
    for name in all.iter().take(MOST) {
        _ = writeln!(out, "      - killed_process: {}", quoted(name));
    }
    if all.len() > MOST {
        _ = writeln!(out, "      - more: {}", all.len() - MOST);
    }
}

fn consumers(out: &mut String, incident: &Incident) {
    if incident.top_consumers.is_empty() {
        out.push_str("    top_consumers: []\n");
        return;
    }
    out.push_str("    top_consumers:\n");
    for task in &incident.top_consumers {
        let name = quoted(task.comm.as_deref().unwrap_or("unknown"));
        let mut held = size_or_dash(task.rss_kib);
        if let Some(swap) = task.swap_kib.filter(|swap| *swap > 0) {
            _ = write!(held, ", {} in swap", size(swap));
        }
        _ = writeln!(
            out,
            "      - process: {name}\n        pid: {}\n        held: {}",
            task.pid,
            quoted(&held)
        );
    }
}

fn lines(out: &mut String, key: &str, items: impl Iterator<Item = String>) {
    let indent: String = key.chars().take_while(|c| *c == ' ').collect();
    let mut items = items.take(MOST).peekable();
    if items.peek().is_none() {
        return;
    }
    _ = writeln!(out, "{}{key}:", if indent.is_empty() { "\n" } else { "" });
    for item in items {
        _ = writeln!(out, "{indent}  - {}", quoted(&item));
    }
}

fn symptom(incident: &Incident) -> String {
    let names: Vec<String> = incident.kills.iter().filter_map(|kill| kill.comm.clone()).take(6).collect();
    match incident.kills.len() {
        0 => "memory ran out; the log names no victim".to_owned(),
        all if all > names.len() => format!("{} and others were killed ({all} in all)", names.join(", ")),
        _ => format!("{} killed", names.join(", ")),
    }
}

fn trigger(incident: &Incident) -> String {
    let culprit = incident.culprit.as_ref().map(|culprit| {
        format!("{} of {}", super::counted(culprit.processes, "process", "processes"), culprit.program)
    });
    let asked = incident.triggers.first().and_then(|trigger| trigger.comm.clone());
    match (culprit, asked) {
        (Some(culprit), Some(asked)) => format!("{culprit} held the most memory; {asked} asked for more"),
        (Some(culprit), None) => format!("{culprit} held the most memory"),
        (None, Some(asked)) => format!("{asked} asked for memory"),
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

/// A text as YAML takes it whatever is in it: the strings of JSON are YAML, too.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// A value as YAML in blocks.
#[must_use]
pub fn yaml(value: &Value, indent: usize) -> String {
    let pad = " ".repeat(indent);
    let mut out = String::new();
    let Some(map) = value.as_object() else { return out };
    for (key, value) in map {
        let plain = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let key = if plain { key.clone() } else { quoted(key) };
        match value {
            Value::Object(_) => _ = write!(out, "{pad}{key}:\n{}", yaml(value, indent + 2)),
            Value::String(text)
                if text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"./_-".contains(&byte)) =>
            {
                _ = writeln!(out, "{pad}{key}: {text}");
            }
            other => _ = writeln!(out, "{pad}{key}: {other}"),
        }
    }
    out
}
