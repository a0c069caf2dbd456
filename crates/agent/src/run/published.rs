//! What a running agent lets others know: which policy it has. `check` and `apply` compare.

use oomguard_host::Host;
use oomguard_host::files::{Access, temp_sibling};

/// The SHA-256 of the document that the running agent has read. systemd makes the folder (RuntimeDirectory=).
pub const POLICY_DIGEST: &str = oomguard_converge::layout::AGENT_POLICY_DIGEST;

/// Writes it down; without the folder, as when the agent runs by hand, nobody is told.
pub(super) fn publish(host: &Host, digest: &str) {
    let new = temp_sibling(POLICY_DIGEST);
    let bytes = format!("{digest}\n");
    let _ = host
        .remove_file(&new)
        .and_then(|()| host.write_new(&new, bytes.as_bytes(), Access { mode: 0o644, owner: None }))
        .and_then(|()| host.rename_over(&new, POLICY_DIGEST));
}
