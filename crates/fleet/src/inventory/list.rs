//! A plain list: a host a line, with its role or port after it when it has one.

use super::{InventoryError, Target};
use crate::host_name::{shown, with_port};

/// Reads `HOST[:PORT] [role=NAME] [port=NUMBER]` lines; `#` begins a comment, `[name]` a group.
pub(super) fn read(name: &str, bytes: &[u8]) -> Result<Vec<Target>, InventoryError> {
    let text = String::from_utf8_lossy(bytes);
    let mut found = Vec::new();
    let mut group = None;
    for (line, text) in text.lines().enumerate().map(|(at, text)| (at + 1, text)) {
        let text = text.split('#').next().unwrap_or_default().trim();
        let is_group = |name: &&str| !name.is_empty() && !name.contains(':');
        if let Some(name) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).filter(is_group) {
            group = Some(name.to_owned());
            continue;
        }
        let mut words = text.split_whitespace();
        let Some(host) = words.next() else { continue };
        let (host, port) = with_port(host).map_err(|source| InventoryError::Host {
            name: name.to_owned(),
            line: Some(line),
            source,
        })?;
        let mut target = Target::new(host, port);
        target.groups.extend(group.clone());
        for word in words {
            let unknown = || InventoryError::Word { name: name.to_owned(), line, word: shown(word) };
            match word.split_once('=') {
                Some(("role", role)) if !role.is_empty() => target.role = Some(role.to_owned()),
                Some(("port", port)) => {
                    let port = port.parse::<u16>().ok().filter(|port| *port > 0);
                    target.port = Some(port.ok_or_else(unknown)?);
                }
                _ => return Err(unknown()),
            }
        }
        found.push(target);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_groups_roles_and_ports() {
        let text = b"# ours\nci role=ci # builds\n\n[testnet]\nroot@t1:2201\nt2 port=2202\n[::1]:9\n";
        let found = read("hosts", text).unwrap();
        assert_eq!(found[0].role.as_deref(), Some("ci"));
        assert!(found[0].groups.is_empty());
        assert_eq!((found[1].name.as_str(), found[1].port), ("root@t1", Some(2201)));
        assert_eq!(
            (found[2].port, found[2].groups.as_slice()),
            (Some(2202), ["testnet".to_owned()].as_slice())
        );
        assert_eq!(found[3].destination(), "::1");
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        assert_eq!(
            read("hosts", b"ci\n-oProxyCommand=x").unwrap_err().to_string(),
            "hosts:2: `-oProxyCommand=x` is not a valid host name: it starts with `-` or `.`, and ssh would read it as an option"
        );
        assert!(
            read("hosts", b"ci ansible_host=x")
                .unwrap_err()
                .to_string()
                .starts_with("hosts:1: `ansible_host=x` is not")
        );
        assert!(read("hosts", b"ci port=0").is_err());
    }
}
