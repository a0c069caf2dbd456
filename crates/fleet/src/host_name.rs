//! Host names that are safe to pass to ssh: neither ssh nor a shell can read them as anything else.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The longest name of the DNS (RFC 1035, 2.3.4).
const MAX_NAME: usize = 253;
/// The longest user name of useradd(8) is 32; directory services have longer ones.
const MAX_USER: usize = 64;

/// `host`, `user@host`, or an IPv6 address in brackets. Letters, digits, dots, dashes and underscores only.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct HostName(String);

/// Why a text is not a host name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadHostName {
    /// It is empty.
    #[error("empty host name")]
    Empty,
    /// It is too long.
    #[error("{0} is too long for a host name (at most 253 characters)")]
    TooLong(String),
    /// ssh would read it as an option.
    #[error("{0} is not a valid host name: it starts with `-` or `.`, and ssh would read it as an option")]
    Start(String),
    /// It has a character that is not valid.
    #[error(
        "{0} is not a valid host name; use letters, digits, `.`, `-`, `_`, one `@` after the user, and brackets around IPv6"
    )]
    Character(String),
    /// Its port is not valid.
    #[error("{0} does not end in a valid port (1 to 65535)")]
    Port(String),
}

impl HostName {
    /// The name as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Without the user.
    #[must_use]
    pub fn host(&self) -> &str {
        self.0.split_once('@').map_or(self.0.as_str(), |(_, host)| host)
    }

    /// What ssh takes as its destination: an IPv6 address stands without brackets there.
    #[must_use]
    pub fn destination(&self) -> String {
        self.0.replace(['[', ']'], "")
    }

    /// The same host with another user.
    ///
    /// # Errors
    /// When that is no user name.
    pub fn with_user(&self, user: &str) -> Result<Self, BadHostName> {
        format!("{user}@{}", self.host()).parse()
    }
}

/// A name with the port that may stand after it: `host:2222`, `[::1]:2222`.
///
/// # Errors
/// When the name or the port is none.
pub fn with_port(text: &str) -> Result<(HostName, Option<u16>), BadHostName> {
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !text.ends_with(']') && (!name.contains(':') || name.ends_with(']')) => {
            (name, Some(port))
        }
        _ => (text, None),
    };
    let valid = |port: &str| {
        let digits = !port.is_empty() && port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit());
        port.parse::<u16>().ok().filter(|port| digits && *port > 0)
    };
    let port = match port {
        None => None,
        Some(port) => Some(valid(port).ok_or_else(|| BadHostName::Port(shown(text)))?),
    };
    Ok((name.parse()?, port))
}

impl FromStr for HostName {
    type Err = BadHostName;

    fn from_str(text: &str) -> Result<Self, BadHostName> {
        if text.is_empty() {
            return Err(BadHostName::Empty);
        }
        let (user, host) = match text.split_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, text),
        };
        if host.len() > MAX_NAME || user.is_some_and(|user| user.len() > MAX_USER) {
            return Err(BadHostName::TooLong(shown(text)));
        }
        let plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
        for part in user.into_iter().chain([host]) {
            if part.is_empty() {
                return Err(BadHostName::Character(shown(text)));
            }
            if part.starts_with(['-', '.']) {
                return Err(BadHostName::Start(shown(text)));
            }
        }
        let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let valid = match address {
            Some(address) => address.parse::<Ipv6Addr>().is_ok(),
            None => plain(host),
        };
        if !valid || !user.is_none_or(plain) {
            return Err(BadHostName::Character(shown(text)));
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for HostName {
    type Error = BadHostName;

    fn try_from(text: String) -> Result<Self, BadHostName> {
        text.parse()
    }
}

impl From<HostName> for String {
    fn from(name: HostName) -> Self {
        name.0
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that is no name, for a message.
pub(crate) fn shown(text: &str) -> String {
    oomguard_text::quoted(text, 80)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_that_are_taken() {
        for name in ["testnet001.ac-dc.network", "root@ci", "10.0.0.1", "[::1]", "adm_in@[2001:db8::1]", "a"]
        {
            assert_eq!(name.parse::<HostName>().unwrap().as_str(), name);
        }
        assert_eq!("root@[::1]".parse::<HostName>().unwrap().destination(), "root@::1");
        let (name, port) = with_port("root@ci:2222").unwrap();
        assert_eq!((name.as_str(), port), ("root@ci", Some(2222)));
        assert_eq!(with_port("[::1]:22").unwrap().1, Some(22));
        assert_eq!(with_port("[::1]").unwrap().1, None);
    }

    #[test]
    fn names_that_ssh_or_a_shell_would_misread() {
        let bad = [
            "",
            "-oProxyCommand=x",
            "root@-oProxyCommand=x",
            "-l@ci",
            "a b",
            "a;b",
            "$(id)",
            "`id`",
            "a|b",
            "a\nb",
            "a/b",
            "..",
            ".",
            "a@b@c",
            "@ci",
            "root@",
            "[::1",
            "::1",
            "[x]",
            "a%b",
            "ci:0",
            "ci:70000",
            "ci:+1",
            "ci:",
            "a\\b",
            "ä",
            "a'b",
            "a\"b",
            "~",
            "a*",
            "a\0b",
            "[fe80::1%eth0]",
        ];
        for name in bad {
            assert!(with_port(name).is_err(), "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_taken_is_one_plain_word(text in "\\PC{0,40}|[-a-z@:.\\[\\]0-9]{0,20}") {
            if let Ok((name, _)) = with_port(&text) {
                let destination = name.destination();
                prop_assert!(!destination.starts_with(['-', '.']));
                prop_assert!(destination.chars().all(|c| c.is_ascii_alphanumeric() || "._-@:".contains(c)));
                prop_assert!(!name.host().starts_with('-'));
            }
        }
    }
}
