//! Markdown for an issue.

use std::fmt::Write as _;

use crate::explain::policy_of;
use crate::model::Incident;
use crate::render::cspec::memory_config;
use crate::shown::size_or_dash;
use oomguard_text::markdown as md;

/// How many rows a table has.
const MAX_ROWS: usize = 20;

/// One incident as Markdown.
#[must_use]
pub fn markdown(incident: &Incident, source: &str, lost_records: u64) -> String {
    let mut out = String::new();
    let when = incident.start.as_deref().unwrap_or("time unknown");
    _ = writeln!(out, "# Out of memory: {}\n", md(when));
    _ = writeln!(out, "**{}.**", md(&incident.summary));
    _ = writeln!(out, "Limit: {}. Source: {}.", md(&super::limit(incident)), md(source));
    if lost_records > 0 {
        _ = writeln!(out, "The log is incomplete: {lost_records} records are missing.");
    }
    died(&mut out, incident);
    list(&mut out, "Also lost", &incident.lost.what);
    consumers(&mut out, incident);
    if let Some(growth) = &incident.growth {
        _ = writeln!(out, "\n{}.", md(&super::growth(growth)));
    }
    list(&mut out, "Why these processes", &incident.why);
    _ = writeln!(out, "\n## Cause\n\n{}.", md(incident.cause.words()));
    for also in &incident.also {
        _ = writeln!(out, "Also: {}.", md(also.words()));
    }
    out.push('\n');
    for proof in &incident.evidence {
        // As text, not as a code block: a log line could end that.
        _ = writeln!(out, "- line {}: {}", proof.line, md(&proof.text));
    }
    advice(&mut out, incident);
    if let Some(before) = super::before(incident) {
        _ = writeln!(out, "\n## Earlier incidents\n\n{}.", md(&before));
    }
    out
}

fn died(out: &mut String, incident: &Incident) {
    _ = writeln!(out, "\n## Killed processes\n");
    if incident.kills.is_empty() && incident.reaped_only.is_empty() {
        _ = writeln!(out, "The log names no process.");
        return;
    }
    _ = writeln!(
        out,
        "| process | pid | by | anonymous | swap | oom_score_adj | cgroup |\n|---|---|---|---|---|---|---|"
    );
    for kill in incident.kills.iter().take(MAX_ROWS) {
        let number = |value: Option<i64>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
        _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} |",
            md(kill.comm.as_deref().unwrap_or("-")),
            number(kill.pid.map(i64::from)),
            md(&kill.by),
            size_or_dash(kill.anon_rss_kib),
            size_or_dash(kill.swap_kib),
            number(kill.oom_score_adj),
            md(kill.memcg.as_deref().unwrap_or("-")),
        );
    }
    let more = incident.kills.len().saturating_sub(MAX_ROWS) as u64 + incident.kills_left_out;
    if more > 0 {
        _ = writeln!(out, "\n{more} more.");
    }
    for task in incident.reaped_only.iter().take(MAX_ROWS) {
        let pid = task.pid.map(|pid| pid.to_string()).unwrap_or_default();
        let name = md(task.comm.as_deref().unwrap_or("?"));
        _ = writeln!(out, "\n{name} (pid {pid}) is named only by the OOM reaper; its kill line is missing.");
    }
}

fn list(out: &mut String, title: &str, items: &[String]) {
    if items.is_empty() {
        return;
    }
    _ = writeln!(out, "\n## {title}\n");
    for item in items {
        _ = writeln!(out, "- {}", md(item));
    }
}

fn consumers(out: &mut String, incident: &Incident) {
    if incident.top_consumers.is_empty() {
        return;
    }
    _ = writeln!(out, "\n## Largest processes\n");
    if let Some(culprit) = &incident.culprit {
        let processes = oomguard_text::counted(culprit.processes, "process", "processes");
        _ = writeln!(
            out,
            "{} ({processes}) held {}% of all process memory; {} killed.\n",
            md(&culprit.program),
            culprit.share_percent,
            culprit.killed
        );
    }
    _ = writeln!(
        out,
        "| process | pid | resident | swap | oom_score_adj | killed |\n|---|---|---|---|---|---|"
    );
    for task in &incident.top_consumers {
        _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} |",
            md(task.comm.as_deref().unwrap_or("-")),
            task.pid,
            size_or_dash(task.rss_kib),
            size_or_dash(task.swap_kib),
            task.oom_score_adj.map_or_else(|| "-".to_owned(), |adj| adj.to_string()),
            if task.killed { "yes" } else { "no" },
        );
    }
}

fn advice(out: &mut String, incident: &Incident) {
    if incident.advice.is_empty() {
        return;
    }
    _ = writeln!(out, "\n## Recommended changes\n");
    for advice in &incident.advice {
        _ = writeln!(out, "- {}: {}", md(&advice.what), md(&advice.why));
    }
    if let Some(policy) = policy_of(incident) {
        _ = writeln!(
            out,
            "\nAs a policy for `oomguard plan --spec FILE`:\n\n```yaml\n{}```",
            memory_config(policy)
        );
    }
}
