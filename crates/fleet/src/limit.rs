//! A selection of hosts from an inventory: `testnet*,!testnet003*`.

use crate::host_name::shown;
use crate::inventory::Target;

/// A pattern: names, groups and globs (`*`, `?`), comma-separated; a leading `!` excludes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    wanted: Vec<String>,
    unwanted: Vec<String>,
}

/// Why a pattern selects nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// A name that matches nothing: most likely a typo.
    #[error("--limit: no host or group in the inventory matches {0}")]
    Unmatched(String),
    /// Every host is excluded.
    #[error("--limit: no host left; `!` excludes what follows it")]
    NothingLeft,
}

impl Limit {
    /// Reads a pattern. Blanks around commas are ignored.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let words = || text.split(',').map(str::trim).filter(|word| !word.is_empty());
        let wanted = words().filter(|word| !word.starts_with('!')).map(str::to_owned).collect();
        let unwanted = words().filter_map(|word| word.strip_prefix('!')).map(|word| word.trim().to_owned());
        Self { wanted, unwanted: unwanted.collect() }
    }

    /// The matching hosts, in the order of the inventory.
    ///
    /// # Errors
    /// When a part of it matches nothing, or no host is left.
    pub fn choose(&self, targets: Vec<Target>) -> Result<Vec<Target>, LimitError> {
        for word in self.wanted.iter().chain(&self.unwanted) {
            if !targets.iter().any(|target| means(word, target)) {
                return Err(LimitError::Unmatched(shown(word)));
            }
        }
        let any = |words: &[String], target: &Target| words.iter().any(|word| means(word, target));
        let chosen = |target: &Target| {
            (self.wanted.is_empty() || any(&self.wanted, target)) && !any(&self.unwanted, target)
        };
        let chosen: Vec<Target> = targets.into_iter().filter(chosen).collect();
        if chosen.is_empty() { Err(LimitError::NothingLeft) } else { Ok(chosen) }
    }
}

fn means(word: &str, target: &Target) -> bool {
    let names = [target.name.as_str(), target.name.host()];
    word == "all"
        || names.into_iter().chain(target.groups.iter().map(String::as_str)).any(|name| glob(word, name))
}

/// Whether a glob matches a name as a whole. Its time grows with the product of both lengths at most.
fn glob(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut p, mut n) = (0, 0);
    // Where the last `*` stands, and how much it has swallowed so far.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(byte) if *byte == b'?' || name.get(n) == Some(byte) => {
                p += 1;
                n += 1;
            }
            _ => match &mut star {
                Some((at, swallowed)) => {
                    *swallowed += 1;
                    p = *at + 1;
                    n = *swallowed;
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).is_none_or(|rest| rest.iter().all(|byte| *byte == b'*'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn targets() -> Vec<Target> {
        let of = |name: &str, group: &str| Target {
            groups: vec![group.to_owned()],
            ..Target::new(name.parse().unwrap(), None)
        };
        vec![of("ci.x", "build"), of("root@t1.x", "testnet"), of("t2.x", "testnet")]
    }

    fn names(limit: &str) -> Result<Vec<String>, LimitError> {
        Ok(Limit::parse(limit).choose(targets())?.into_iter().map(|target| target.name.to_string()).collect())
    }

    #[test]
    fn names_groups_globs_and_what_is_taken_away() {
        assert_eq!(names("t1.x").unwrap(), ["root@t1.x"]);
        assert_eq!(names("testnet").unwrap(), ["root@t1.x", "t2.x"]);
        assert_eq!(names("t?.x, ci*").unwrap().len(), 3);
        assert_eq!(names("!testnet").unwrap(), ["ci.x"]);
        assert_eq!(names("all,!t2*").unwrap(), ["ci.x", "root@t1.x"]);
        assert_eq!(names("").unwrap().len(), 3);
        assert_eq!(names("t3.x"), Err(LimitError::Unmatched("`t3.x`".to_owned())));
        assert_eq!(names("ci.x,!build"), Err(LimitError::NothingLeft));
    }

    proptest! {
        #[test]
        fn a_glob_ends_and_a_star_matches_all(pattern in "[*?a-c]{0,30}", name in "[a-c]{0,60}") {
            let _ = glob(&pattern, &name);
            prop_assert!(glob("*", &name));
            prop_assert!(glob(&name, &name));
            let begins = name.chars().take(3).chain(['*']).collect::<String>();
            prop_assert!(glob(&begins, &name));
        }
    }
}
