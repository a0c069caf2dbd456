//! The `memory_config` mapping: every key is known, every value is checked where it stands.

use super::partial::{At, Partial};
use super::processes;
use super::values;
use crate::diagnostic::Sink;
use crate::node::{Entry, Node};
use crate::policy::{ServiceRule, SwapUsageAlert, Threshold};
use crate::text::{nearest, quoted};

/// Reads a `memory_config`.
pub(crate) fn read(node: &Node, sink: &mut Sink<'_>) -> Partial {
    let mut partial = Partial::default();
    let keys = ["swap", "swappiness", "oom_protection", "alerts", "agent"];
    each(node, "memory_config", &keys, sink, |entry, sink| match entry.key.text.as_str() {
        "swap" => swap(entry, &mut partial, sink),
        "swappiness" => partial.swappiness = at(&entry.value, values::swappiness, sink),
        "oom_protection" => protection(entry, &mut partial, sink),
        "agent" => partial.agent = at(&entry.value, values::yes_or_no, sink),
        _ => alerts(&entry.value, &mut partial, sink),
    });
    partial
}

fn at<T>(node: &Node, read: fn(&Node, &mut Sink<'_>) -> Option<T>, sink: &mut Sink<'_>) -> Option<At<T>> {
    read(node, sink).map(|value| At { value, range: node.range.clone() })
}

/// Calls back for each pair whose key is known, and reports the others.
pub(super) fn each(
    node: &Node,
    what: &str,
    keys: &[&str],
    sink: &mut Sink<'_>,
    mut read: impl FnMut(&Entry, &mut Sink<'_>),
) {
    let Some(entries) = node.entries() else {
        let message = format!("`{what}` must be a mapping, not {}", node.kind());
        sink.error("wrong-kind", &node.range, message, &format!("expected keys: {}", keys.join(", ")));
        return;
    };
    for entry in entries {
        let key = entry.key.text.as_str();
        if keys.contains(&key) {
            read(entry, sink);
            continue;
        }
        let message = format!("unknown key {} in `{what}`", quoted(key));
        let help = match nearest(key, keys.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("known keys: {}", keys.join(", ")),
        };
        sink.error("unknown-key", &entry.key_range, message, &help);
    }
}

fn swap(entry: &Entry, partial: &mut Partial, sink: &mut Sink<'_>) {
    partial.swap = Some(entry.key_range.clone());
    // `swap: 32GB` says all that is needed.
    if entry.value.text().is_some() && !entry.value.is_null() {
        size(&entry.value, partial, sink);
        return;
    }
    partial.size_unreadable = entry.value.entries().is_none();
    let keys = ["size", "minimum", "file", "priority", "encrypted"];
    each(&entry.value, "swap", &keys, sink, |entry, sink| match entry.key.text.as_str() {
        "size" => size(&entry.value, partial, sink),
        "minimum" => partial.minimum = at(&entry.value, values::size, sink),
        "file" => partial.file = at(&entry.value, values::swap_file, sink),
        "priority" => partial.priority = at(&entry.value, values::priority, sink),
        _ => not_encrypted(&entry.value, sink),
    });
}

fn size(node: &Node, partial: &mut Partial, sink: &mut Sink<'_>) {
    partial.size = at(node, values::swap_size, sink);
    partial.size_unreadable = partial.size.is_none();
}

fn not_encrypted(node: &Node, sink: &mut Sink<'_>) {
    let help = "write `encrypted: false`; to use encrypted swap, set up dm-crypt (crypttab(5)) and let the policy \
                adopt that swap by its size";
    match node.to_json() {
        serde_json::Value::Bool(false) => {}
        serde_json::Value::Bool(true) => {
            let message = "oomguard does not set up encrypted swap".to_owned();
            sink.error("encrypted", &node.range, message, help);
        }
        _ => sink.error("encrypted", &node.range, "`encrypted` must be `true` or `false`".to_owned(), help),
    }
}

fn protection(entry: &Entry, partial: &mut Partial, sink: &mut Sink<'_>) {
    partial.protection = Some(entry.key_range.clone());
    let keys = ["systemd_user", "tmux_sessions", "services", "load", "expendable", "processes"];
    each(&entry.value, "oom_protection", &keys, sink, |entry, sink| match entry.key.text.as_str() {
        "systemd_user" => partial.systemd_user = at(&entry.value, values::score, sink),
        "tmux_sessions" => partial.tmux_sessions = at(&entry.value, values::score, sink),
        "load" => partial.load = at(&entry.value, values::score, sink),
        "processes" => partial.processes.extend(processes::read(&entry.value, sink)),
        "services" => units(&entry.value, "services", sink, |unit, node, sink| {
            if let Some(value) = service(node, sink) {
                partial.services.insert(unit, At { value, range: node.range.clone() });
            }
        }),
        _ => units(&entry.value, "expendable", sink, |unit, node, sink| {
            if let Some(found) = at(node, values::score, sink) {
                partial.expendable.insert(unit, found);
            }
        }),
    });
}

fn units(
    node: &Node,
    what: &str,
    sink: &mut Sink<'_>,
    mut read: impl FnMut(crate::unit::UnitPattern, &Node, &mut Sink<'_>),
) {
    let Some(entries) = node.entries() else {
        if !node.is_null() {
            let message = format!("`{what}` must map each service to a score, not be {}", node.kind());
            sink.error("wrong-kind", &node.range, message, "write for example `{adnet.service: -900}`");
        }
        return;
    };
    for entry in entries {
        if let Some(unit) = values::unit(&entry.key.text, &entry.key_range, sink) {
            read(unit, &entry.value, sink);
        }
    }
}

fn service(node: &Node, sink: &mut Sink<'_>) -> Option<ServiceRule> {
    if node.entries().is_none() {
        return values::score(node, sink).map(|score| ServiceRule { score, memory_low: None });
    }
    let (mut score, mut memory_low, mut named) = (None, None, false);
    each(node, "a service", &["score", "memory_low"], sink, |entry, sink| match entry.key.text.as_str() {
        "score" => {
            named = true;
            score = values::score(&entry.value, sink);
        }
        _ => memory_low = values::size(&entry.value, sink),
    });
    if !named {
        sink.error(
            "no-score",
            &node.range,
            "the service has no score".to_owned(),
            "add for example `score: -900`",
        );
    }
    score.map(|score| ServiceRule { score, memory_low })
}

fn alerts(node: &Node, partial: &mut Partial, sink: &mut Sink<'_>) {
    let keys = ["swap_usage", "oom_events", "memory_pressure", "hook", "webhook"];
    each(node, "alerts", &keys, sink, |entry, sink| match entry.key.text.as_str() {
        "swap_usage" => {
            let mut alert = SwapUsageAlert { warning: None, critical: None };
            each(&entry.value, "swap_usage", &["warning", "critical"], sink, |entry, sink| {
                let found = threshold(&entry.value, "above", sink);
                if entry.key.text == "warning" { alert.warning = found } else { alert.critical = found }
            });
            partial.swap_usage = Some(alert);
        }
        "oom_events" => match entry.value.text() {
            Some("any") => partial.oom_events = Some(true),
            Some("none") => partial.oom_events = Some(false),
            _ => {
                let message = "`oom_events` must be `any` or `none`".to_owned();
                sink.error(
                    "oom-events",
                    &entry.value.range,
                    message,
                    "write `any` to be alerted of every OOM kill",
                );
            }
        },
        "hook" => partial.hook = values::hook(&entry.value, sink),
        "webhook" => partial.webhook = values::webhook(&entry.value, sink),
        _ => partial.memory_pressure = threshold(&entry.value, "full_avg60_above", sink),
    });
}

fn threshold(node: &Node, above_key: &str, sink: &mut Sink<'_>) -> Option<Threshold> {
    let (mut above, mut time, mut named) = (None, Some(0), false);
    each(node, "an alert", &[above_key, "for"], sink, |entry, sink| {
        if entry.key.text == "for" {
            time = values::seconds(&entry.value, sink);
        } else {
            named = true;
            above = values::percent(&entry.value, sink);
        }
    });
    if !named && node.entries().is_some() {
        let message = format!("the alert has no `{above_key}`");
        sink.error("no-threshold", &node.range, message, &format!("add for example `{above_key}: 50%`"));
    }
    Some(Threshold { above_percent: above?, for_seconds: time? })
}
