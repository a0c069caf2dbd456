//! What two policies ask differently: setting by setting, whatever form and order they are written in.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::document::{Document, PolicyError};
use crate::policy::{Policy, ProcessRule, Protection, ServiceRule, SwapSize, Threshold};
use crate::roles::values::{share_text, size_text};

/// The name and version of the form below.
pub const SCHEMA: &str = "oomguard.spec-diff/1";

/// One setting that two policies state differently.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Difference {
    /// Its place in a `memory_config`: `swap.size`.
    pub setting: String,
    /// What the first asks. `None`: it does not ask for it.
    pub before: Option<String>,
    /// What the second asks.
    pub after: Option<String>,
}

/// What two documents ask differently of one role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct OfRole {
    /// The role in the first document. `None`: it has no such role.
    pub before: Option<String>,
    /// The role in the second document.
    pub after: Option<String>,
    /// The settings that differ, in the order of the alphabet; all of them where one document has no such role.
    pub differences: Vec<Difference>,
}

/// What two documents ask differently.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Comparison {
    /// `oomguard.spec-diff/1`
    pub schema: String,
    /// The first document.
    pub before: String,
    /// The second document.
    pub after: String,
    /// Whether they ask the same.
    pub same: bool,
    /// Every role that was compared.
    pub roles: Vec<OfRole>,
}

/// What two policies ask differently.
#[must_use]
pub fn between(before: &Policy, after: &Policy) -> Vec<Difference> {
    of(&settings(before), &settings(after))
}

fn of(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<Difference> {
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let differs = names.into_iter().filter(|name| before.get(*name) != after.get(*name));
    differs
        .map(|name| Difference {
            setting: name.clone(),
            before: before.get(name).cloned(),
            after: after.get(name).cloned(),
        })
        .collect()
}

/// Compares two documents: the role that is named, or every role of both. Two documents with one role each are compared
/// whatever they call it.
///
/// # Errors
/// When a document has no policy or no such role, or a policy is wrong; with the document that it is about.
pub fn documents<'d>(
    before: &'d Document,
    after: &'d Document,
    role: Option<&str>,
) -> Result<Comparison, (&'d Document, PolicyError)> {
    let policy =
        |document: &'d Document, role: Option<&str>| document.policy(role).map_err(|error| (document, error));
    let (ours, theirs) = (before.roles(), after.roles());
    let mut roles = Vec::new();
    let both = |before: Policy, after: Policy, names: [&str; 2]| OfRole {
        before: Some(names[0].to_owned()),
        after: Some(names[1].to_owned()),
        differences: between(&before, &after),
    };
    match (role, ours.as_slice(), theirs.as_slice()) {
        (Some(role), ..) => {
            roles.push(both(policy(before, Some(role))?, policy(after, Some(role))?, [role, role]));
        }
        // The error says that there is none.
        (None, [], _) | (None, _, []) => {
            policy(before, None)?;
            policy(after, None)?;
        }
        (None, [one], [other]) => {
            roles.push(both(policy(before, None)?, policy(after, None)?, [one.as_str(), other.as_str()]));
        }
        (None, ours, theirs) => {
            let none = BTreeMap::new();
            for role in ours {
                let mine = policy(before, Some(role))?;
                if theirs.contains(role) {
                    roles.push(both(mine, policy(after, Some(role))?, [role.as_str(), role.as_str()]));
                } else {
                    let differences = of(&settings(&mine), &none);
                    roles.push(OfRole { before: Some(role.clone()), after: None, differences });
                }
            }
            for role in theirs.iter().filter(|role| !ours.contains(role)) {
                let differences = of(&none, &settings(&policy(after, Some(role))?));
                roles.push(OfRole { before: None, after: Some(role.clone()), differences });
            }
        }
    }
    Ok(Comparison {
        schema: SCHEMA.to_owned(),
        before: before.name().to_owned(),
        after: after.name().to_owned(),
        same: roles
            .iter()
            .all(|role| role.before.is_some() && role.after.is_some() && role.differences.is_empty()),
        roles,
    })
}

/// Everything that a policy asks, by its place in a `memory_config`. Two policies are the same when this is.
#[must_use]
pub fn settings(policy: &Policy) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut add = |name: &str, value: String| drop(found.insert(name.to_owned(), value));
    if let Some(swap) = &policy.swap {
        let size = match swap.size {
            SwapSize::Bytes(bytes) => size_text(bytes),
            SwapSize::RamPermille(permille) => share_text(permille),
        };
        add("swap.size", size);
        add("swap.file", swap.file.clone());
        if let Some(minimum) = swap.minimum {
            add("swap.minimum", size_text(minimum));
        }
        if let Some(priority) = swap.priority {
            add("swap.priority", priority.to_string());
        }
    }
    if let Some(swappiness) = policy.swappiness {
        add("swappiness", swappiness.to_string());
    }
    if let Some(protection) = &policy.oom_protection {
        protected(protection, &mut add);
    }
    let alerts = &policy.alerts;
    if let Some(usage) = &alerts.swap_usage {
        // `swap_usage: {}` enables the alert without any level.
        add("alerts.swap_usage", "asked for".to_owned());
        for (name, step) in [("warning", usage.warning), ("critical", usage.critical)] {
            if let Some(step) = step {
                add(&format!("alerts.swap_usage.{name}"), threshold(step));
            }
        }
    }
    add("alerts.oom_events", if alerts.oom_events { "any" } else { "none" }.to_owned());
    if let Some(pressure) = alerts.memory_pressure {
        add("alerts.memory_pressure.full_avg60_above", threshold(pressure));
    }
    for (name, value) in [("hook", &alerts.hook), ("webhook", &alerts.webhook)] {
        if let Some(value) = value {
            add(&format!("alerts.{name}"), value.clone());
        }
    }
    if let Some(agent) = policy.agent {
        add("agent", agent.to_string());
    }
    found
}

fn protected(protection: &Protection, add: &mut impl FnMut(&str, String)) {
    for (name, score) in
        [("systemd_user", protection.systemd_user), ("tmux_sessions", protection.tmux_sessions)]
    {
        if let Some(score) = score {
            add(&format!("oom_protection.{name}"), score.to_string());
        }
    }
    add("oom_protection.load", protection.load.to_string());
    for (unit, ServiceRule { score, memory_low }) in &protection.services {
        let low = memory_low.map(|low| format!(", memory_low {}", size_text(low))).unwrap_or_default();
        add(&format!("oom_protection.services.{unit}"), format!("{score}{low}"));
    }
    for (unit, score) in &protection.expendable {
        add(&format!("oom_protection.expendable.{unit}"), score.to_string());
    }
    // The first rule that fits decides: their order is a part of what they ask.
    for (at, rule) in protection.processes.iter().enumerate() {
        add(&format!("oom_protection.processes[{}]", at + 1), process(rule));
    }
}

fn process(rule: &ProcessRule) -> String {
    let parts =
        [("exe", &rule.exe), ("command", &rule.command), ("user", &rule.user), ("cgroup", &rule.cgroup)];
    let stated = parts.iter().filter_map(|(name, value)| Some(format!("{name} {:?}, ", value.as_ref()?)));
    format!("{}score {}", stated.collect::<String>(), rule.score)
}

fn threshold(step: Threshold) -> String {
    format!("{}% for {}s", step.above_percent, step.for_seconds)
}
