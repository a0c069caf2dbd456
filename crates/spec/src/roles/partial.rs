//! A policy under construction: what one place of a document states, each thing with where it stands.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::diagnostic::{Severity, Sink};
use crate::policy::{
    Alerts, Policy, ProcessRule, Protection, ServiceRule, SwapPolicy, SwapSize, SwapUsageAlert, Threshold,
};
use crate::score::Score;
use crate::size::Bytes;
use crate::unit::UnitPattern;

/// The default path of a new swap file.
const SWAP_FILE: &str = "/swapfile";

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) range: Range<usize>,
}

/// What is stated so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Partial {
    /// Where swap is spoken of.
    pub(crate) swap: Option<Range<usize>>,
    pub(crate) size: Option<At<SwapSize>>,
    /// A size is given but invalid; that has been reported.
    pub(crate) size_unreadable: bool,
    pub(crate) minimum: Option<At<Bytes>>,
    pub(crate) file: Option<At<String>>,
    pub(crate) priority: Option<At<i16>>,
    pub(crate) swappiness: Option<At<u8>>,
    /// Where protection is spoken of.
    pub(crate) protection: Option<Range<usize>>,
    pub(crate) systemd_user: Option<At<Score>>,
    pub(crate) tmux_sessions: Option<At<Score>>,
    pub(crate) load: Option<At<Score>>,
    pub(crate) services: BTreeMap<UnitPattern, At<ServiceRule>>,
    pub(crate) expendable: BTreeMap<UnitPattern, At<Score>>,
    pub(crate) processes: Vec<At<ProcessRule>>,
    pub(crate) agent: Option<At<bool>>,
    pub(crate) swap_usage: Option<SwapUsageAlert>,
    pub(crate) oom_events: Option<bool>,
    pub(crate) memory_pressure: Option<Threshold>,
    pub(crate) hook: Option<String>,
    pub(crate) webhook: Option<String>,
}

impl Partial {
    /// What this states, and what `base` states where this is silent. Services of both are protected.
    pub(crate) fn over(self, base: Self) -> Self {
        // A role that gives a size of its own has its own minimum, too: the base's may be larger than that size.
        let minimum = if self.size.is_some() { self.minimum } else { self.minimum.or(base.minimum) };
        let mut services = base.services;
        services.extend(self.services);
        let mut expendable = base.expendable;
        expendable.extend(self.expendable);
        // The first rule that names a process decides, so a role's own come first.
        let mut processes = self.processes;
        processes.extend(base.processes);
        Self {
            processes,
            agent: self.agent.or(base.agent),
            swap: self.swap.or(base.swap),
            size: self.size.or(base.size),
            size_unreadable: self.size_unreadable || base.size_unreadable,
            minimum,
            file: self.file.or(base.file),
            priority: self.priority.or(base.priority),
            swappiness: self.swappiness.or(base.swappiness),
            protection: self.protection.or(base.protection),
            systemd_user: self.systemd_user.or(base.systemd_user),
            tmux_sessions: self.tmux_sessions.or(base.tmux_sessions),
            load: self.load.or(base.load),
            services,
            expendable,
            swap_usage: self.swap_usage.or(base.swap_usage),
            oom_events: self.oom_events.or(base.oom_events),
            memory_pressure: self.memory_pressure.or(base.memory_pressure),
            hook: self.hook.or(base.hook),
            webhook: self.webhook.or(base.webhook),
        }
    }

    /// The whole policy, once nothing more is to come.
    pub(crate) fn finish(&self, sink: &mut Sink<'_>) -> Policy {
        let swap = self.swap.as_ref().and_then(|range| self.swap_policy(range, sink));
        if let Some(load) = self.load.as_ref().filter(|load| load.value < Score::NORMAL) {
            let message =
                format!("a load score of {} would protect everything started in a session", load.value);
            let help = "write `load: 0`; protect the keeper (tmux server or user manager), never the load";
            sink.error("protected-load", &load.range, message, help);
        }
        for (unit, score) in &self.expendable {
            if let Some(rule) = self.services.get(unit) {
                let other = [(rule.range.clone(), "protected here".to_owned())];
                let message = format!("`{unit}` is listed as both protected and expendable");
                let help = "keep one of them";
                sink.push(Severity::Error, "protected-and-expendable", &score.range, &other, message, help);
            }
        }
        Policy {
            swap,
            swappiness: self.swappiness.as_ref().map(|at| at.value),
            oom_protection: self.protection.as_ref().map(|_| Protection {
                systemd_user: self.systemd_user.as_ref().map(|at| at.value),
                tmux_sessions: self.tmux_sessions.as_ref().map(|at| at.value),
                services: self.services.iter().map(|(unit, at)| (unit.clone(), at.value)).collect(),
                load: self.load.as_ref().map_or(Score::NORMAL, |at| at.value),
                expendable: self.expendable.iter().map(|(unit, at)| (unit.clone(), at.value)).collect(),
                processes: self.processes.iter().map(|at| at.value.clone()).collect(),
            }),
            agent: self.agent.as_ref().map(|at| at.value),
            alerts: Alerts {
                swap_usage: self.swap_usage,
                oom_events: self.oom_events.unwrap_or(false),
                memory_pressure: self.memory_pressure,
                hook: self.hook.clone(),
                webhook: self.webhook.clone(),
            },
        }
    }

    fn swap_policy(&self, range: &Range<usize>, sink: &mut Sink<'_>) -> Option<SwapPolicy> {
        let Some(size) = &self.size else {
            if self.size_unreadable {
                return None;
            }
            let message = "swap has no size".to_owned();
            sink.error(
                "no-swap-size",
                range,
                message,
                "add `size: 32GB`, or `size: 0.5x` for half of the memory",
            );
            return None;
        };
        if let (SwapSize::Bytes(bytes), Some(minimum)) = (size.value, &self.minimum)
            && minimum.value > bytes
        {
            let other = [(size.range.clone(), "the size".to_owned())];
            let message = format!("the minimum ({}) is larger than the size ({bytes})", minimum.value);
            let help = "the minimum is accepted if the disk has no room for the full size";
            sink.push(Severity::Error, "minimum-above-size", &minimum.range, &other, message, help);
        }
        Some(SwapPolicy {
            size: size.value,
            minimum: self.minimum.as_ref().map(|at| at.value),
            file: self.file.as_ref().map_or_else(|| SWAP_FILE.to_owned(), |at| at.value.clone()),
            priority: self.priority.as_ref().map(|at| at.value),
        })
    }
}
