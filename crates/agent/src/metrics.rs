//! The metrics of the agent: names, help texts and counting.
//!
//! No label holds a pid, a comm or a cgroup: a label with unbounded values makes a series of each. Those details are in
//! the event log.

use std::sync::atomic::AtomicU64;

use oomguard_converge::{Finding, FindingKind, Severity};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry, Unit};

use strum::{IntoStaticStr, VariantNames};

use crate::event::{Constraint, Ending, Event, KINDS, Source, SwapStep};
use crate::notify::Target;

/// A gauge with a fraction.
pub type Fraction = Gauge<f64, AtomicU64>;
/// A counter with a fraction.
pub type Seconds = Counter<f64, AtomicU64>;

/// What ran out of memory.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct KillLabel {
    constraint: &'static str,
}

/// The severity of a finding.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct SeverityLabel {
    severity: &'static str,
}

/// The kind of an event.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct KindLabel {
    kind: &'static str,
}

/// An alert of the policy.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct AlertLabel {
    alert: &'static str,
}

/// A notification target and the result of the call.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct NotificationLabel {
    target: &'static str,
    result: &'static str,
}

/// How a notification ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum CallResult {
    Ok,
    Failed,
    /// Too many calls were waiting.
    Dropped,
}

/// All metrics. A clone counts into the same ones. The help of each is where it is registered.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "each field has its help text below")]
pub struct Metrics {
    pub memory_total: Gauge,
    pub memory_available: Gauge,
    pub swap_size: Gauge,
    pub swap_used: Gauge,
    pub swap_in: Counter,
    pub swap_out: Counter,
    pub swappiness: Gauge,
    pub waiting: Seconds,
    pub stalled: Seconds,
    pub full_avg60: Fraction,
    pub kernel_oom_kills: Counter,
    pub read_errors: Counter,

    pub oom_kills: Family<KillLabel, Counter>,
    pub protected: Gauge,
    pub protected_killed: Counter,
    pub leaks_found: Counter,
    pub leaks_fixed: Counter,
    pub leaks: Gauge,
    pub drift: Family<SeverityLabel, Gauge>,
    pub alerts: Family<AlertLabel, Gauge>,

    pub guard_events: Counter,
    pub guard_lost: Counter,
    pub guard_rescans: Counter,
    pub connector_up: Gauge,
    pub kmsg_lost: Counter,
    pub recorder_records: Counter,
    pub recorder_bytes: Gauge,
    pub largest: Gauge,
    pub growth: Fraction,

    pub events: Family<KindLabel, Counter>,
    pub events_dropped: Counter,
    pub log_errors: Counter,
    pub notifications: Family<NotificationLabel, Counter>,
    pub policy_loaded: Gauge,
    pub policy_rejected: Counter,
    pub heartbeat: Fraction,
}

impl Metrics {
    /// The metrics, and the registry that encodes them.
    #[must_use]
    pub fn new(version: &str) -> (Self, Registry) {
        let metrics = Self::default();
        metrics.create_series();
        let mut registry = Registry::with_prefix("oomguard");
        let info = Info::new(vec![("version", version.to_owned())]);
        registry.register("build", "The version of oomguard", info);
        metrics.register_host(&mut registry);
        metrics.register_protection(&mut registry);
        metrics.register_agent(&mut registry);
        (metrics, registry)
    }

    /// Creates every series at 0: a counter that appears with its first increase has no rate.
    fn create_series(&self) {
        for constraint in Constraint::VARIANTS {
            drop(self.oom_kills.get_or_create(&KillLabel { constraint }));
        }
        for (_, severity) in SEVERITIES {
            drop(self.drift.get_or_create(&SeverityLabel { severity }));
        }
        for kind in KINDS {
            drop(self.events.get_or_create(&KindLabel { kind }));
        }
        self.set_alerts(SwapStep::Cleared, false);
        for target in Target::VARIANTS {
            for result in CallResult::VARIANTS {
                drop(self.notifications.get_or_create(&NotificationLabel { target, result }));
            }
        }
    }

    #[rustfmt::skip] // A table: one metric a line.
    fn register_host(&self, to: &mut Registry) {
        bytes(to, "memory_size", "Usable memory (MemTotal)", &self.memory_total);
        bytes(to, "memory_available", "Memory available without swapping (MemAvailable)", &self.memory_available);
        bytes(to, "swap_size", "Active swap", &self.swap_size);
        bytes(to, "swap_used", "Used swap", &self.swap_used);
        bytes(to, "swap_in", "Bytes read from swap since boot", &self.swap_in);
        bytes(to, "swap_out", "Bytes written to swap since boot", &self.swap_out);
        plain(to, "swappiness", "vm.swappiness", &self.swappiness);
        seconds(to, "memory_pressure_waiting", "Time in which at least one task was stalled on memory, since boot (PSI some)", &self.waiting);
        seconds(to, "memory_pressure_stalled", "Time in which all tasks were stalled on memory, since boot (PSI full)", &self.stalled);
        plain(to, "memory_pressure_full_avg60_ratio", "Share of the last minute in which all tasks were stalled on memory (PSI full avg60)", &self.full_avg60);
        plain(to, "kernel_oom_kills", "OOM kills since boot, counted by the kernel", &self.kernel_oom_kills);
        plain(to, "machine_read_errors", "Files of /proc that could not be read during a scrape; their metrics keep old values", &self.read_errors);
    }

    #[rustfmt::skip]
    fn register_protection(&self, to: &mut Registry) {
        plain(to, "oom_kills", "OOM kills since the agent started, by what ran out of memory", &self.oom_kills);
        plain(to, "protected_processes", "Running processes that the policy protects", &self.protected);
        plain(to, "protected_processes_killed", "Protected processes killed by the OOM killer", &self.protected_killed);
        plain(to, "leaks_found", "Processes found with undeclared protection", &self.leaks_found);
        plain(to, "leaks_fixed", "Processes whose undeclared protection was removed", &self.leaks_fixed);
        plain(to, "leaks", "Processes with undeclared protection now", &self.leaks);
        plain(to, "drift_findings", "Findings of oomguard check on this host, by severity", &self.drift);
        plain(to, "alert_active", "1 while an alert of the policy is active", &self.alerts);
    }

    #[rustfmt::skip]
    fn register_agent(&self, to: &mut Registry) {
        plain(to, "guard_events", "Process events read", &self.guard_events);
        plain(to, "guard_events_lost", "Process events that the kernel dropped, at least", &self.guard_lost);
        plain(to, "guard_rescans", "Scans of all processes", &self.guard_rescans);
        plain(to, "guard_connector_up", "1 while the kernel delivers process events, 0 while the agent polls all processes instead", &self.connector_up);
        plain(to, "kmsg_records_lost", "Kernel log records overwritten before they were read", &self.kmsg_lost);
        plain(to, "recorder_records", "Records written by the flight recorder", &self.recorder_records);
        bytes(to, "recorder_file", "Size of the flight recorder's file", &self.recorder_bytes);
        bytes(to, "largest_process", "Memory and swap of the largest process", &self.largest);
        plain(to, "fastest_growth_bytes_per_second", "Growth of the fastest-growing process since the previous record", &self.growth);
        plain(to, "events", "Events, by kind", &self.events);
        plain(to, "events_dropped", "Events dropped because the queue for the event log, hook and webhook was full", &self.events_dropped);
        plain(to, "event_log_errors", "Events that could not be written to the event log", &self.log_errors);
        plain(to, "notifications", "Calls of the hook and the webhook, by result", &self.notifications);
        seconds(to, "policy_loaded_timestamp", "When the policy was loaded (Unix time)", &self.policy_loaded);
        plain(to, "policy_rejected", "New policies that were not valid, so that the previous one stayed in force", &self.policy_rejected);
        seconds(to, "heartbeat_timestamp", "Last iteration of the agent's main loop (Unix time)", &self.heartbeat);
    }

    /// Counts an event.
    pub fn count(&self, event: &Event) {
        self.events.get_or_create(&KindLabel { kind: event.kind() }).inc();
        match event {
            Event::OomKill { constraint, .. } => {
                self.kills(*constraint, 1);
            }
            Event::UnloggedKills { count } => self.kills(Constraint::Unknown, *count),
            Event::ProtectedProcessDied { ending: Ending::OomKilled, .. } => {
                self.protected_killed.inc();
            }
            Event::LeakFixed { .. } => {
                self.leaks_found.inc();
                self.leaks_fixed.inc();
            }
            Event::LostEvents { source, count } => {
                let counter = match source {
                    Source::Kmsg => &self.kmsg_lost,
                    Source::Connector => &self.guard_lost,
                    Source::Queue => &self.events_dropped,
                };
                // The connector does not count them: at least one.
                counter.inc_by(count.unwrap_or(1));
            }
            Event::PolicyRejected { .. } => {
                self.policy_rejected.inc();
            }
            _ => {}
        }
    }

    /// Sets the state of the policy's alerts.
    pub fn set_alerts(&self, swap: SwapStep, pressure_is_high: bool) {
        let set = |alert, on: bool| self.alerts.get_or_create(&AlertLabel { alert }).set(i64::from(on));
        set("swap_warning", swap >= SwapStep::Warning);
        set("swap_critical", swap == SwapStep::Critical);
        set("memory_pressure", pressure_is_high);
    }

    /// Sets the current findings of a check, leaks among them.
    pub fn set_findings(&self, findings: &[Finding]) {
        for (which, severity) in SEVERITIES {
            let count = findings.iter().filter(|finding| finding.severity == which).count();
            self.drift.get_or_create(&SeverityLabel { severity }).set(whole(count));
        }
        let is_leak =
            |finding: &&Finding| finding.kind == FindingKind::ProtectionLeak && finding.severity.differs();
        self.leaks.set(whole(findings.iter().filter(is_leak).count()));
    }

    /// Counts a call of the hook or the webhook.
    pub(crate) fn count_call(&self, target: Target, result: CallResult) {
        let label = NotificationLabel { target: target.into(), result: result.into() };
        self.notifications.get_or_create(&label).inc();
    }

    fn kills(&self, constraint: Constraint, count: u64) {
        self.oom_kills.get_or_create(&KillLabel { constraint: constraint.into() }).inc_by(count);
    }
}

const SEVERITIES: [(Severity, &str); 3] =
    [(Severity::Critical, "critical"), (Severity::Warning, "warning"), (Severity::Advice, "advice")];

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn plain<M: Metric + Clone>(registry: &mut Registry, name: &str, help: &str, metric: &M) {
    registry.register(name, help, metric.clone());
}

fn bytes<M: Metric + Clone>(registry: &mut Registry, name: &str, help: &str, metric: &M) {
    registry.register_with_unit(name, help, Unit::Bytes, metric.clone());
}

fn seconds<M: Metric + Clone>(registry: &mut Registry, name: &str, help: &str, metric: &M) {
    registry.register_with_unit(name, help, Unit::Seconds, metric.clone());
}
