//! A policy as a document.

use std::fmt::Write as _;

use crate::policy::{Policy, ProcessRule, Protection, ServiceRule, SwapPolicy, SwapSize, Threshold};
use crate::roles::values::{share_text, size_text};

/// Writes a policy as a document that reads back as the same policy.
#[must_use]
pub fn policy_to_document(policy: &Policy, role: &str) -> String {
    let mut text = format!("role: {}\n\nmemory_config:", quote(role));
    let before = text.len();
    if let Some(swap) = &policy.swap {
        push_swap(&mut text, swap);
    }
    if let Some(swappiness) = policy.swappiness {
        _ = write!(text, "\n  swappiness: {swappiness}");
    }
    if let Some(protection) = &policy.oom_protection {
        push_protection(&mut text, protection);
    }
    push_alerts(&mut text, policy);
    if let Some(agent) = policy.agent {
        _ = write!(text, "\n  agent: {agent}");
    }
    if text.len() == before {
        text.push_str(" {}");
    }
    text.push('\n');
    text
}

fn push_swap(text: &mut String, swap: &SwapPolicy) {
    let size = match swap.size {
        SwapSize::Bytes(bytes) => size_text(bytes),
        SwapSize::RamPermille(permille) => share_text(permille),
    };
    _ = write!(text, "\n  swap:\n    size: {size}");
    if let Some(minimum) = swap.minimum {
        _ = write!(text, "\n    minimum: {}", size_text(minimum));
    }
    _ = write!(text, "\n    file: {}", quote(&swap.file));
    if let Some(priority) = swap.priority {
        _ = write!(text, "\n    priority: {priority}");
    }
}

fn push_protection(text: &mut String, protection: &Protection) {
    text.push_str("\n  oom_protection:");
    if let Some(score) = protection.systemd_user {
        _ = write!(text, "\n    systemd_user: {score}");
    }
    if let Some(score) = protection.tmux_sessions {
        _ = write!(text, "\n    tmux_sessions: {score}");
    }
    if !protection.services.is_empty() {
        text.push_str("\n    services:");
    }
    for (unit, ServiceRule { score, memory_low }) in &protection.services {
        _ = match memory_low {
            None => write!(text, "\n      {}: {score}", quote(unit.as_str())),
            Some(low) => {
                write!(
                    text,
                    "\n      {}: {{score: {score}, memory_low: {}}}",
                    quote(unit.as_str()),
                    size_text(*low)
                )
            }
        };
    }
    _ = write!(text, "\n    load: {}", protection.load);
    if !protection.expendable.is_empty() {
        text.push_str("\n    expendable:");
    }
    for (unit, score) in &protection.expendable {
        _ = write!(text, "\n      {}: {score}", quote(unit.as_str()));
    }
    if !protection.processes.is_empty() {
        text.push_str("\n    processes:");
    }
    for rule in &protection.processes {
        push_process(text, rule);
    }
}

fn push_process(text: &mut String, rule: &ProcessRule) {
    let stated =
        [("exe", &rule.exe), ("command", &rule.command), ("user", &rule.user), ("cgroup", &rule.cgroup)];
    let stated =
        stated.iter().filter_map(|(key, value)| Some(format!("{key}: {}, ", quote(value.as_ref()?))));
    _ = write!(text, "\n      - {{{}score: {}}}", stated.collect::<String>(), rule.score);
}

fn push_alerts(text: &mut String, policy: &Policy) {
    let alerts = &policy.alerts;
    if *alerts == crate::policy::Alerts::default() {
        return;
    }
    text.push_str("\n  alerts:");
    if let Some(usage) = &alerts.swap_usage {
        let steps = [("warning", usage.warning), ("critical", usage.critical)];
        let stated =
            steps.iter().filter_map(|(name, step)| Some(format!("{name}: {}", threshold("above", (*step)?))));
        _ = write!(text, "\n    swap_usage: {{{}}}", stated.collect::<Vec<_>>().join(", "));
    }
    if alerts.oom_events {
        text.push_str("\n    oom_events: any");
    }
    if let Some(pressure) = alerts.memory_pressure {
        _ = write!(text, "\n    memory_pressure: {}", threshold("full_avg60_above", pressure));
    }
    if let Some(hook) = &alerts.hook {
        _ = write!(text, "\n    hook: {}", quote(hook));
    }
    if let Some(webhook) = &alerts.webhook {
        _ = write!(text, "\n    webhook: {}", quote(webhook));
    }
}

fn threshold(above: &str, threshold: Threshold) -> String {
    let seconds = threshold.for_seconds;
    let time = match seconds {
        0 => String::new(),
        _ if seconds.is_multiple_of(3600) => format!(", for: {}h", seconds / 3600),
        _ if seconds.is_multiple_of(60) => format!(", for: {}m", seconds / 60),
        _ => format!(", for: {seconds}s"),
    };
    format!("{{{above}: {}%{time}}}", threshold.above_percent)
}

/// A word as it is where any reader takes it for that text, else in quotes.
pub(crate) fn quote(text: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "._-/@".contains(c);
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    if starts
        && text.chars().all(safe)
        && crate::resolve::plain(text).is_string()
        && !crate::resolve::is_ambiguous(text)
    {
        text.to_owned()
    } else {
        // JSON's escapes are YAML's, too.
        serde_json::Value::from(text).to_string()
    }
}
