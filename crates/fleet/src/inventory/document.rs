//! The hosts of a cspec document: its `hosts`, or those that its `verification` tells of.

use oomguard_spec::HostEntry;

use super::{InventoryError, Target};
use crate::host_name::with_port;

pub(super) fn read(name: &str, bytes: &[u8]) -> Result<Vec<Target>, InventoryError> {
    let document = oomguard_spec::read(name, bytes).map_err(|e| InventoryError::Document(Box::new(e)))?;
    document.hosts().into_iter().map(|entry| target(name, entry)).collect()
}

fn target(name: &str, entry: HostEntry) -> Result<Target, InventoryError> {
    let failed = |source| InventoryError::Host {
        name: name.to_owned(),
        line: usize::try_from(entry.span.line).ok(),
        source,
    };
    // A bare IPv6 address stands in a document without brackets.
    let bare = entry.name.parse::<std::net::Ipv6Addr>().is_ok();
    let text = if bare { format!("[{}]", entry.name) } else { entry.name.clone() };
    let (host, port) = with_port(&text).map_err(failed)?;
    let port = entry.last_known.get("port").and_then(|port| port.parse().ok()).or(port);
    Ok(Target { role: entry.role, ..Target::new(host, port) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_verification() {
        let text = b"hosts:\n  - name: a.example.net\n    port: 2201\n  - '2001:db8::1'\nverification:\n  ci_server: {hostname: ci.example.net, status: operational}\n";
        let found = read("x.cspec", text).unwrap();
        let names: Vec<_> = found.iter().map(Target::destination).collect();
        assert_eq!(names, ["a.example.net", "2001:db8::1", "ci.example.net"]);
        assert_eq!(found[0].port, Some(2201));
    }
}
