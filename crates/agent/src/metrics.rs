//! Every metric of the agent: names, helps and where each is counted.
//!
//! No label ever holds a pid, a comm or a cgroup: who was killed is in the event log, and a label that takes any value
//! makes a series of each.

use std::sync::atomic::AtomicU64;

use oomguard_converge::{Finding, Severity};
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry, Unit};

use crate::event::{Constraint, Ending, Event, KINDS, Source, SwapStep};

/// A gauge with a fraction.
pub type Fraction = Gauge<f64, AtomicU64>;
/// A counter with a fraction.
pub type Seconds = Counter<f64, AtomicU64>;

/// Whose memory ran out.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct KillLabel {
    constraint: KillConstraint,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelValue)]
#[allow(non_camel_case_types, reason = "the names are the values of the label")]
enum KillConstraint {
    global,
    memcg,
    unknown,
}

/// How bad a finding is.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct SeverityLabel {
    severity: &'static str,
}

/// What kind of event it was.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct KindLabel {
    kind: &'static str,
}

/// Which alert of the policy it is.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct AlertLabel {
    alert: &'static str,
}

/// Who was told, and what came of it.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ToldLabel {
    way: &'static str,
    result: &'static str,
}

/// All metrics. A clone counts into the same ones.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// All memory.
    pub memory_total: Gauge,
    /// Memory that programs can get without swapping.
    pub memory_available: Gauge,
    /// All swap that is on.
    pub swap_size: Gauge,
    /// Used swap.
    pub swap_used: Gauge,
    /// Bytes that were read from swap since boot.
    pub swap_in: Counter,
    /// Bytes that were written to swap since boot.
    pub swap_out: Counter,
    /// vm.swappiness.
    pub swappiness: Gauge,
    /// PSI `some`.
    pub waiting: Seconds,
    /// PSI `full`.
    pub stalled: Seconds,
    /// PSI `full avg60`.
    pub full_avg60: Fraction,
    /// `oom_kill` of /proc/vmstat.
    pub kernel_oom_kills: Counter,
    /// Files of /proc that could not be read for a scrape.
    pub read_errors: Counter,

    /// OOM kills that the agent noticed.
    pub oom_kills: Family<KillLabel, Counter>,
    /// Protected processes that live.
    pub protected: Gauge,
    /// Protected processes that the OOM killer killed.
    pub protected_killed: Counter,
    /// Leaks that were found.
    pub leaks_found: Counter,
    /// Leaks that were mended.
    pub leaks_mended: Counter,
    /// Leaks there are now.
    pub leaks: Gauge,
    /// Findings of `check` there are now.
    pub drift: Family<SeverityLabel, Gauge>,
    /// Alerts of the policy that are on.
    pub alerts: Family<AlertLabel, Gauge>,

    /// Process events that the guard has read.
    pub guard_events: Counter,
    /// Process events that were lost.
    pub guard_lost: Counter,
    /// Times that all processes were looked at again.
    pub guard_rescans: Counter,
    /// Whether the process connector works.
    pub connector_up: Gauge,
    /// Records of the kernel's log that were lost.
    pub kmsg_lost: Counter,
    /// Records that the recorder has written.
    pub recorder_records: Counter,
    /// Bytes of the recorder's file.
    pub recorder_bytes: Gauge,
    /// Memory of the largest process.
    pub largest: Gauge,
    /// How fast the fastest-growing process grows.
    pub growth: Fraction,

    /// Events of each kind.
    pub events: Family<KindLabel, Counter>,
    /// Events that did not fit into the queue.
    pub events_dropped: Counter,
    /// Events that could not be written to the log.
    pub log_errors: Counter,
    /// Calls of the hook and the webhook.
    pub told: Family<ToldLabel, Counter>,
    /// When the policy was loaded.
    pub policy_loaded: Gauge,
    /// Times that a new policy was refused.
    pub policy_rejected: Counter,
    /// When the agent's loop last came round.
    pub loop_beat: Fraction,
}

impl Metrics {
    /// The metrics, and the registry that prints them.
    #[must_use]
    pub fn new(version: &str) -> (Self, Registry) {
        let metrics = Self::default();
        metrics.begin_at_zero();
        let mut registry = Registry::with_prefix("oomguard");
        metrics.register(version, &mut registry);
        (metrics, registry)
    }

    /// Every series is there from the start: a counter that appears with its first increase has no rate.
    fn begin_at_zero(&self) {
        for constraint in [KillConstraint::global, KillConstraint::memcg, KillConstraint::unknown] {
            drop(self.oom_kills.get_or_create(&KillLabel { constraint }));
        }
        for severity in ["critical", "warning", "advice"] {
            drop(self.drift.get_or_create(&SeverityLabel { severity }));
        }
        for kind in KINDS {
            drop(self.events.get_or_create(&KindLabel { kind }));
        }
        for alert in ["swap_warning", "swap_critical", "memory_pressure"] {
            drop(self.alerts.get_or_create(&AlertLabel { alert }));
        }
        for way in ["hook", "webhook"] {
            for result in ["ok", "failed", "dropped"] {
                drop(self.told.get_or_create(&ToldLabel { way, result }));
            }
        }
    }

    fn register(&self, version: &str, registry: &mut Registry) {
        let info = Info::new(vec![("version", version.to_owned())]);
        registry.register("build", "The version of oomguard", info);
        let r = registry;
        bytes(r, "memory_size", "Usable memory (MemTotal)", &self.memory_total);
        bytes(r, "memory_available", "Memory that programs can get without swapping", &self.memory_available);
        bytes(r, "swap_size", "Swap that is on", &self.swap_size);
        bytes(r, "swap_used", "Swap that is used", &self.swap_used);
        bytes(r, "swap_in", "Read from swap since boot", &self.swap_in);
        bytes(r, "swap_out", "Written to swap since boot", &self.swap_out);
        plain(r, "swappiness", "vm.swappiness", &self.swappiness);
        let help = "Time in which at least one task waited for memory, since boot (PSI some)";
        seconds(r, "memory_pressure_waiting", help, &self.waiting);
        let help = "Time in which nothing could run for want of memory, since boot (PSI full)";
        seconds(r, "memory_pressure_stalled", help, &self.stalled);
        let help = "Share of the last minute in which nothing could run for want of memory (PSI full avg60)";
        plain(r, "memory_pressure_full_avg60_ratio", help, &self.full_avg60);
        plain(
            r,
            "kernel_oom_kills",
            "OOM kills that the kernel has counted since boot",
            &self.kernel_oom_kills,
        );
        let help = "Files of the machine that could not be read for a scrape; their metrics are old";
        plain(r, "machine_read_errors", help, &self.read_errors);

        plain(r, "oom_kills", "OOM kills since the agent began, by whose memory ran out", &self.oom_kills);
        plain(r, "protected_processes", "Processes that the policy protects and that live", &self.protected);
        let help = "Protected processes that the OOM killer killed";
        plain(r, "protected_processes_killed", help, &self.protected_killed);
        plain(r, "leaks_found", "Processes that were protected without being declared", &self.leaks_found);
        plain(r, "leaks_mended", "Processes whose undeclared protection was taken off", &self.leaks_mended);
        plain(r, "leaks", "Processes that are protected without being declared", &self.leaks);
        plain(r, "drift_findings", "What check finds on this host, by severity", &self.drift);
        plain(r, "alert_active", "Whether an alert of the policy is on", &self.alerts);

        plain(r, "guard_events", "Process events that were read", &self.guard_events);
        plain(r, "guard_events_lost", "Process events that the kernel could not deliver", &self.guard_lost);
        plain(r, "guard_rescans", "Times that all processes were looked at", &self.guard_rescans);
        let help =
            "Whether process events come from the kernel (0: all processes are scanned every few seconds)";
        plain(r, "guard_connector_up", help, &self.connector_up);
        let help = "Records of the kernel's log that were overwritten before they were read";
        plain(r, "kmsg_records_lost", help, &self.kmsg_lost);
        plain(r, "recorder_records", "Records that the flight recorder has written", &self.recorder_records);
        bytes(r, "recorder_file", "Size of the flight recorder's file", &self.recorder_bytes);
        bytes(r, "largest_process", "Memory and swap of the largest process", &self.largest);
        let help = "How many bytes a second the fastest-growing process has gained since the record before";
        plain(r, "fastest_growth_bytes_per_second", help, &self.growth);

        plain(r, "events", "Events, by kind", &self.events);
        let help = "Events that did not fit into the queue for the event log, hook and webhook";
        plain(r, "events_dropped", help, &self.events_dropped);
        plain(r, "event_log_errors", "Events that could not be written to the event log", &self.log_errors);
        plain(r, "notifications", "Calls of the hook and the webhook, by what came of them", &self.told);
        let help = "When the policy was loaded, since 1970";
        seconds(r, "policy_loaded_timestamp", help, &self.policy_loaded);
        plain(
            r,
            "policy_rejected",
            "New policies that were refused, so that the old one stayed",
            &self.policy_rejected,
        );
        seconds(
            r,
            "loop_beat_timestamp",
            "When the agent's loop last came round, since 1970",
            &self.loop_beat,
        );
    }

    /// Counts an event.
    pub fn count(&self, event: &Event) {
        self.events.get_or_create(&KindLabel { kind: event.kind() }).inc();
        match event {
            Event::OomKill { constraint, .. } => {
                self.kills(*constraint, 1);
            }
            Event::UnseenKills { count } => self.kills(Constraint::Unknown, *count),
            Event::ProtectedProcessDied { ending: Ending::OomKilled, .. } => {
                self.protected_killed.inc();
            }
            Event::LeakMended { .. } => {
                self.leaks_found.inc();
                self.leaks_mended.inc();
            }
            Event::LostEvents { source, count } => {
                let counter = match source {
                    Source::Kmsg => &self.kmsg_lost,
                    Source::Connector => &self.guard_lost,
                    Source::Queue => &self.events_dropped,
                };
                // The connector does not say how many; then it was at least one.
                counter.inc_by(count.unwrap_or(1));
            }
            Event::PolicyRejected { .. } => {
                self.policy_rejected.inc();
            }
            _ => {}
        }
    }

    /// Sets which alerts of the policy are on.
    pub fn set_alerts(&self, swap: SwapStep, pressure_is_high: bool) {
        let set = |alert, on: bool| self.alerts.get_or_create(&AlertLabel { alert }).set(i64::from(on));
        set("swap_warning", swap >= SwapStep::Warning);
        set("swap_critical", swap == SwapStep::Critical);
        set("memory_pressure", pressure_is_high);
    }

    /// Sets what `check` finds now, leaks among it.
    pub fn set_findings(&self, findings: &[Finding]) {
        let severities =
            [(Severity::Critical, "critical"), (Severity::Warning, "warning"), (Severity::Advice, "advice")];
        for (which, severity) in severities {
            let count = findings.iter().filter(|finding| finding.severity == which).count();
            self.drift.get_or_create(&SeverityLabel { severity }).set(whole(count));
        }
        let is_leak = |finding: &&Finding| finding.id == "protection-leak" && finding.severity.differs();
        self.leaks.set(whole(findings.iter().filter(is_leak).count()));
    }

    /// Counts a call of the hook or the webhook.
    pub(crate) fn count_told(&self, way: &'static str, result: &'static str) {
        self.told.get_or_create(&ToldLabel { way, result }).inc();
    }

    fn kills(&self, constraint: Constraint, count: u64) {
        let constraint = match constraint {
            Constraint::Global => KillConstraint::global,
            Constraint::Memcg => KillConstraint::memcg,
            Constraint::Unknown => KillConstraint::unknown,
        };
        self.oom_kills.get_or_create(&KillLabel { constraint }).inc_by(count);
    }
}

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
