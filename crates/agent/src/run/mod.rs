//! The agent's loop: one thread that waits for the kernel, for signals and for the time, and does what is due.

mod line;
mod published;
mod reports;

use std::ffi::OsString;
use std::os::fd::AsFd;
use std::time::Duration;

use oomguard_host::connector::{Connector, Next};
use oomguard_host::notify::Notifier;
use oomguard_host::signals::Signals;
use oomguard_host::wait::{Interest, wait};
use oomguard_host::{Host, HostError, memory};
use oomguard_spec::policy::Policy;

use crate::guard::Guard;
pub use line::{Level, Line};
pub use published::POLICY_DIGEST;
use reports::Reports;

/// A full look at all processes while events come: what changes its own score makes no event.
const SLOW_SCAN: Duration = Duration::from_secs(30);
/// The same without events.
const FAST_SCAN: Duration = Duration::from_secs(5);
/// After a look at what was started, events are left to gather for so long: a build's short processes are then heard
/// of together, and most have ended. What starts after a quiet time is looked at at once.
const GATHER: Duration = Duration::from_millis(25);
/// Full looks that events ask for, such as after lost ones, are at least so far apart.
const BETWEEN_RECHECKS: Duration = Duration::from_millis(250);

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

/// What the agent is given from outside.
pub struct Surroundings<'a> {
    /// Reads the policy: at the start, and at each SIGHUP. The error is for the log.
    pub load: &'a mut dyn FnMut() -> Result<Loaded, String>,
    /// Takes the lines of the log.
    pub log: &'a mut dyn FnMut(&Line<'_>),
    /// The value of NOTIFY_SOCKET, see sd_notify(3).
    pub notify_socket: Option<OsString>,
    /// The value of WATCHDOG_USEC, in microseconds.
    pub watchdog_usec: Option<u64>,
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
    /// The system has no means to wait.
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
    if let Err(e) = memory::lock_on_fault() {
        (around.log)(Line::new(Level::Warning, "memory-not-locked").text("why", &e.to_string()));
    }
    let mut agent = Agent {
        host,
        guard: None,
        connector: None,
        reports: Reports::default(),
        next_scan: Duration::ZERO,
        gather_until: Duration::ZERO,
        last_recheck: Duration::ZERO,
    };
    agent.subscribe(&mut around);
    agent.load(&mut around);
    agent.look_at_all(&mut around);
    notifier.say(&format!("READY=1\nSTATUS={}", agent.status()));
    let watchdog = around.watchdog_usec.map(|usec| Duration::from_micros(usec / 2));
    let mut next_sign = Duration::ZERO;
    loop {
        let now = host.monotonic();
        if let Some(every) = watchdog.filter(|_| now >= next_sign) {
            notifier.say(&format!("WATCHDOG=1\nSTATUS={}", agent.status()));
            next_sign = now + every;
        }
        agent.wait(&signals, watchdog.map(|_| next_sign))?;
        let asked = signals.asked();
        if asked.end {
            notifier.say("STOPPING=1");
            (around.log)(&Line::new(Level::Info, "stopped"));
            return Ok(());
        }
        if asked.reload {
            notifier.reloading(host);
            agent.load(&mut around);
            notifier.say(&format!("READY=1\nSTATUS={}", agent.status()));
        }
        agent.listen(&mut around);
        agent.look_if_due(&mut around);
    }
}

struct Agent<'h> {
    host: &'h Host,
    /// `None` while there is no policy that can be used: then nothing is touched, and so nothing is unprotected.
    guard: Option<Guard>,
    connector: Option<Connector>,
    reports: Reports,
    next_scan: Duration,
    gather_until: Duration,
    last_recheck: Duration,
}

impl Agent<'_> {
    fn subscribe(&mut self, around: &mut Surroundings<'_>) {
        match self.host.connector() {
            Ok(connector) => self.connector = Some(connector),
            Err(e) => self.without_connector(&e.to_string(), around),
        }
    }

    /// Said once: whatever comes back, the scan goes on until the agent is started again.
    fn without_connector(&mut self, why: &str, around: &mut Surroundings<'_>) {
        self.connector = None;
        let seconds = FAST_SCAN.as_secs().to_string();
        (around.log)(
            Line::new(Level::Warning, "no-process-events")
                .text("why", why)
                .text("instead", "a look at all processes")
                .text("every_seconds", &seconds),
        );
    }

    /// Takes the policy that is there now; a broken one leaves the old one in force.
    fn load(&mut self, around: &mut Surroundings<'_>) {
        match (around.load)() {
            Err(why) => {
                let instead = if self.guard.is_some() { "the old one" } else { "none: nothing is touched" };
                (around.log)(
                    Line::new(Level::Error, "policy-broken").text("why", &why).text("in_force", instead),
                );
            }
            Ok(loaded) => {
                let taken = match &mut self.guard {
                    Some(guard) => guard.set_policy(&loaded.policy),
                    None => Guard::new(self.host, &loaded.policy).map(|guard| self.guard = Some(guard)),
                };
                match taken {
                    Ok(()) => {
                        published::publish(self.host, &loaded.digest);
                        (around.log)(Line::new(Level::Info, "policy").text("from", &loaded.name));
                    }
                    Err(e) => {
                        (around.log)(Line::new(Level::Error, "policy-broken").text("why", &e.to_string()));
                    }
                }
            }
        }
    }

    /// Waits for whatever is next. Events that gather are not waited for.
    fn wait(&self, signals: &Signals, sign: Option<Duration>) -> std::io::Result<()> {
        let now = self.host.monotonic();
        let gathering = now < self.gather_until;
        let [end, reload] = signals.sources();
        let mut sources =
            [(end, Interest::Readable), (reload, Interest::Readable), (end, Interest::Readable)];
        let mut count = 2;
        if let Some(connector) = self.connector.as_ref().filter(|_| !gathering) {
            sources[2].0 = connector.as_fd();
            count = 3;
        }
        let mut until = self.next_scan;
        if gathering && self.connector.is_some() {
            until = until.min(self.gather_until);
        }
        if let Some(sign) = sign {
            until = until.min(sign);
        }
        if let Some(due) = self.recheck_due() {
            until = until.min(due);
        }
        wait(&sources[..count], Some(until.saturating_sub(now))).map(drop)
    }

    /// Takes all events that wait, then looks at what they tell of.
    fn listen(&mut self, around: &mut Surroundings<'_>) {
        let (Some(connector), false) = (&mut self.connector, self.host.monotonic() < self.gather_until)
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
                    (around.log)(
                        Line::new(Level::Notice, "events-lost").text("then", "a look at all processes"),
                    );
                    if let Some(guard) = &mut self.guard {
                        guard.lost();
                    }
                }
                Ok(Next::Empty) => break None,
                Err(e) => break Some(e.to_string()),
            }
        };
        if let Some(why) = broken {
            self.without_connector(&why, around);
            self.next_scan = Duration::ZERO;
        }
        if heard {
            if let Some(guard) = &mut self.guard {
                guard.act(&mut self.reports.to(around.log));
            }
            self.gather_until = self.host.monotonic() + GATHER;
        }
    }

    fn recheck_due(&self) -> Option<Duration> {
        let due = self.guard.as_ref()?.recheck_due()?;
        Some(due.max(self.last_recheck + BETWEEN_RECHECKS))
    }

    fn look_if_due(&mut self, around: &mut Surroundings<'_>) {
        let now = self.host.monotonic();
        if now >= self.next_scan || self.recheck_due().is_some_and(|due| now >= due) {
            self.look_at_all(around);
        }
    }

    fn look_at_all(&mut self, around: &mut Surroundings<'_>) {
        if let Some(guard) = &mut self.guard {
            guard.rescan(&mut self.reports.to(around.log));
        }
        let now = self.host.monotonic();
        self.last_recheck = now;
        self.next_scan = now + if self.connector.is_some() { SLOW_SCAN } else { FAST_SCAN };
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
