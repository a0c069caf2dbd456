//! The MCP server of oomguard.
//!
//! Read-only tools are always offered. Tools that change a host are offered only with `--allow-write`, and each change
//! needs an approval that a person gives in a shell. The server itself changes no host: it runs `oomguard remote` in a
//! process of its own, on this machine as on the hosts of the inventory.

pub mod approval;
mod audit;
mod call;
pub mod documents;
mod elicit;
mod error;
mod fit;
pub mod hosts;
pub mod http;
mod schema;
mod server;
pub mod state;
mod tools;

use std::fmt;

use oomguard_fleet::run::Runs;
use oomguard_host::Host;

use documents::AllowedFolders;
use hosts::Hosts;
pub use server::Server;
use state::StateDir;

/// The time, in seconds since 1970.
pub type Clock = Box<dyn Fn() -> u64 + Send + Sync>;

/// What the server works with.
pub struct Config {
    /// The version of oomguard.
    pub version: String,
    /// The hosts that a call may name.
    pub hosts: Hosts,
    /// The folders that documents and logs are read from.
    pub folders: AllowedFolders,
    /// The stored fleet runs.
    pub runs: Runs,
    /// Where plans, approvals and the audit log are stored.
    pub state: StateDir,
    /// Whether tools that change hosts are offered.
    pub allow_write: bool,
    /// This machine.
    pub host: Host,
    /// The clock.
    pub now: Clock,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("state", &self.state).finish_non_exhaustive()
    }
}
