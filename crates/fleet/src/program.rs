//! The programs that are pushed to hosts, one pair for each architecture: the command and the agent's.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};

/// A command with the agent's program of the same version, and what is sent of them.
#[derive(Clone, Debug)]
pub struct Program {
    /// The command's SHA-256, in hexadecimal.
    pub sha256: String,
    /// The command's length in bytes.
    pub length: usize,
    /// The SHA-256 of the agent's program; `None`: there is none here, and hosts cannot be given one.
    pub agent: Option<String>,
    /// The command as a whole and then the agent's program; shared by all connections.
    pub bytes: Arc<[u8]>,
}

/// By architecture, as `uname -m` says it.
#[derive(Clone, Debug, Default)]
pub struct Programs(BTreeMap<String, Program>);

impl Programs {
    /// Adds a command and the agent's program. An architecture that is no plain word is never met, and left out.
    pub fn add(&mut self, arch: &str, command: Vec<u8>, agent: Option<Vec<u8>>) {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if arch.is_empty() || !arch.chars().all(plain) {
            return;
        }
        let (hash, length) = (sha256(&command), command.len());
        let agent_hash = agent.as_deref().map(sha256);
        let mut bytes = command;
        bytes.extend_from_slice(agent.as_deref().unwrap_or_default());
        self.0.insert(
            arch.to_owned(),
            Program { sha256: hash, length, agent: agent_hash, bytes: bytes.into() },
        );
    }

    pub(crate) fn get(&self, arch: &str) -> Option<&Program> {
        self.0.get(arch)
    }

    /// The line of shell that finds and runs the right one on a host.
    #[must_use]
    pub fn line(&self, root: bool) -> String {
        crate::script::line(&self.0, root)
    }
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
