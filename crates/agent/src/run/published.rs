//! Publishes which policy a running agent has read, for `check` and `apply` to compare.

use oomguard_host::Host;
use oomguard_host::files::{Access, temp_sibling};

/// The SHA-256 of the document that the running agent has read. systemd makes the directory (RuntimeDirectory=).
pub const POLICY_DIGEST: &str = oomguard_converge::layout::AGENT_POLICY_DIGEST;

/// Writes the digest. Without the directory, as when the agent is run by hand, nothing is published.
pub(super) fn publish(host: &Host, digest: &str) {
    let new = temp_sibling(POLICY_DIGEST);
    let bytes = format!("{digest}\n");
    let _ = host
        .remove_file(&new)
        .and_then(|()| host.write_new(&new, bytes.as_bytes(), Access { mode: 0o644, owner: None }))
        .and_then(|()| host.rename_over(&new, POLICY_DIGEST));
}
