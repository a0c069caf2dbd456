//! The agent's loop: one thread that waits for the kernel, for signals and for the time, and does what is due.
//!
//! Whatever may wait for a disk, a network or another program has a thread of its own: the reporter, the recorder and
//! the server of the metrics.

mod due;
mod kernel;
mod living;
mod published;
mod recording;
mod witness;

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use oomguard_converge::facts::Facts;
use oomguard_converge::findings;
use oomguard_host::connector::{Connector, Next};
use oomguard_host::notify::Notifier;
use oomguard_host::signals::Signals;
use oomguard_host::wait::{Interest, wait};
use oomguard_host::{Host, HostError, mlock};
use oomguard_spec::policy::Policy;

use crate::event::{Event, Source};
use crate::exposition::Format;
use crate::guard::Guard;
use crate::http::{self, Beat, Page};
use crate::metrics::Metrics;
use crate::notify::NotifyTargets;
use crate::reporter::{Lines, Reporter};
use crate::textfile;
use due::Due;
use kernel::Kernel;
use living::Living;
use oomguard_text::DisplayText;
pub use published::POLICY_DIGEST;
use recording::{Latest, Recording};
use witness::Noting;

/// A record of the recorder's that is as old as this will do for a sample: one a calm interval ago, and some.
const RECENT: Duration = Duration::from_millis(5_500);
/// A loop that has not come round for so long is ill, and /healthz says so: four slow samples.
const HEALTHY_MS: u64 = 120_000;

/// A policy and where it comes from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The policy.
    pub policy: Policy,
    /// Where it comes from, in words.
    pub name: String,
    /// The SHA-256 of its document, in hexadecimal.
    pub digest: String,
}

/// Why there is no policy to be had.
#[derive(Clone, Debug)]
pub struct NotLoaded {
    /// Where it was to come from, in words.
    pub name: String,
    /// What is wrong with it.
    pub why: String,
}

/// What the agent is given from outside.
pub struct Surroundings<'a> {
    /// The version of oomguard.
    pub version: &'static str,
    /// Reads the policy: at the start, and at each SIGHUP.
    pub load: &'a mut dyn FnMut() -> Result<Loaded, NotLoaded>,
    /// Takes the lines of the log: standard error, which journald reads.
    pub lines: Lines,
    /// The value of NOTIFY_SOCKET, see sd_notify(3).
    pub notify_socket: Option<OsString>,
    /// The value of WATCHDOG_USEC, in microseconds.
    pub watchdog_usec: Option<u64>,
    /// The port of 127.0.0.1 for the metrics; `None`: nobody listens.
    pub port: Option<u16>,
    /// The folder of node_exporter's textfile collector, when the metrics are to be put there.
    pub textfile: Option<String>,
}

/// Why the agent does not run.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// Only root may.
    #[error("only root may run the agent: it writes the scores of other users' processes")]
    NotRoot,
    /// The machine said no.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The system has no means to wait, or no threads.
    #[error("cannot wait for events: {0}")]
    Wait(#[from] std::io::Error),
}

/// Runs the agent until SIGTERM.
///
/// # Errors
/// When it cannot begin, or can no longer wait.
pub fn run(host: &Host, mut around: Surroundings<'_>) -> Result<(), AgentError> {
    if !host.may_change() {
        return Err(AgentError::NotRoot);
    }
    let signals = Signals::catch()?;
    let notifier = Notifier::new(around.notify_socket.as_deref())?;
    let mut events = Vec::new();
    if let Err(e) = mlock::lock_all() {
        events.push(missing("locked memory", &e.to_string(), "a shortage of memory may delay the agent"));
    }
    let (metrics, registry) = Metrics::new(around.version);
    let beat = Beat::new(host, HEALTHY_MS);
    let page = Arc::new(Page { host: host.clone(), metrics: metrics.clone(), registry, beat });
    let server = around.port.map(|port| {
        http::serve(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), Arc::clone(&page)).map_err(|e| {
            events.push(missing("the port of the metrics", &e.to_string(), "nobody can scrape this agent"));
        })
    });
    let reporter =
        Reporter::start(host.clone(), metrics.clone(), Arc::clone(&around.lines), NotifyTargets::default())?;
    let mut agent = Agent {
        host,
        policy: Policy::default(),
        guard: None,
        connector: None,
        kernel: Kernel::open(host, &mut events),
        living: Living::new(host)?,
        refusals: 0,
        reporter,
        metrics,
        page,
        textfile: around.textfile.take(),
        latest: Arc::default(),
        events,
        due: Due::new(around.watchdog_usec.map(Duration::from_micros)),
    };
    let recording = Recording::start(host, &agent.metrics, &agent.latest, &mut agent.events);
    agent.subscribe();
    agent.load(&mut around, true);
    agent.look_at_all();
    agent.due.take_drift(host.tick());
    agent.look_for_drift();
    notifier.say(&format!("READY=1\nSTATUS={}", agent.status()));
    loop {
        let now = host.tick();
        agent.page.beat.beat(now);
        if agent.due.take_sign(now) {
            notifier.say(&format!("WATCHDOG=1\nSTATUS={}", agent.status()));
        }
        let woken = agent.wait(now, &signals)?;
        if woken.by_somebody {
            let asked = signals.take_requests();
            if asked.end {
                break;
            }
            if asked.reload {
                notifier.reloading(host);
                agent.load(&mut around, false);
                notifier.say(&format!("READY=1\nSTATUS={}", agent.status()));
            }
            agent.listen();
            if woken.by_kernel {
                agent.kernel.hear(&mut agent.events);
            }
            if woken.by_an_end {
                agent.hear_of_ends();
            }
        }
        agent.do_what_is_due(woken.pressed);
        agent.report();
    }
    notifier.say("STOPPING=1");
    agent.reporter.handle(Event::AgentStopped);
    agent.reporter.finish();
    // The server and the recorder's file last: until here they tell of the end.
    drop((server, recording));
    Ok(())
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn missing(source: &str, why: &str, fallback: &str) -> Event {
    Event::SourceUnavailable { source: source.into(), why: why.into(), fallback: fallback.into() }
}

/// What a source tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Signal,
    Start,
    Kernel,
    End,
}

/// What ended a wait.
#[derive(Clone, Copy, Debug)]
struct Woken {
    /// Not the time alone: a source is ready, or one was left out of the wait.
    by_somebody: bool,
    /// The kernel's log, memory pressure, or the counter of a cgroup.
    by_kernel: bool,
    /// A protected process has ended.
    by_an_end: bool,
    /// Memory pressure, or the counter of a cgroup.
    pressed: bool,
}

struct Agent<'h> {
    host: &'h Host,
    policy: Policy,
    /// `None` while there is no policy that can be used: then nothing is touched, and so nothing is unprotected.
    guard: Option<Guard>,
    connector: Option<Connector>,
    kernel: Kernel,
    living: Living,
    refusals: u64,
    reporter: Reporter,
    metrics: Metrics,
    page: Arc<Page>,
    textfile: Option<String>,
    latest: Arc<Latest>,
    /// What has happened and was not reported yet.
    events: Vec<Event>,
    due: Due,
}

impl Agent<'_> {
    fn subscribe(&mut self) {
        match self.host.connector() {
            Ok(connector) => {
                self.connector = Some(connector);
                self.metrics.connector_up.set(1);
            }
            Err(e) => self.without_connector(&e),
        }
    }

    /// Said once: whatever comes back, the scan goes on until the agent is started again.
    fn without_connector(&mut self, why: &dyn std::fmt::Display) {
        self.connector = None;
        self.metrics.connector_up.set(0);
        self.events.push(kernel::no_process_events(why, due::FAST_SCAN.as_secs()));
    }

    /// Takes the policy that is there now; a broken one leaves the old one in force.
    fn load(&mut self, around: &mut Surroundings<'_>, first: bool) {
        let rejected = |name: &str, why: &str| Event::PolicyRejected { policy: name.into(), why: why.into() };
        let loaded = match (around.load)() {
            Ok(loaded) => loaded,
            Err(NotLoaded { name, why }) => {
                self.events.push(rejected(&name, &why));
                return;
            }
        };
        let taken = match &mut self.guard {
            Some(guard) => guard.set_policy(&loaded.policy),
            None => Guard::new(self.host, &loaded.policy).map(|guard| self.guard = Some(guard)),
        };
        if let Err(e) = taken {
            self.events.push(rejected(&loaded.name, &e.to_string()));
            return;
        }
        published::publish(self.host, &loaded.digest);
        let load = loaded.policy.oom_protection.as_ref().map_or(0, |protection| protection.load.get());
        self.reporter.set_targets(NotifyTargets::of(&loaded.policy.alerts, load));
        self.kernel.set_policy(self.host, &loaded.policy, &mut self.events);
        self.metrics.policy_loaded.set(i64::try_from(self.host.now()).unwrap_or(i64::MAX));
        let policy = DisplayText::new(&loaded.name);
        self.events.push(if first {
            Event::AgentStarted { version: around.version.into(), policy }
        } else {
            Event::PolicyReloaded { policy }
        });
        self.policy = loaded.policy;
        // The first policy of an agent that was started under a broken one: nobody was looked at yet.
        self.due.scan_at_once();
        self.due.drift_at_once();
    }

    /// Waits for whatever is next. Events that gather are not waited for.
    fn wait(&self, now: Duration, signals: &Signals) -> std::io::Result<Woken> {
        let gathering = self.due.is_gathering(now);
        let [end, reload] = signals.sources();
        let mut sources = [(end, Interest::Readable); oomguard_host::wait::MAX_SOURCES];
        let connector = self.connector.iter().filter(|_| !gathering);
        let all = [(Of::Signal, end, Interest::Readable), (Of::Signal, reload, Interest::Readable)]
            .into_iter()
            .chain(connector.map(|connector| (Of::Start, connector.as_fd(), Interest::Readable)))
            .chain(self.kernel.sources().map(|(source, interest)| (Of::Kernel, source, interest)))
            .chain(self.living.source().map(|source| (Of::End, source, Interest::Readable)));
        let mut of = [Of::Signal; oomguard_host::wait::MAX_SOURCES];
        let mut count = 0;
        for ((place, of), (is_of, source, interest)) in sources.iter_mut().zip(&mut of).zip(all) {
            (*place, *of) = ((source, interest), is_of);
            count += 1;
        }
        let until = self.due.next(now, self.connector.is_some(), self.textfile.is_some());
        let until = self.recheck_due().map_or(until, |recheck| until.min(recheck));
        let ready = wait(&sources[..count], Some(until.saturating_sub(now)))?;
        let is_ready = |what: &dyn Fn(usize) -> bool| (0..count).any(|at| ready & (1 << at) != 0 && what(at));
        Ok(Woken {
            by_somebody: ready != 0 || gathering,
            by_kernel: is_ready(&|at| of[at] == Of::Kernel),
            by_an_end: is_ready(&|at| of[at] == Of::End),
            pressed: is_ready(&|at| sources[at].1 == Interest::Priority),
        })
    }

    /// Takes all events that wait, then looks at what they tell of.
    fn listen(&mut self) {
        let gathering = self.due.is_gathering(self.host.tick());
        let Some(connector) = self.connector.as_mut().filter(|_| !gathering) else { return };
        let mut heard = false;
        let broken = loop {
            match connector.receive() {
                Ok(Next::Event(event)) => {
                    heard = true;
                    if let Some(guard) = &mut self.guard {
                        guard.hear(&event);
                    }
                }
                Ok(Next::Lost) => {
                    self.events.push(Event::LostEvents { source: Source::Connector, count: None });
                    if let Some(guard) = &mut self.guard {
                        guard.lost();
                    }
                }
                Ok(Next::Empty) => break None,
                Err(e) => break Some(e),
            }
        };
        if let Some(why) = broken {
            self.without_connector(&why);
            self.due.scan_at_once();
        }
        if heard {
            self.with_guard(Guard::act);
            self.due.heard(self.host.tick());
        }
    }

    /// Lets the guard do something, and takes in what it saw and did.
    fn with_guard(&mut self, what: fn(&mut Guard, &mut dyn crate::guard::Witness)) {
        let mut seen = Vec::new();
        if let Some(guard) = &mut self.guard {
            let (policy, events, refusals) = (&self.policy, &mut self.events, &mut self.refusals);
            what(guard, &mut Noting { policy, events, protected: &mut seen, refusals });
            let counts = guard.counts();
            let ahead = |now: u64, counter: &prometheus_client::metrics::counter::Counter| {
                counter.inc_by(now.saturating_sub(counter.get()));
            };
            ahead(counts.events(), &self.metrics.guard_events);
            ahead(counts.rescans(), &self.metrics.guard_rescans);
        }
        let now = self.host.tick();
        for process in seen {
            self.events.extend(self.living.add(process, now));
        }
        self.metrics.protected.set(self.living.count());
    }

    fn recheck_due(&self) -> Option<Duration> {
        Some(self.due.recheck(self.guard.as_ref()?.recheck_due()?))
    }

    fn do_what_is_due(&mut self, pressed: bool) {
        let now = self.host.tick();
        if self.recheck_due().is_some_and(|due| now >= due) {
            self.look_at_all();
        } else if self.due.scan(now) {
            self.look_again();
        }
        if self.due.sample(now, pressed) {
            let age = if pressed { due::BETWEEN_SAMPLES } else { RECENT };
            let recent = self.latest.within(age, now);
            self.kernel.sample(self.host, recent, &self.metrics, &mut self.events);
            self.see_who_lives(now);
            let is_told = self.kernel.tells_all() && self.living.all_are_watched();
            self.due.sampled(now, is_told && !self.living.is_waiting());
        }
        if self.due.take_drift(now) {
            self.look_for_drift();
        }
        if let Some(dir) = &self.textfile
            && self.due.take_textfile(now)
            && let Err(e) = textfile::write(self.host, dir, &self.page.print(Format::Text))
        {
            self.events.push(missing("the file for node_exporter", &e.to_string(), "it is tried again"));
            // Said once: node_exporter's own alert tells of a file that is old.
            self.textfile = None;
        }
    }

    fn look_for_drift(&mut self) {
        if self.guard.is_none() {
            return;
        }
        let found =
            |agent: &Self| Some(findings(&agent.policy, &Facts::read(agent.host, &agent.policy).ok()?));
        let Some(mut findings) = found(self) else { return };
        // What no event told of, such as a process that was moved to another cgroup, is mended and not told as drift.
        if findings.iter().any(|finding| finding.kind.is_live_score()) {
            self.look_at_all();
            findings = found(self).unwrap_or(findings);
        }
        self.metrics.set_findings(&findings);
    }

    fn look_at_all(&mut self) {
        self.with_guard(Guard::rescan);
        self.looked();
    }

    /// What is due when nothing was heard. Without events everything is looked at.
    fn look_again(&mut self) {
        self.with_guard(if self.connector.is_some() { Guard::look_again } else { Guard::rescan });
        self.looked();
    }

    fn looked(&mut self) {
        self.due.scanned(self.host.tick(), self.connector.is_some());
    }

    /// Takes in the ends of protected processes that the kernel told of.
    fn hear_of_ends(&mut self) {
        let now = self.host.tick();
        self.events.extend(self.living.hear(now));
        self.follow_up(now);
    }

    fn see_who_lives(&mut self, now: Duration) {
        self.events.extend(self.living.look(now));
        self.follow_up(now);
    }

    /// How a process ended is often told a moment after that it did.
    fn follow_up(&mut self, now: Duration) {
        if self.living.is_waiting() {
            self.due.follow_up(now);
        }
        self.metrics.protected.set(self.living.count());
    }

    /// Hands on what has happened. A kill of a protected process is followed up.
    fn report(&mut self) {
        if self.events.is_empty() {
            return;
        }
        let now = self.host.tick();
        let mut killed = false;
        for event in std::mem::take(&mut self.events) {
            if let Event::OomKill { pid, .. } = event {
                killed = true;
                self.events.extend(self.living.oom_kill(pid, now));
            }
            self.reporter.handle(event);
        }
        if killed {
            self.see_who_lives(now);
        }
        for event in std::mem::take(&mut self.events) {
            self.reporter.handle(event);
        }
    }

    /// One line for `systemctl status`.
    fn status(&self) -> String {
        let how = if self.connector.is_some() { "hears of each start" } else { "looks every 5 s" };
        match &self.guard {
            None => "no policy that can be used: nothing is touched".to_owned(),
            Some(guard) => {
                let counts = guard.counts();
                format!(
                    "{how}; {} protected, {} leaks taken off, {} times events lost",
                    counts.protected(),
                    counts.unleaked(),
                    counts.lost_events()
                )
            }
        }
    }
}
