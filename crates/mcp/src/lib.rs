//! The MCP server: thin tools over the rooms below it.
//!
//! Tools that look are always there; tools that change a host only when the person who starts the server says so, and each
//! call of them takes a grant that a person gives in a shell. What a tool does, `oomguard remote` does, in a process of its
//! own: on this machine as on a host of the inventory.

mod act;
pub mod arguments;
mod ask;
pub mod audit;
mod call;
pub mod documents;
pub mod grant;
pub mod hosts;
pub mod http;
mod look;
mod record;
pub mod safe;
mod schema;
mod server;
pub mod state;
pub mod tools;

use std::fmt;
use std::io;
use std::sync::Arc;

use oomguard_fleet::run::Runs;
use oomguard_host::Host;
use rmcp::ServiceExt;
use rmcp::transport::async_rw::AsyncRwTransport;
use tokio::sync::Semaphore;

use audit::Audit;
use documents::Folders;
use hosts::Hosts;
pub use server::Server;
use state::{Folder, StateError};
use tools::Tool;

/// Arguments, and a request over HTTP, have no more bytes than this; longer ones are refused before they are looked at.
pub const MOST_REQUEST: usize = 1 << 20;
/// So many calls are worked on at a time; others wait.
const MOST_CALLS: usize = 4;
/// So many wait, or are worked on; more are refused.
const MOST_WAITING: usize = 64;

/// The time, in seconds since 1970.
pub type Clock = Box<dyn Fn() -> u64 + Send + Sync>;

/// What the person who starts the server gives it.
pub struct Config {
    /// oomguard's version.
    pub version: String,
    /// The hosts that may be named.
    pub hosts: Hosts,
    /// The folders that documents and logs are read from.
    pub folders: Folders,
    /// Where runs are kept.
    pub runs: Runs,
    /// Where plans, grants and the audit are kept.
    pub state: Folder,
    /// Whether tools may change hosts.
    pub allow_write: bool,
    /// This machine, whose journal can be recorded.
    pub host: Host,
    /// The clock.
    pub now: Clock,
}

/// What all clients share.
pub(crate) struct Shared {
    version: String,
    hosts: Hosts,
    folders: Folders,
    runs: Runs,
    state: Folder,
    allow_write: bool,
    tools: Vec<Tool>,
    host: Host,
    now: Clock,
    audit: Audit,
    slots: Arc<Semaphore>,
    waiting: Semaphore,
    /// Each change holds one, so that the end of the server can wait for them.
    changes: Arc<Semaphore>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("state", &self.state).finish_non_exhaustive()
    }
}

impl Server {
    /// A server, for a client of this `transport` (a word for the audit).
    ///
    /// # Errors
    /// When the audit cannot be written.
    pub fn new(config: Config, transport: &'static str) -> Result<Self, StateError> {
        let audit = Audit::new(config.state.append("audit.jsonl")?);
        let tools = tools::all(config.allow_write);
        let shared = Shared {
            version: config.version,
            hosts: config.hosts,
            folders: config.folders,
            runs: config.runs,
            state: config.state,
            allow_write: config.allow_write,
            tools,
            host: config.host,
            now: config.now,
            audit,
            slots: Arc::new(Semaphore::new(MOST_CALLS)),
            waiting: Semaphore::new(MOST_WAITING),
            changes: Arc::new(Semaphore::new(MOST_CALLS)),
        };
        Ok(Self { shared: Arc::new(shared), transport })
    }

    /// Serves one client on standard input and output, until it closes them.
    ///
    /// # Errors
    /// When the client cannot be spoken with.
    pub fn serve_stdio(self) -> io::Result<()> {
        let runtime = runtime()?;
        let shared = Arc::clone(&self.shared);
        let ended = runtime.block_on(async {
            // A line over rmcp's 16 MiB is dropped without an answer; arguments over `MOST_REQUEST` get one.
            let transport = AsyncRwTransport::new_server(tokio::io::stdin(), tokio::io::stdout());
            let Ok(running) = self.serve(transport).await else {
                // The client went before it said anything.
                return Ok(());
            };
            let ended = running.waiting().await.map(drop).map_err(io::Error::other);
            shared.changes_end().await;
            ended
        });
        // Nobody waits for what was only looked at.
        runtime.shutdown_background();
        ended
    }

    /// Serves on a port of this machine until SIGTERM or SIGINT, and then until the changes that have begun are done. `ready` is
    /// told the port.
    ///
    /// # Errors
    /// When the port cannot be taken, or is not of this machine alone.
    pub fn serve_http(
        self,
        address: std::net::SocketAddr,
        token: http::Token,
        ready: impl FnOnce(std::net::SocketAddr),
    ) -> io::Result<()> {
        let runtime = runtime()?;
        let ended = runtime.block_on(http::serve(self, address, token, ready));
        // Nobody waits for what was only looked at.
        runtime.shutdown_background();
        ended
    }
}

impl Shared {
    /// What has begun on a host is carried out and recorded before the server ends, whoever has gone.
    async fn changes_end(&self) {
        let all = u32::try_from(MOST_CALLS).unwrap_or(1);
        drop(self.changes.acquire_many(all).await);
    }
}

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(16).build()
}
