//! The agent's main loop: one thread waits for the kernel, for signals and for the next scheduled task.
//!
//! Whatever may wait for a disk, a network or another program has its own thread: the reporter, the recorder and the
//! HTTP server.

mod agent;
mod kernel;
mod observer;
mod process_watch;
mod published;
mod recording;
mod schedule;

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use oomguard_host::notify::Notifier;
use oomguard_host::signals::Signals;
use oomguard_host::{Host, HostError, mlock};
use oomguard_spec::policy::Policy;

use crate::event::Event;
use crate::http::{self, Beat, Page};
use crate::metrics::Metrics;
use crate::reporter::Lines;
use agent::Agent;
pub use published::POLICY_DIGEST;
use recording::Recording;

/// /healthz reports a loop that has not run for so long: four slow samples.
const MAX_LOOP_AGE_MS: u64 = 120_000;

/// A policy and where it comes from.
#[derive(Clone, Debug)]
pub struct LoadedPolicy {
    /// The policy.
    pub policy: Policy,
    /// Where it comes from, for messages.
    pub name: String,
    /// The SHA-256 of its document, in hexadecimal.
    pub digest: String,
}

/// Why there is no policy.
#[derive(Clone, Debug)]
pub struct LoadError {
    /// Where the policy would come from, for messages.
    pub name: String,
    /// What is wrong with it.
    pub why: String,
}

/// What the agent gets from its caller.
pub struct Config<'a> {
    /// The version of oomguard.
    pub version: &'static str,
    /// Reads the policy: at the start, and at each SIGHUP.
    pub load: &'a mut dyn FnMut() -> Result<LoadedPolicy, LoadError>,
    /// Takes the lines of the log: standard error, which journald reads.
    pub lines: Lines,
    /// The value of NOTIFY_SOCKET, see sd_notify(3).
    pub notify_socket: Option<OsString>,
    /// The value of WATCHDOG_USEC, in microseconds.
    pub watchdog_usec: Option<u64>,
    /// The port of 127.0.0.1 for the metrics; `None`: do not serve them.
    pub port: Option<u16>,
    /// The directory of node_exporter's textfile collector, if the metrics are to be written there.
    pub textfile: Option<String>,
}

/// Why the agent does not run.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// It was not started by root.
    #[error("only root may run the agent: it writes the scores of other users' processes")]
    NotRoot,
    /// The host refused something.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The system has no file descriptors or threads left.
    #[error("cannot wait for events: {0}")]
    Wait(#[from] std::io::Error),
}

/// Runs the agent until SIGTERM.
///
/// # Errors
/// When it cannot start, or can no longer wait for events.
pub fn run(host: &Host, mut config: Config<'_>) -> Result<(), AgentError> {
    if !host.may_change() {
        return Err(AgentError::NotRoot);
    }
    let signals = Signals::catch()?;
    let notifier = Notifier::new(config.notify_socket.as_deref())?;
    let mut events = Vec::new();
    // First, so that whatever follows is locked too.
    if let Err(e) = mlock::lock_all() {
        events.push(unavailable("locked memory", &e, "a shortage of memory may delay the agent"));
    }
    let (metrics, registry) = Metrics::new(config.version);
    let beat = Beat::new(host, MAX_LOOP_AGE_MS);
    let page = Arc::new(Page { host: host.clone(), metrics, registry, beat });
    let server = config.port.map(|port| {
        http::serve(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), Arc::clone(&page)).map_err(|e| {
            events.push(unavailable("the port of the metrics", &e, "nobody can scrape this agent"))
        })
    });
    let mut agent = Agent::new(host, page, &mut config, events)?;
    let recording = Recording::start(host, &agent.page.metrics, &agent.latest, &mut agent.events);
    agent.start(&mut config);
    notifier.say(&format!("READY=1\nSTATUS={}", agent.status()));
    while agent.turn(&signals, &notifier, &mut config)? {}
    notifier.say("STOPPING=1");
    agent.reporter.handle(Event::AgentStopped);
    agent.reporter.finish();
    // Last: both show the host until the end.
    drop((server, recording));
    Ok(())
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn unavailable(source: &str, why: &dyn std::fmt::Display, fallback: &str) -> Event {
    Event::SourceUnavailable {
        source: source.into(),
        why: why.to_string().as_str().into(),
        fallback: fallback.into(),
    }
}
