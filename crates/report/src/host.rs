//! Which host and which policy a report is about.

use oomguard_host::Host;
use oomguard_spec::policy::Policy;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A policy, and where it comes from in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NamedPolicy {
    /// `ci.cspec, role ci_servers`
    pub name: String,
    /// The policy.
    pub policy: Policy,
}

/// The hostname, or `this host` where it has none.
#[must_use]
pub fn host_name(host: &Host) -> String {
    let bytes = host.read("/proc/sys/kernel/hostname").or_else(|_| host.read("/etc/hostname"));
    let name = oomguard_text::shown(bytes.unwrap_or_default().trim_ascii(), 255);
    if name.is_empty() { "this host".to_owned() } else { name }
}
