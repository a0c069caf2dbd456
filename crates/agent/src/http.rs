//! `/metrics` and `/healthz`, on one thread of their own that waits with poll(2).
//!
//! A client can neither hang nor fill it: each connection carries one request, lives for a few seconds at most, and
//! there are at most [`MAX_CONNECTIONS`] of them. One thread for all of them keeps the agent's locked memory small.

mod connection;
mod request;
mod response;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use oomguard_host::Host;
use oomguard_host::wait::{Bell, Interest, MAX_SOURCES, wait};
use prometheus_client::registry::Registry;

use crate::exposition::{self, Format};
use crate::machine;
use crate::metrics::Metrics;
use connection::Connection;

/// The default port: below the range that systems give to clients. Whether another exporter of Prometheus' list uses it
/// was checked on an old copy of that list only.
pub const PORT: u16 = 19874;
/// More connections at once are closed unanswered.
pub const MAX_CONNECTIONS: usize = 16;
/// A connection that is not done by then is closed.
const CONNECTION_LIMIT: Duration = Duration::from_secs(5);
/// How long nothing is accepted when the machine has no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const STACK: usize = 128 << 10;

/// When the agent's loop last ran.
#[derive(Debug)]
pub struct Beat {
    last_ms: AtomicU64,
    limit_ms: u64,
}

impl Beat {
    /// A loop that has just run, and must run again every `limit_ms` milliseconds.
    #[must_use]
    pub fn new(host: &Host, limit_ms: u64) -> Self {
        Self { last_ms: AtomicU64::new(host.tick_ms()), limit_ms }
    }

    /// The loop ran, at a time of [`Host::tick`].
    pub fn beat(&self, now: Duration) {
        self.last_ms.store(u64::try_from(now.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// How long ago that was, in milliseconds.
    #[must_use]
    pub fn age_ms(&self, host: &Host) -> u64 {
        host.tick_ms().saturating_sub(self.last_ms.load(Ordering::Relaxed))
    }

    /// Whether a loop that last ran so long ago is well.
    #[must_use]
    pub fn is_healthy(&self, age_ms: u64) -> bool {
        age_ms <= self.limit_ms
    }
}

/// What is served.
#[derive(Debug)]
pub struct Page {
    /// The machine whose numbers are read for each scrape.
    pub host: Host,
    /// The metrics that are set from them.
    pub metrics: Metrics,
    /// All metrics.
    pub registry: Registry,
    /// Whether the agent's loop runs.
    pub beat: Beat,
}

impl Page {
    /// All metrics as they are now.
    #[must_use]
    pub fn print(&self, format: Format) -> String {
        machine::refresh(&self.host, &self.metrics);
        let ago = self.beat.age_ms(&self.host);
        self.metrics.heartbeat.set(self.host.now_ms().saturating_sub(ago) as f64 / 1000.0);
        exposition::print(&self.registry, format)
    }
}

/// A listening server. Dropping it closes it.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: Arc<Bell>,
    thread: Option<JoinHandle<()>>,
}

/// Listens, and answers on a thread of its own.
///
/// # Errors
/// When the address is in use or may not be used, or no thread can be started.
pub fn serve(address: SocketAddr, page: Arc<Page>) -> io::Result<Server> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let stop = Arc::new(Bell::new()?);
    let stopped = Arc::clone(&stop);
    let run = move || serve_until(&listener, &page, &stopped);
    let thread = std::thread::Builder::new().name("oomguard-http".to_owned()).stack_size(STACK).spawn(run)?;
    Ok(Server { address, stop, thread: Some(thread) })
}

impl Server {
    /// Where it listens; of use when the port was 0.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.ring();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve_until(listener: &TcpListener, page: &Page, stop: &Bell) {
    let mut open: Vec<Connection> = Vec::with_capacity(MAX_CONNECTIONS);
    let mut accept_after = Duration::ZERO;
    loop {
        let now = page.host.tick();
        let accepts = now >= accept_after;
        let Ok(ready) = wait_for_clients(listener, stop, &open, accepts, accept_after, now) else { return };
        if ready & 1 != 0 {
            return;
        }
        let now = page.host.tick();
        let mut at = 0;
        open.retain_mut(|connection| {
            at += 1;
            let is_ready = ready & (1 << at) != 0;
            connection.deadline > now && (!is_ready || connection.advance(page))
        });
        if accepts && ready & (1 << (at + 1)) != 0 && !accept(listener, &mut open, now) {
            accept_after = now + ACCEPT_PAUSE;
        }
    }
}

/// Bit 0 of the answer is the bell, the next ones are the connections, and the one after them is the listener.
fn wait_for_clients(
    listener: &TcpListener,
    stop: &Bell,
    open: &[Connection],
    accepts: bool,
    accept_after: Duration,
    now: Duration,
) -> io::Result<u32> {
    let mut sources = [(stop.as_fd(), Interest::Readable); MAX_SOURCES];
    let clients = open.iter().map(|connection| (connection.as_fd(), connection.interest()));
    let listening = accepts.then(|| (listener.as_fd(), Interest::Readable));
    let mut count = 1;
    for (place, source) in sources.iter_mut().skip(1).zip(clients.chain(listening)) {
        *place = source;
        count += 1;
    }
    let deadlines = open.iter().map(|connection| connection.deadline);
    let until = deadlines.chain((!accepts).then_some(accept_after)).min();
    wait(&sources[..count], until.map(|until| until.saturating_sub(now)))
}

/// Takes all clients that wait. `false` when the kernel has no means for another one.
fn accept(listener: &TcpListener, open: &mut Vec<Connection>, now: Duration) -> bool {
    loop {
        match listener.accept() {
            Ok((stream, _)) if open.len() < MAX_CONNECTIONS && stream.set_nonblocking(true).is_ok() => {
                open.push(Connection::new(stream, now + CONNECTION_LIMIT));
            }
            // One too many is closed as it is dropped.
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return true,
            // The client has given up already.
            Err(e) if e.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
    }
}
