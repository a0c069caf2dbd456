//! The agent's loop: one thread that waits for the kernel, for signals and for the time, and does what is due.
//!
//! Whatever may wait for a disk, a network or another program has a thread of its own: the reporter, the recorder and
//! the server of the metrics.

mod kernel;
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
use oomguard_host::proc::stat;
use oomguard_host::processes::ProcDir;
use oomguard_host::signals::Signals;
use oomguard_host::wait::{Interest, wait};
use oomguard_host::{Host, HostError, memory};
use oomguard_spec::policy::Policy;

use crate::event::{Event, Source};
use crate::exposition::Format;
use crate::guard::Guard;
use crate::http::{self, Beat, Page};
use crate::metrics::Metrics;
use crate::notify::Ways;
use crate::protected::Protected;
use crate::reporter::{Lines, Reporter};
use crate::text::Text;
use crate::textfile;
use kernel::Kernel;
pub use published::POLICY_DIGEST;
use recording::{Latest, Recording};
use witness::Noting;

/// A full look at all processes while events come: what changes its own score makes no event.
const SLOW_SCAN: Duration = Duration::from_secs(30);
/// The same without events.
const FAST_SCAN: Duration = Duration::from_secs(5);
/// After a look at what was started, events are left to gather for so long: a build's short processes are then heard
/// of together, and most have ended. What starts after a quiet time is looked at at once.
const GATHER: Duration = Duration::from_millis(25);
/// Full looks that events ask for, such as after lost ones, are at least so far apart.
const BETWEEN_RECHECKS: Duration = Duration::from_millis(250);
/// Memory, swap, the kernel's count of kills, and whether the protected processes live, while the kernel itself tells of
/// kills and of pressure: what is left is slow, and a wake-up costs more than what is done in it.
const SLOW_SAMPLE: Duration = Duration::from_secs(15);
/// The same where the kernel tells of less, and while an ended process is followed up.
const FAST_SAMPLE: Duration = Duration::from_secs(5);
/// What is due so soon is done with what is due now.
const SOON: Duration = Duration::from_secs(1);
/// Samples that pressure asks for are at least so far apart.
const BETWEEN_SAMPLES: Duration = Duration::from_secs(1);
/// A record of the recorder's that is as old as this will do for a sample: one a calm interval ago, and some.
const RECENT: Duration = Duration::from_millis(5_500);
/// What `check` would find: it reads some hundred files, which costs as much as a minute of all the rest.
const DRIFT: Duration = Duration::from_secs(900);
/// The file for node_exporter.
const TEXTFILE: Duration = Duration::from_secs(15);
/// A loop that has not come round for so long is ill, and /healthz says so: four slow samples.
const HEALTHY_MS: u64 = 60_000;

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
    if let Err(e) = memory::lock_on_fault() {
        events.push(missing("locked memory", &e.to_string(), "the agent may be swapped out"));
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
        Reporter::start(host.clone(), metrics.clone(), Arc::clone(&around.lines), Ways::default())?;
    let mut agent = Agent {
        host,
        proc: host.proc_dir()?,
        buffer: Vec::new(),
        policy: Policy::default(),
        guard: None,
        connector: None,
        kernel: Kernel::open(host, &mut events),
        protected: Protected::default(),
        refusals: 0,
        reporter,
        metrics,
        page,
        textfile: around.textfile.take(),
        latest: Arc::default(),
        events,
        due: Due::default(),
    };
    let recording = Recording::start(host, &agent.metrics, &agent.latest, &mut agent.events);
    agent.subscribe();
    agent.load(&mut around, true);
    agent.look_at_all();
    agent.look_for_drift(host.monotonic());
    // Reading a policy and a host needs most of the program, and what follows a twentieth of it.
    let _ = memory::let_go_of_code();
    // What is needed when memory runs out is fetched now: the report's way, the page of the metrics, the line of a kill.
    agent.report();
    let _ = agent.page.print(Format::Text);
    Kernel::rehearse();
    notifier.say(&format!("READY=1\nSTATUS={}", agent.status()));
    let watchdog = around.watchdog_usec.map(|usec| Duration::from_micros(usec / 2));
    let mut next_sign = Duration::ZERO;
    loop {
        let now = host.monotonic();
        agent.page.beat.beat(now);
        if let Some(every) = watchdog.filter(|_| now + SOON >= next_sign) {
            notifier.say(&format!("WATCHDOG=1\nSTATUS={}", agent.status()));
            next_sign = now + every;
        }
        let woken = agent.wait(now, &signals, watchdog.map(|_| next_sign))?;
        if woken.by_somebody {
            let asked = signals.asked();
            if asked.end {
                break;
            }
            if asked.reload {
                notifier.reloading(host);
                agent.load(&mut around, false);
                notifier.say(&format!("READY=1\nSTATUS={}", agent.status()));
            }
            agent.listen();
            agent.kernel.hear(&mut agent.events);
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

fn missing(source: &str, why: &str, instead: &str) -> Event {
    Event::SourceMissing { source: source.into(), why: why.into(), instead: instead.into() }
}

/// What ended a wait.
#[derive(Clone, Copy, Debug)]
struct Woken {
    /// Not the time alone: a source is ready, or one was left out of the wait.
    by_somebody: bool,
    /// Memory pressure, or the counter of a cgroup.
    pressed: bool,
}

/// When what is due next, by `Host::monotonic`.
#[derive(Debug, Default)]
struct Due {
    scan: Duration,
    gathered: Duration,
    last_recheck: Duration,
    sample: Duration,
    last_sample: Duration,
    drift: Duration,
    textfile: Duration,
}

struct Agent<'h> {
    host: &'h Host,
    proc: ProcDir,
    buffer: Vec<u8>,
    policy: Policy,
    /// `None` while there is no policy that can be used: then nothing is touched, and so nothing is unprotected.
    guard: Option<Guard>,
    connector: Option<Connector>,
    kernel: Kernel,
    protected: Protected,
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
        self.events.push(kernel::no_process_events(why, FAST_SCAN.as_secs()));
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
        self.reporter.set_ways(Ways::of(&loaded.policy.alerts, load));
        self.kernel.set_policy(self.host, &loaded.policy, &mut self.events);
        self.metrics.policy_loaded.set(i64::try_from(self.host.now()).unwrap_or(i64::MAX));
        let policy = Text::new(&loaded.name);
        self.events.push(if first {
            Event::AgentStarted { version: around.version.into(), policy }
        } else {
            Event::PolicyReloaded { policy }
        });
        self.policy = loaded.policy;
        self.due.drift = Duration::ZERO;
    }

    /// Waits for whatever is next. Events that gather are not waited for.
    fn wait(&self, now: Duration, signals: &Signals, sign: Option<Duration>) -> std::io::Result<Woken> {
        let gathering = now < self.due.gathered;
        let [end, reload] = signals.sources();
        let mut sources = [(end, Interest::Readable); oomguard_host::wait::MOST];
        let connector = self.connector.iter().filter(|_| !gathering);
        let all = [(end, Interest::Readable), (reload, Interest::Readable)]
            .into_iter()
            .chain(connector.map(|connector| (connector.as_fd(), Interest::Readable)))
            .chain(self.kernel.sources());
        let mut count = 0;
        for (place, source) in sources.iter_mut().zip(all) {
            *place = source;
            count += 1;
        }
        let mut until = self.due.scan.min(self.due.sample);
        if gathering && self.connector.is_some() {
            until = until.min(self.due.gathered);
        }
        if self.textfile.is_some() {
            until = until.min(self.due.textfile);
        }
        for due in [sign, self.recheck_due()].into_iter().flatten() {
            until = until.min(due);
        }
        let ready = wait(&sources[..count], Some(until.saturating_sub(now)))?;
        let priority =
            |(at, source): (usize, &(_, Interest))| ready & (1 << at) != 0 && source.1 == Interest::Priority;
        let pressed = sources[..count].iter().enumerate().any(priority);
        Ok(Woken { by_somebody: ready != 0 || gathering, pressed })
    }

    /// Takes all events that wait, then looks at what they tell of.
    fn listen(&mut self) {
        let (Some(connector), false) = (&mut self.connector, self.host.monotonic() < self.due.gathered)
        else {
            return;
        };
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
            self.due.scan = Duration::ZERO;
        }
        if heard {
            self.with_guard(Guard::act);
            self.due.gathered = self.host.monotonic() + GATHER;
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
        for process in seen {
            self.protected.add(process);
        }
        self.metrics.protected.set(i64::try_from(self.protected.count()).unwrap_or(i64::MAX));
    }

    fn recheck_due(&self) -> Option<Duration> {
        let due = self.guard.as_ref()?.recheck_due()?;
        Some(due.max(self.due.last_recheck + BETWEEN_RECHECKS))
    }

    fn do_what_is_due(&mut self, pressed: bool) {
        let now = self.host.monotonic();
        let soon = now + SOON;
        if self.recheck_due().is_some_and(|due| now >= due) {
            self.look_at_all();
        } else if self.looks_are_near(now) {
            self.look_again();
        }
        if soon >= self.due.sample || pressed && now >= self.due.last_sample + BETWEEN_SAMPLES {
            self.due.last_sample = now;
            let age = if pressed { BETWEEN_SAMPLES } else { RECENT };
            let recent = self.latest.within(age, now);
            self.kernel.sample(self.host, recent, &self.metrics, &mut self.events);
            self.see_who_lives(now);
            let slow = self.kernel.tells_all() && !self.protected.is_waiting();
            self.due.sample = now + if slow { SLOW_SAMPLE } else { FAST_SAMPLE };
        }
        if soon >= self.due.drift {
            self.look_for_drift(now);
        }
        if let Some(dir) = self.textfile.as_deref().filter(|_| soon >= self.due.textfile) {
            self.due.textfile = now + TEXTFILE;
            if let Err(e) = textfile::write(self.host, dir, &self.page.print(Format::Text)) {
                self.events.push(missing("the file for node_exporter", &e.to_string(), "it is tried again"));
                // Said once: node_exporter's own alert tells of a file that is old.
                self.textfile = None;
            }
        }
    }

    fn look_for_drift(&mut self, now: Duration) {
        self.due.drift = now + DRIFT;
        if self.guard.is_none() {
            return;
        }
        if let Ok(facts) = Facts::read(self.host, &self.policy) {
            self.metrics.set_findings(&findings(&self.policy, &facts));
        }
    }

    /// Whether it is time to look at what no event tells of; a look that is near is done together with the samples.
    fn looks_are_near(&self, now: Duration) -> bool {
        let early = if self.connector.is_some() { SOON } else { Duration::ZERO };
        now + early >= self.due.scan
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
        let now = self.host.monotonic();
        self.due.last_recheck = now;
        self.due.scan = now + if self.connector.is_some() { SLOW_SCAN } else { FAST_SCAN };
    }

    /// The connector's filter leaves out the ends of processes, of which a build has thousands; there are few
    /// protected ones, so each is looked at.
    fn see_who_lives(&mut self, now: Duration) {
        let (proc, buffer) = (&self.proc, &mut self.buffer);
        let mut lives = |pid: i32, start_time: u64| {
            let read = proc.read(pid, "stat", buffer).unwrap_or(false);
            let stat = read.then(|| stat::parse(buffer).ok()).flatten();
            // A zombie has ended: its memory is gone.
            stat.is_some_and(|stat| stat.start_time == start_time && stat.state != 'Z')
        };
        let gone: Vec<i32> =
            self.protected.living().filter(|(pid, start)| !lives(*pid, *start)).map(|(pid, _)| pid).collect();
        let now = millis(now);
        for pid in gone {
            self.events.extend(self.protected.gone(pid, None, now));
        }
        self.events.extend(self.protected.tick(now));
        self.metrics.protected.set(i64::try_from(self.protected.count()).unwrap_or(i64::MAX));
    }

    /// Hands on what has happened. A kill of a protected process is followed up.
    fn report(&mut self) {
        if self.events.is_empty() {
            return;
        }
        let now = self.host.monotonic();
        let mut killed = false;
        for event in std::mem::take(&mut self.events) {
            if let Event::OomKill { pid, .. } = event {
                killed = true;
                self.events.extend(self.protected.oom_kill(pid, millis(now)));
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
