//! What `ansible-inventory --list` prints.

use std::collections::{BTreeMap, BTreeSet};

use oomguard_spec::Builtin;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{InventoryError, Target};
use crate::host_name::{HostName, shown};

#[derive(Default, Deserialize)]
struct Group {
    #[serde(default)]
    hosts: Vec<String>,
    #[serde(default)]
    children: Vec<String>,
    #[serde(default)]
    vars: Map<String, Value>,
}

#[derive(Default, Deserialize)]
struct Meta {
    #[serde(default)]
    hostvars: BTreeMap<String, Map<String, Value>>,
}

pub(super) fn read(name: &str, bytes: &[u8]) -> Result<Vec<Target>, InventoryError> {
    let failed = |why: String| InventoryError::Ansible { name: name.to_owned(), why };
    let mut all: BTreeMap<String, Value> =
        serde_json::from_slice(bytes).map_err(|e| failed(e.to_string()))?;
    let meta: Meta = match all.remove("_meta") {
        Some(meta) => serde_json::from_value(meta).map_err(|e| failed(format!("_meta: {e}")))?,
        None => Meta::default(),
    };
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    for (group, value) in all {
        // The old short form of a group is a list of its hosts.
        let value = if value.is_array() { serde_json::json!({ "hosts": value }) } else { value };
        let read = serde_json::from_value(value).map_err(|e| failed(format!("{}: {e}", shown(&group))))?;
        groups.insert(group, read);
    }
    let mut of: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for group in groups.keys() {
        for host in members(group, &groups) {
            of.entry(host).or_default().insert(group);
        }
    }
    for host in meta.hostvars.keys() {
        of.entry(host).or_default();
    }
    let empty = Map::new();
    of.into_iter()
        .map(|(host, groups_of)| {
            let vars = meta.hostvars.get(host).unwrap_or(&empty);
            let inherited = groups_of.iter().filter_map(|name| groups.get(*name)).map(|group| &group.vars);
            let vars: Vec<&Map<String, Value>> = [vars].into_iter().chain(inherited).collect();
            target(host, &vars, groups_of).map_err(|source| InventoryError::Host {
                name: name.to_owned(),
                line: None,
                source,
            })
        })
        .collect()
}

/// The hosts of a group and of the groups in it, however these are nested.
fn members<'g>(group: &'g str, groups: &'g BTreeMap<String, Group>) -> BTreeSet<&'g str> {
    let (mut seen, mut left, mut hosts) = (BTreeSet::from([group]), vec![group], BTreeSet::new());
    while let Some(group) = left.pop().and_then(|name| groups.get(name)) {
        hosts.extend(group.hosts.iter().map(String::as_str));
        left.extend(group.children.iter().map(String::as_str).filter(|child| {
            let there = groups.contains_key(*child);
            there && seen.insert(child)
        }));
    }
    hosts
}

fn target(
    host: &str,
    vars: &[&Map<String, Value>],
    groups: BTreeSet<&str>,
) -> Result<Target, crate::host_name::BadHostName> {
    let text = |key: &str| vars.iter().find_map(|vars| vars.get(key)).and_then(Value::as_str);
    let bracketed = |name: &str| match name.parse::<std::net::Ipv6Addr>() {
        Ok(address) => format!("[{address}]"),
        Err(_) => name.to_owned(),
    };
    let name: HostName = bracketed(host).parse()?;
    let mut address = text("ansible_host").map(|name| bracketed(name).parse::<HostName>()).transpose()?;
    if let Some(user) = text("ansible_user").or_else(|| text("ansible_ssh_user")) {
        address = Some(address.as_ref().unwrap_or(&name).with_user(user)?);
    }
    let port = vars.iter().find_map(|vars| vars.get("ansible_port").or_else(|| vars.get("ansible_ssh_port")));
    let port = port.and_then(|port| match port {
        Value::String(text) => text.parse().ok(),
        port => port.as_u64().and_then(|port| u16::try_from(port).ok()),
    });
    let named: BTreeSet<&str> =
        groups.iter().filter_map(|group| group.parse::<Builtin>().ok()).map(Builtin::name).collect();
    let by_group = named.first().filter(|_| named.len() == 1).map(|role| (*role).to_owned());
    let role = text("oomguard_role").map(str::to_owned).or(by_group);
    let groups = groups.into_iter().filter(|group| *group != "all").map(str::to_owned).collect();
    Ok(Target { name, address, port, role, groups })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = r#"{"_meta": {"hostvars": {
        "t1": {"ansible_host": "10.0.0.1", "ansible_port": 2201, "ansible_user": "admin", "oomguard_role": "testnet_validators"},
        "ci": {"ansible_host": "::1"}, "lone": {"secret": "x"}}},
        "all": {"children": ["ungrouped", "everything", "ci"]},
        "everything": {"children": ["testnet", "everything"], "vars": {"ansible_port": "2299"}},
        "ci": {"hosts": ["ci"]}, "testnet": {"hosts": ["t1", "t2"]}, "ungrouped": {}}"#;

    #[test]
    fn hosts_with_their_variables_groups_and_roles() {
        let found = read("x", LIST.as_bytes()).unwrap();
        let of = |name: &str| found.iter().find(|target| target.name.as_str() == name).unwrap();
        let t1 = of("t1");
        assert_eq!((t1.destination().as_str(), t1.port), ("admin@10.0.0.1", Some(2201)));
        assert_eq!(t1.role.as_deref(), Some("testnet_validators"));
        assert_eq!(t1.groups, ["everything", "testnet"]);
        assert_eq!((of("t2").port, of("t2").role.as_deref()), (Some(2299), Some("validator")));
        assert_eq!((of("ci").destination().as_str(), of("ci").role.as_deref()), ("::1", Some("ci")));
        assert!(of("lone").groups.is_empty());
    }

    #[test]
    fn what_is_none() {
        for text in ["[]", "{", r#"{"a": {"hosts": [1]}}"#, r#"{"a": {"hosts": ["-oProxyCommand=x"]}}"#] {
            assert!(read("x", text.as_bytes()).is_err(), "{text}");
        }
        let user = r#"{"_meta":{"hostvars":{"a":{"ansible_user":"-oX"}}}}"#;
        assert!(read("x", user.as_bytes()).is_err());
    }
}
