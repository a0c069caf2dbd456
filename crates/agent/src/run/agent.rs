//! The state of the agent, and one turn of its loop.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use oomguard_converge::facts::Facts;
use oomguard_converge::findings;
use oomguard_host::Host;
use oomguard_host::connector::{Connector, Next};
use oomguard_host::notify::Notifier;
use oomguard_host::signals::Signals;
use oomguard_host::wait::{Interest, MAX_SOURCES, wait};
use oomguard_spec::policy::Policy;
use oomguard_text::DisplayText;
use prometheus_client::metrics::counter::Counter;

use super::kernel::{self, Kernel};
use super::observer::EventCollector;
use super::process_watch::ProcessWatch;
use super::recording::Latest;
use super::schedule::{self, Schedule};
use super::{AgentError, Config, LoadError, published, unavailable};
use crate::event::{Event, Source};
use crate::exposition::Format;
use crate::guard::{Guard, Observer};
use crate::http::Page;
use crate::notify::NotifyTargets;
use crate::reporter::Reporter;
use crate::textfile;

/// A sample may use a record of the recorder's that is this old: one calm interval and some.
const MAX_RECORD_AGE: Duration = Duration::from_millis(5_500);

/// What a source reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SourceKind {
    Signal,
    ProcessStart,
    Kernel,
    ProcessExit,
}

/// Why a wait ended.
#[derive(Clone, Copy, Debug)]
struct Wakeup {
    /// Some source is ready, or process events were left out of the wait.
    by_source: bool,
    /// The kernel's log, memory pressure, or the counter of a cgroup.
    by_kernel: bool,
    /// A protected process has exited.
    by_exit: bool,
    /// Memory pressure, or the counter of a cgroup.
    pressed: bool,
}

pub(super) struct Agent<'h> {
    host: &'h Host,
    policy: Policy,
    /// `None` while there is no valid policy: then no score is changed, so nothing loses its protection.
    guard: Option<Guard>,
    connector: Option<Connector>,
    kernel: Kernel,
    watch: ProcessWatch,
    failed_writes: u64,
    pub(super) reporter: Reporter,
    pub(super) page: Arc<Page>,
    textfile: Option<String>,
    pub(super) latest: Arc<Latest>,
    /// Events that were not reported yet.
    pub(super) events: Vec<Event>,
    schedule: Schedule,
}

impl<'h> Agent<'h> {
    pub(super) fn new(
        host: &'h Host,
        page: Arc<Page>,
        config: &mut Config<'_>,
        mut events: Vec<Event>,
    ) -> Result<Self, AgentError> {
        let reporter = Reporter::start(
            host.clone(),
            page.metrics.clone(),
            Arc::clone(&config.lines),
            NotifyTargets::default(),
        )?;
        Ok(Self {
            host,
            policy: Policy::default(),
            guard: None,
            connector: None,
            kernel: Kernel::open(host, &mut events),
            watch: ProcessWatch::new(host)?,
            failed_writes: 0,
            reporter,
            page,
            textfile: config.textfile.take(),
            latest: Arc::default(),
            events,
            schedule: Schedule::new(config.watchdog_usec.map(Duration::from_micros)),
        })
    }

    /// Subscribes to process events, loads the policy and scans the host once.
    pub(super) fn start(&mut self, config: &mut Config<'_>) {
        match self.host.connector() {
            Ok(connector) => {
                self.connector = Some(connector);
                self.page.metrics.connector_up.set(1);
            }
            Err(e) => self.connector_failed(&e),
        }
        self.load(config, true);
        self.scan_all();
        self.schedule.take_drift_check(self.host.tick());
        self.check_drift();
    }

    /// Waits once, and does what there is to do. `false` after SIGTERM.
    pub(super) fn turn(
        &mut self,
        signals: &Signals,
        notifier: &Notifier,
        config: &mut Config<'_>,
    ) -> Result<bool, AgentError> {
        let now = self.host.tick();
        self.page.beat.beat(now);
        if self.schedule.take_watchdog(now) {
            notifier.say(&format!("WATCHDOG=1\nSTATUS={}", self.status()));
        }
        let wakeup = self.wait(now, signals)?;
        if wakeup.by_source {
            let requests = signals.take_requests();
            if requests.end {
                return Ok(false);
            }
            if requests.reload {
                notifier.reloading(self.host);
                self.load(config, false);
                notifier.say(&format!("READY=1\nSTATUS={}", self.status()));
            }
            self.read_process_events();
            if wakeup.by_kernel {
                self.kernel.read(&mut self.events);
            }
            if wakeup.by_exit {
                self.read_exits();
            }
        }
        self.run_scheduled(wakeup.pressed);
        self.report();
        Ok(true)
    }

    /// The event is reported once: from here on the agent scans until it is restarted.
    fn connector_failed(&mut self, why: &dyn std::fmt::Display) {
        self.connector = None;
        self.page.metrics.connector_up.set(0);
        self.events.push(kernel::no_process_events(why, schedule::FAST_SCAN.as_secs()));
    }

    /// Loads the policy. If it is not valid, the old one stays in force.
    fn load(&mut self, config: &mut Config<'_>, first: bool) {
        let rejected = |name: &str, why: &str| Event::PolicyRejected { policy: name.into(), why: why.into() };
        let loaded = match (config.load)() {
            Ok(loaded) => loaded,
            Err(LoadError { name, why }) => {
                self.events.push(rejected(&name, &why));
                return;
            }
        };
        let result = match &mut self.guard {
            Some(guard) => guard.set_policy(&loaded.policy),
            None => Guard::new(self.host, &loaded.policy).map(|guard| self.guard = Some(guard)),
        };
        if let Err(e) = result {
            self.events.push(rejected(&loaded.name, &e.to_string()));
            return;
        }
        published::publish(self.host, &loaded.digest);
        let load = loaded.policy.oom_protection.as_ref().map_or(0, |protection| protection.load.get());
        self.reporter.set_targets(NotifyTargets::of(&loaded.policy.alerts, load));
        self.kernel.set_policy(self.host, &loaded.policy, &mut self.events);
        self.page.metrics.policy_loaded.set(i64::try_from(self.host.now()).unwrap_or(i64::MAX));
        let policy = DisplayText::new(&loaded.name);
        self.events.push(if first {
            Event::AgentStarted { version: config.version.into(), policy }
        } else {
            Event::PolicyReloaded { policy }
        });
        self.policy = loaded.policy;
        // An agent that started without a valid policy has not scanned anything yet.
        self.schedule.scan_now();
        self.schedule.check_drift_now();
    }

    /// Waits for the next source or scheduled task. While process events are batched, their source is left out.
    fn wait(&self, now: Duration, signals: &Signals) -> std::io::Result<Wakeup> {
        let batching = self.schedule.is_batching(now);
        let [end, reload] = signals.sources();
        let connector = self.connector.iter().filter(|_| !batching);
        let all =
            [(SourceKind::Signal, end, Interest::Readable), (SourceKind::Signal, reload, Interest::Readable)]
                .into_iter()
                .chain(connector.map(|c| (SourceKind::ProcessStart, c.as_fd(), Interest::Readable)))
                .chain(self.kernel.sources().map(|(source, interest)| (SourceKind::Kernel, source, interest)))
                .chain(
                    self.watch.source().map(|source| (SourceKind::ProcessExit, source, Interest::Readable)),
                );
        // Arrays: nothing is allocated in the loop.
        let mut sources = [(end, Interest::Readable); MAX_SOURCES];
        let mut kinds = [SourceKind::Signal; MAX_SOURCES];
        let mut count = 0;
        for ((place, kind), (is, source, interest)) in sources.iter_mut().zip(&mut kinds).zip(all) {
            (*place, *kind) = ((source, interest), is);
            count += 1;
        }
        let until = self.schedule.next_wakeup(now, self.connector.is_some(), self.textfile.is_some());
        let until = self.rescan_time().map_or(until, |rescan| until.min(rescan));
        let ready = wait(&sources[..count], Some(until.saturating_sub(now)))?;
        let any_ready = |is: &dyn Fn(usize) -> bool| (0..count).any(|at| ready & (1 << at) != 0 && is(at));
        Ok(Wakeup {
            by_source: ready != 0 || batching,
            by_kernel: any_ready(&|at| kinds[at] == SourceKind::Kernel),
            by_exit: any_ready(&|at| kinds[at] == SourceKind::ProcessExit),
            pressed: any_ready(&|at| sources[at].1 == Interest::Priority),
        })
    }

    /// Reads all pending process events, then lets the guard handle them.
    fn read_process_events(&mut self) {
        let batching = self.schedule.is_batching(self.host.tick());
        let Some(connector) = self.connector.as_mut().filter(|_| !batching) else { return };
        let mut received = false;
        let failure = loop {
            match connector.receive() {
                Ok(Next::Event(event)) => {
                    received = true;
                    if let Some(guard) = &mut self.guard {
                        guard.queue_event(&event);
                    }
                }
                Ok(Next::Lost) => {
                    self.events.push(Event::LostEvents { source: Source::Connector, count: None });
                    if let Some(guard) = &mut self.guard {
                        guard.events_lost();
                    }
                }
                Ok(Next::Empty) => break None,
                Err(e) => break Some(e),
            }
        };
        if let Some(why) = failure {
            self.connector_failed(&why);
            self.schedule.scan_now();
        }
        if received {
            self.with_guard(Guard::handle_queue);
            self.schedule.events_handled(self.host.tick());
        }
    }

    /// Runs a method of the guard, and takes over its events, counts and protected processes.
    fn with_guard(&mut self, method: fn(&mut Guard, &mut dyn Observer)) {
        let mut protected = Vec::new();
        if let Some(guard) = &mut self.guard {
            let (policy, events, failed_writes) = (&self.policy, &mut self.events, &mut self.failed_writes);
            method(guard, &mut EventCollector { policy, events, protected: &mut protected, failed_writes });
            let counts = guard.counts();
            let raise_to = |now: u64, counter: &Counter| {
                counter.inc_by(now.saturating_sub(counter.get()));
            };
            raise_to(counts.events(), &self.page.metrics.guard_events);
            raise_to(counts.rescans(), &self.page.metrics.guard_rescans);
        }
        let now = self.host.tick();
        for process in protected {
            self.events.extend(self.watch.add(process, now));
        }
        self.page.metrics.protected.set(self.watch.count());
    }

    fn rescan_time(&self) -> Option<Duration> {
        Some(self.schedule.rescan_time(self.guard.as_ref()?.rescan_due()?))
    }

    fn run_scheduled(&mut self, pressed: bool) {
        let now = self.host.tick();
        if self.rescan_time().is_some_and(|time| now >= time) {
            self.scan_all();
        } else if self.schedule.scan_is_due(now) {
            self.scan_scores();
        }
        if self.schedule.sample_is_due(now, pressed) {
            self.sample(now, pressed);
        }
        if self.schedule.take_drift_check(now) {
            self.check_drift();
        }
        if let Some(dir) = &self.textfile
            && self.schedule.take_textfile(now)
            && let Err(e) = textfile::write(self.host, dir, &self.page.print(Format::Text))
        {
            self.events.push(unavailable(
                "the file for node_exporter",
                &e,
                "the metrics are only served by HTTP",
            ));
            // Reported once: node_exporter itself reports a stale file.
            self.textfile = None;
        }
    }

    /// Checks memory, swap and pressure against the alerts, and the protected processes.
    fn sample(&mut self, now: Duration, pressed: bool) {
        let max_age = if pressed { schedule::MIN_BETWEEN_SAMPLES } else { MAX_RECORD_AGE };
        let recent = self.latest.within(max_age, now);
        self.kernel.sample(self.host, recent, &self.page.metrics, &mut self.events);
        self.check_processes(now);
        let kernel_reports = self.kernel.reports_all() && self.watch.all_are_watched();
        self.schedule.sample_done(now, kernel_reports && !self.watch.awaits_cause());
    }

    /// Sets the metrics of the findings that `check` would report.
    fn check_drift(&mut self) {
        if self.guard.is_none() {
            return;
        }
        let find =
            |agent: &Self| Some(findings(&agent.policy, &Facts::read(agent.host, &agent.policy).ok()?));
        let Some(mut found) = find(self) else { return };
        // No event reports some changes, such as a process that was moved to another cgroup. They are fixed, and not drift.
        if found.iter().any(|finding| finding.kind.is_live_score()) {
            self.scan_all();
            found = find(self).unwrap_or(found);
        }
        self.page.metrics.set_findings(&found);
    }

    fn scan_all(&mut self) {
        self.with_guard(Guard::scan_all);
        self.scan_done();
    }

    /// The scheduled scan. Without process events it has to read everything.
    fn scan_scores(&mut self) {
        self.with_guard(if self.connector.is_some() { Guard::scan_scores } else { Guard::scan_all });
        self.scan_done();
    }

    fn scan_done(&mut self) {
        self.schedule.scan_done(self.host.tick(), self.connector.is_some());
    }

    /// Reads the exits of protected processes that the kernel has reported.
    fn read_exits(&mut self) {
        let now = self.host.tick();
        self.events.extend(self.watch.read_exits(now));
        self.follow_up(now);
    }

    fn check_processes(&mut self, now: Duration) {
        self.events.extend(self.watch.check(now));
        self.follow_up(now);
    }

    /// The cause of an exit is often reported a moment after the exit.
    fn follow_up(&mut self, now: Duration) {
        if self.watch.awaits_cause() {
            self.schedule.follow_up(now);
        }
        self.page.metrics.protected.set(self.watch.count());
    }

    /// Passes all events to the reporter, with those that follow from the kill of a protected process.
    fn report(&mut self) {
        if self.events.is_empty() {
            return;
        }
        let now = self.host.tick();
        let mut killed = false;
        for event in std::mem::take(&mut self.events) {
            if let Event::OomKill { pid, .. } = event {
                killed = true;
                self.events.extend(self.watch.oom_kill(pid, now));
            }
            self.reporter.handle(event);
        }
        if killed {
            self.check_processes(now);
        }
        for event in std::mem::take(&mut self.events) {
            self.reporter.handle(event);
        }
    }

    /// One line for `systemctl status`.
    pub(super) fn status(&self) -> String {
        let Some(guard) = &self.guard else { return "no valid policy: no score is changed".to_owned() };
        let source = if self.connector.is_some() { "receiving process events" } else { "scanning every 5 s" };
        let counts = guard.counts();
        format!(
            "{source}; {} keepers protected, {} leaks fixed, events lost {} times",
            counts.protected(),
            counts.unleaked(),
            counts.lost_events()
        )
    }
}
