//! Inventories: a cspec document, the output of `ansible-inventory --list`, or a plain list.

mod ansible;
mod document;
mod list;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::host_name::{BadHostName, HostName};

/// An inventory with more hosts is a mistake.
pub const MAX_HOSTS: usize = 10_000;
/// An inventory is not longer, in bytes.
pub const MAX_BYTES: usize = 64 << 20;

/// A host of an inventory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Target {
    /// Its name, which ssh uses too unless there is an `address`.
    pub name: HostName,
    /// The address that ssh connects to instead (`ansible_host`).
    pub address: Option<HostName>,
    /// The port of its sshd, if it is not ssh's default.
    pub port: Option<u16>,
    /// Its role, if the inventory has one.
    pub role: Option<String>,
    /// Its groups.
    pub groups: Vec<String>,
}

impl Target {
    /// A host with a name only.
    #[must_use]
    pub fn new(name: HostName, port: Option<u16>) -> Self {
        Self { name, address: None, port, role: None, groups: Vec::new() }
    }

    /// What ssh connects to.
    #[must_use]
    pub fn destination(&self) -> String {
        self.address.as_ref().unwrap_or(&self.name).destination()
    }
}

/// The form of an inventory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A cspec document: its `hosts`, and the hosts of `verification`.
    Document,
    /// The JSON of `ansible-inventory --list`.
    Ansible,
    /// One host per line; `#` starts a comment.
    List,
}

impl Form {
    /// Guesses by the file name, or else by the first character.
    #[must_use]
    pub fn guess(name: &str, bytes: &[u8]) -> Self {
        let ends = |end: &str| name.to_ascii_lowercase().ends_with(end);
        if [".cspec", ".yaml", ".yml"].into_iter().any(ends) {
            return Self::Document;
        }
        match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'{') => Self::Ansible,
            _ => Self::List,
        }
    }
}

/// Why an inventory cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InventoryError {
    /// The document cannot be read; located messages.
    #[error("{0}")]
    Document(Box<oomguard_spec::Rejected>),
    /// Not the expected JSON.
    #[error("{name} is not the output of `ansible-inventory --list`: {why}")]
    Ansible {
        /// The inventory.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// A host name that is not valid.
    #[error("{name}{}: {source}", .line.map(|line| format!(":{line}")).unwrap_or_default())]
    Host {
        /// The inventory.
        name: String,
        /// Counted from 1, where there are lines.
        line: Option<usize>,
        /// What is wrong with it.
        source: BadHostName,
    },
    /// An unknown word after a host.
    #[error("{name}:{line}: {word} is not valid; a host may be followed by `role=NAME` and `port=NUMBER`")]
    Word {
        /// The inventory.
        name: String,
        /// Counted from 1.
        line: usize,
        /// The word.
        word: String,
    },
    /// Too much.
    #[error("{0} is too large for an inventory (at most 10000 hosts and 64 MiB)")]
    TooLong(String),
    /// Nothing.
    #[error("{0} lists no hosts")]
    Empty(String),
}

/// Reads an inventory. Of a host that is listed twice, the first entry counts.
///
/// # Errors
/// When it is not valid, or has a host name that is not.
pub fn read(name: &str, bytes: &[u8], form: Form) -> Result<Vec<Target>, InventoryError> {
    if bytes.len() > MAX_BYTES {
        return Err(InventoryError::TooLong(name.to_owned()));
    }
    let found = match form {
        Form::Document => document::read(name, bytes)?,
        Form::Ansible => ansible::read(name, bytes)?,
        Form::List => list::read(name, bytes)?,
    };
    let mut targets: Vec<Target> = Vec::new();
    let mut names = std::collections::BTreeSet::new();
    for target in found {
        if names.insert(target.name.clone()) {
            targets.push(target);
        }
    }
    match targets.len() {
        0 => Err(InventoryError::Empty(name.to_owned())),
        count if count > MAX_HOSTS => Err(InventoryError::TooLong(name.to_owned())),
        _ => Ok(targets),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_form_is_known_by_its_name_or_its_beginning() {
        assert_eq!(Form::guess("a.cspec", b"{}"), Form::Document);
        assert_eq!(Form::guess("x", b" \n{}"), Form::Ansible);
        assert_eq!(Form::guess("hosts", b"ci\n"), Form::List);
    }

    proptest! {
        #[test]
        fn no_bytes_break_a_reader(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            for form in [Form::Document, Form::Ansible, Form::List] {
                let _ = read("x", &bytes, form);
            }
        }

        #[test]
        fn a_list_of_names_is_read_as_it_is(names in proptest::collection::btree_set("[a-z][a-z0-9.-]{0,20}", 1..20)) {
            let text: String = names.iter().map(|name| format!("  {name}  # why\n\n")).collect();
            let read = read("x", text.as_bytes(), Form::List).unwrap();
            prop_assert!(read.iter().map(|target| target.name.as_str()).eq(names.iter().map(String::as_str)));
        }
    }
}
