//! One self-contained page: no network, no script; light and dark; readable on a phone.

use std::fmt::Write as _;

use super::picture;
use crate::explain::policy_of;
use crate::minutes::Minutes;
use crate::model::{Incident, Kill};
use crate::render::cspec::memory_config;
use crate::shown::{size, size_or_dash};
use oomguard_text::html as h;

/// How many rows a table has.
const MAX_ROWS: usize = 50;

const STYLE: &str = include_str!("page.css");

/// One incident as a page. Before the kill are drawn when a recorder has them.
#[must_use]
pub fn html(incident: &Incident, source: &str, lost_records: u64, minutes: Option<&Minutes>) -> String {
    let mut out = String::with_capacity(16 * 1024);
    let when = incident.start.as_deref().unwrap_or("time unknown");
    _ = write!(
        out,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>Out of memory: {0}</title><style>\n{STYLE}</style></head><body>\n<h1>Out of memory: {0}</h1>\n",
        h(when)
    );
    _ = writeln!(out, "<p class=\"lead\">{}.</p>", h(&capital(&incident.summary)));
    let lost = if lost_records > 0 {
        format!(" The log is incomplete: {lost_records} records are missing.")
    } else {
        String::new()
    };
    _ = writeln!(
        out,
        "<p class=\"dim\">Limit: {}. Source: {}.{lost}</p>",
        h(&super::limit(incident)),
        h(source)
    );
    died(&mut out, incident);
    list(&mut out, "Also lost", &incident.lost.what);
    before_minutes(&mut out, incident, minutes);
    memory(&mut out, incident);
    list(&mut out, "Why these processes", &incident.why);
    cause(&mut out, incident);
    change(&mut out, incident);
    if let Some(before) = super::before(incident) {
        _ = writeln!(out, "<h2>Earlier incidents</h2><p>{}.</p>", h(&before));
    }
    out.push_str("</body></html>\n");
    out
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

fn died(out: &mut String, incident: &Incident) {
    out.push_str("<h2>Killed processes</h2>\n");
    if incident.kills.is_empty() && incident.reaped_only.is_empty() {
        out.push_str("<p>The log names no process.</p>\n");
        return;
    }
    out.push_str(
        "<div class=\"wide\"><table><tr><th>process</th><th class=\"n\">pid</th><th class=\"n\">anonymous</th>\
         <th class=\"n\">swap</th><th class=\"n\">score adj</th><th class=\"path\">cgroup</th></tr>\n",
    );
    for kill in incident.kills.iter().take(MAX_ROWS) {
        row(out, kill);
    }
    out.push_str("</table></div>\n");
    let more = incident.kills.len().saturating_sub(MAX_ROWS) as u64 + incident.kills_left_out;
    if more > 0 {
        _ = writeln!(out, "<p>{more} more</p>");
    }
    for task in incident.reaped_only.iter().take(MAX_ROWS) {
        let pid = task.pid.map(|pid| pid.to_string()).unwrap_or_default();
        _ = writeln!(
            out,
            "<p>{} (pid {pid}) is named only by the OOM reaper; its kill line is missing.</p>",
            h(task.comm.as_deref().unwrap_or("?"))
        );
    }
}

fn row(out: &mut String, kill: &Kill) {
    let number = |value: Option<i64>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
    let by = if kill.by == "kernel" {
        String::new()
    } else {
        format!(" <span class=\"dim\">by {}</span>", h(&kill.by))
    };
    _ = writeln!(
        out,
        "<tr><td class=\"name\">{}{by}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
         <td class=\"n\">{}</td><td class=\"path\">{}</td></tr>",
        h(kill.comm.as_deref().unwrap_or("-")),
        number(kill.pid.map(i64::from)),
        size_or_dash(kill.anon_rss_kib),
        size_or_dash(kill.swap_kib),
        number(kill.oom_score_adj),
        h(kill.memcg.as_deref().unwrap_or("-")),
    );
}

fn list(out: &mut String, title: &str, items: &[String]) {
    if items.is_empty() {
        return;
    }
    _ = writeln!(out, "<h2>{title}</h2>\n<ul>");
    for item in items {
        _ = writeln!(out, "<li>{}</li>", h(item));
    }
    out.push_str("</ul>\n");
}

fn before_minutes(out: &mut String, incident: &Incident, minutes: Option<&Minutes>) {
    let Some(minutes) = minutes else { return };
    let Some(picture) = picture::minutes(minutes) else { return };
    _ = writeln!(
        out,
        "<h2>Before the kill</h2>\n<p class=\"dim\"><span class=\"sw\"></span>memory in use \
         <span class=\"sw s\"></span>swap in use</p>\n{picture}"
    );
    if let Some(growth) = &incident.growth {
        _ = writeln!(out, "<p>{}.</p>", h(&super::growth(growth)));
    }
}

fn memory(out: &mut String, incident: &Incident) {
    let (whole, holders) = (picture::whole(incident), picture::holders(incident));
    if whole.is_none() && holders.is_none() && incident.culprit.is_none() {
        return;
    }
    out.push_str("<h2>Largest processes</h2>\n");
    if let Some(culprit) = &incident.culprit {
        let held = culprit.rss_kib.map(|rss| size(rss.saturating_add(culprit.swap_kib.unwrap_or(0))));
        let held = held.map(|held| format!("{held}, ")).unwrap_or_default();
        _ = writeln!(
            out,
            "<p>{} ({}) held {held}{}% of all process memory; {} killed.</p>",
            h(&culprit.program),
            oomguard_text::counted(culprit.processes, "process", "processes"),
            culprit.share_percent,
            culprit.killed
        );
    }
    if let Some(holders) = holders {
        _ = writeln!(
            out,
            "{holders}\n<p class=\"dim\"><span class=\"sw\"></span>resident <span class=\"sw s\"></span>swapped out \
             <span class=\"sw k\"></span>† killed</p>"
        );
    }
    if let Some(whole) = whole {
        let of = if incident.memory.limit_kib.is_some() { "The cgroup's limit" } else { "The host's memory" };
        let all = size_or_dash(incident.memory.limit_kib.or(incident.memory.ram_kib));
        let swap = match (incident.memory.swap_total_kib, incident.memory.swap_free_kib) {
            (Some(0), _) => " No swap.".to_owned(),
            (Some(total), free) => format!(" Swap: {}, {} free.", size(total), size_or_dash(free)),
            _ => String::new(),
        };
        _ = writeln!(out, "<p>{of} of {all}.{swap}</p>\n{whole}");
    }
}

fn cause(out: &mut String, incident: &Incident) {
    _ = writeln!(out, "<h2>Cause</h2>\n<p>{}.</p>", h(&capital(incident.cause.words())));
    for also in &incident.also {
        _ = writeln!(out, "<p>Also: {}.</p>", h(also.words()));
    }
    if incident.evidence.is_empty() {
        return;
    }
    out.push_str("<ul class=\"log\">\n");
    for proof in &incident.evidence {
        _ = writeln!(
            out,
            "<li><span class=\"dim\">line {}</span> <code>{}</code></li>",
            proof.line,
            h(&proof.text)
        );
    }
    out.push_str("</ul>\n");
}

fn change(out: &mut String, incident: &Incident) {
    if incident.advice.is_empty() {
        return;
    }
    out.push_str("<h2>Recommended changes</h2>\n<ul>\n");
    for advice in &incident.advice {
        _ = writeln!(out, "<li>{}: {}</li>", h(&advice.what), h(&advice.why));
    }
    out.push_str("</ul>\n");
    if let Some(policy) = policy_of(incident) {
        _ = writeln!(
            out,
            "<p>As a policy for <code>oomguard plan --spec FILE</code>:</p>\n<pre>{}</pre>",
            h(&memory_config(policy))
        );
    }
}
