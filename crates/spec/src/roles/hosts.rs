//! The hosts that a document lists.

use std::collections::BTreeMap;
use std::ops::Range;

use schemars::JsonSchema;
use serde::Serialize;

use crate::builtin::Builtin;
use crate::diagnostic::{Sink, Span};
use crate::node::{Entry, Node};
use crate::text::{LineIndex, quoted};

/// A host that a document lists, with what was last known of it. What is so now, only the host can tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HostEntry {
    /// Its name: letters, digits, dots, dashes and underscores, or an IP address.
    pub name: String,
    /// Its role, when the document says or suggests one that it has.
    pub role: Option<String>,
    /// What the document says of it, such as `status`: `operational`.
    pub last_known: BTreeMap<String, String>,
    /// Where it is listed.
    pub span: Span,
}

/// Reads `hosts` and `verification`.
pub(crate) fn read(
    root: &Node,
    lines: &LineIndex<'_>,
    roles: &[String],
    sink: &mut Sink<'_>,
) -> Vec<HostEntry> {
    let mut found: Vec<HostEntry> = Vec::new();
    let mut add =
        |name: &str, range: &Range<usize>, role: Option<String>, about: &Node, sink: &mut Sink<'_>| {
            if !is_host(name) {
                let message = format!("invalid host name {}; the host is ignored", quoted(name));
                sink.warning(
                    "host-name",
                    range,
                    message,
                    "use letters, digits, dots and dashes, such as `ci.example.net`",
                );
            } else if found.iter().any(|host| host.name == name) {
                let message = format!("{} is listed twice; the first entry is used", quoted(name));
                sink.warning("repeated-host", range, message, "delete one of them");
            } else {
                found.push(HostEntry {
                    name: name.to_owned(),
                    role,
                    last_known: facts(about),
                    span: lines.span(range),
                });
            }
        };
    let stated = |about: &Node, key: Option<&Entry>, sink: &mut Sink<'_>| match about.get("role") {
        Some(node) => explicit_role(node, roles, sink),
        None => key.and_then(|entry| suggested_role(&entry.key.text, roles)),
    };
    if let Some(hosts) = root.get("hosts") {
        for item in hosts.items().unwrap_or_default() {
            let name = item.get("name").or_else(|| item.get("hostname")).unwrap_or(item);
            let role = stated(item, None, sink);
            add(name.text().unwrap_or_default(), &name.range, role, item, sink);
        }
        for entry in hosts.entries().unwrap_or_default() {
            let role = stated(&entry.value, None, sink);
            add(&entry.key.text, &entry.key_range, role, &entry.value, sink);
        }
    }
    for entry in root.get("verification").and_then(Node::entries).unwrap_or_default() {
        let role = stated(&entry.value, Some(entry), sink);
        if let Some(name) = entry.value.get("hostname") {
            add(name.text().unwrap_or_default(), &name.range, role.clone(), &entry.value, sink);
        }
        for name in entry.value.get("servers_affected").and_then(Node::items).unwrap_or_default() {
            add(name.text().unwrap_or_default(), &name.range, role.clone(), &entry.value, sink);
        }
    }
    found
}

/// Host names go to `ssh`: nothing that it could take for an option or a command.
fn is_host(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
    !name.is_empty() && name.len() <= 253 && !name.starts_with(['-', '.']) && name.chars().all(allowed)
}

fn facts(about: &Node) -> BTreeMap<String, String> {
    let is_fact = |entry: &&Entry| !matches!(entry.key.text.as_str(), "name" | "hostname" | "role");
    let text = |entry: &Entry| Some((entry.key.text.clone(), entry.value.text()?.to_owned()));
    about.entries().unwrap_or_default().iter().filter(is_fact).filter_map(text).collect()
}

fn explicit_role(node: &Node, roles: &[String], sink: &mut Sink<'_>) -> Option<String> {
    let asked = node.text().unwrap_or_default();
    let found = super::resolve_role(asked, roles);
    if found.is_none() {
        let message = format!("this document has no role {}", quoted(asked));
        let help = format!("roles: {}", roles.join(", "));
        sink.warning("host-role", &node.range, message, &help);
    }
    found
}

/// The role whose name shares most words with a name: `testnet_servers` suggests `testnet_validators`.
fn suggested_role(name: &str, roles: &[String]) -> Option<String> {
    let words = |name: &str| -> Vec<String> {
        let singular = name.split(['_', '-', ' ']).map(|word| word.trim_end_matches('s').to_lowercase());
        singular
            .filter(|word| !matches!(word.as_str(), "server" | "host" | "node" | "machine" | "all" | ""))
            .collect()
    };
    let asked = words(name);
    let shared = |role: &String| words(role).iter().filter(|word| asked.contains(word)).count();
    let best = roles.iter().map(shared).max().filter(|most| *most > 0)?;
    let mut candidates = roles.iter().filter(|role| shared(role) == best);
    match (candidates.next(), candidates.next()) {
        (Some(role), None) => Some(role.clone()),
        _ => name.parse::<Builtin>().ok().and_then(|_| super::resolve_role(name, roles)),
    }
}
