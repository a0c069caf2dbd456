//! The programs that are pushed to hosts, one for each architecture.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};

/// A program with its SHA-256.
#[derive(Clone, Debug)]
pub struct Program {
    /// In hexadecimal.
    pub sha256: String,
    /// The file as a whole; shared by all connections.
    pub bytes: Arc<[u8]>,
}

/// By architecture, as `uname -m` says it.
#[derive(Clone, Debug, Default)]
pub struct Programs(BTreeMap<String, Program>);

impl Programs {
    /// Adds a program. An architecture that is no plain word is never met, and left out.
    pub fn add(&mut self, arch: &str, bytes: Vec<u8>) {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if arch.is_empty() || !arch.chars().all(plain) {
            return;
        }
        let sha256 = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        self.0.insert(arch.to_owned(), Program { sha256, bytes: bytes.into() });
    }

    pub(crate) fn get(&self, arch: &str) -> Option<&Program> {
        self.0.get(arch)
    }

    /// The line of shell that finds and runs the right one on a host.
    #[must_use]
    pub fn line(&self, root: bool) -> String {
        let hashes = self.0.iter().map(|(arch, program)| (arch.clone(), program.sha256.clone()));
        crate::script::line(&hashes.collect(), root)
    }
}
