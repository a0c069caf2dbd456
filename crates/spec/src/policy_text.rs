//! A policy as a document.

use crate::policy::{Alerts, Policy, ProcessRule, Protection, ServiceRule, SwapPolicy, SwapSize, Threshold};
use crate::roles::values::{share_text, size_text};
use crate::size::Bytes;
use crate::yaml::Yaml;

type Pairs = Vec<(String, Yaml)>;

/// Writes a policy as a document that reads back as the same policy.
#[must_use]
pub fn policy_to_document(policy: &Policy, role: &str) -> String {
    let mut config = Pairs::new();
    add(&mut config, "swap", policy.swap.as_ref().map(swap));
    add(&mut config, "swappiness", policy.swappiness.map(|number| Yaml::Number(number.into())));
    add(&mut config, "oom_protection", policy.oom_protection.as_ref().map(protection));
    add(&mut config, "alerts", (policy.alerts != Alerts::default()).then(|| alerts(&policy.alerts)));
    add(&mut config, "agent", policy.agent.map(Yaml::Bool));
    Yaml::map([("role", Yaml::word(role)), ("memory_config", Yaml::Map(config))]).document()
}

fn add(pairs: &mut Pairs, key: &str, value: Option<Yaml>) {
    pairs.extend(value.map(|value| (key.to_owned(), value)));
}

fn number(number: impl Into<i64>) -> Yaml {
    Yaml::Number(number.into())
}

fn size(bytes: Bytes) -> Yaml {
    Yaml::word(size_text(bytes))
}

fn swap(swap: &SwapPolicy) -> Yaml {
    let mut pairs = Pairs::new();
    let wanted = match swap.size {
        SwapSize::Bytes(bytes) => size(bytes),
        SwapSize::RamPermille(permille) => Yaml::word(share_text(permille)),
    };
    add(&mut pairs, "size", Some(wanted));
    add(&mut pairs, "minimum", swap.minimum.map(size));
    add(&mut pairs, "file", Some(Yaml::word(&swap.file)));
    add(&mut pairs, "priority", swap.priority.map(number));
    Yaml::Map(pairs)
}

fn protection(protection: &Protection) -> Yaml {
    let Protection { systemd_user, tmux_sessions, services, load, expendable, processes } = protection;
    let mut pairs = Pairs::new();
    add(&mut pairs, "systemd_user", systemd_user.map(|score| number(score.get())));
    add(&mut pairs, "tmux_sessions", tmux_sessions.map(|score| number(score.get())));
    let services: Pairs = services.iter().map(|(unit, rule)| (unit.to_string(), service(rule))).collect();
    add(&mut pairs, "services", (!services.is_empty()).then_some(Yaml::Map(services)));
    add(&mut pairs, "load", Some(number(load.get())));
    let expendable: Pairs =
        expendable.iter().map(|(unit, score)| (unit.to_string(), number(score.get()))).collect();
    add(&mut pairs, "expendable", (!expendable.is_empty()).then_some(Yaml::Map(expendable)));
    let processes: Vec<Yaml> = processes.iter().map(process).collect();
    add(&mut pairs, "processes", (!processes.is_empty()).then_some(Yaml::List(processes)));
    Yaml::Map(pairs)
}

fn service(ServiceRule { score, memory_low }: &ServiceRule) -> Yaml {
    let score = number(score.get());
    match memory_low {
        None => score,
        Some(low) => Yaml::Flow(vec![("score".to_owned(), score), ("memory_low".to_owned(), size(*low))]),
    }
}

fn process(ProcessRule { exe, command, user, cgroup, score }: &ProcessRule) -> Yaml {
    let mut pairs = Pairs::new();
    for (key, value) in [("exe", exe), ("command", command), ("user", user), ("cgroup", cgroup)] {
        add(&mut pairs, key, value.as_ref().map(Yaml::word));
    }
    add(&mut pairs, "score", Some(number(score.get())));
    Yaml::Flow(pairs)
}

fn alerts(alerts: &Alerts) -> Yaml {
    let mut pairs = Pairs::new();
    let usage = alerts.swap_usage.map(|usage| {
        let mut steps = Pairs::new();
        add(&mut steps, "warning", usage.warning.map(|step| threshold("above", step)));
        add(&mut steps, "critical", usage.critical.map(|step| threshold("above", step)));
        Yaml::Flow(steps)
    });
    add(&mut pairs, "swap_usage", usage);
    add(&mut pairs, "oom_events", alerts.oom_events.then(|| Yaml::word("any")));
    add(
        &mut pairs,
        "memory_pressure",
        alerts.memory_pressure.map(|step| threshold("full_avg60_above", step)),
    );
    add(&mut pairs, "hook", alerts.hook.as_ref().map(Yaml::word));
    add(&mut pairs, "webhook", alerts.webhook.as_ref().map(Yaml::word));
    Yaml::Map(pairs)
}

fn threshold(above: &str, Threshold { above_percent, for_seconds }: Threshold) -> Yaml {
    let mut pairs = vec![(above.to_owned(), Yaml::word(format!("{above_percent}%")))];
    let time = match for_seconds {
        0 => None,
        _ if for_seconds.is_multiple_of(3600) => Some(format!("{}h", for_seconds / 3600)),
        _ if for_seconds.is_multiple_of(60) => Some(format!("{}m", for_seconds / 60)),
        _ => Some(format!("{for_seconds}s")),
    };
    add(&mut pairs, "for", time.map(Yaml::word));
    Yaml::Flow(pairs)
}
