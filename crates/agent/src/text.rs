//! Text that others chose: names of processes, units and cgroups, reasons of the system.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many characters are kept.
const LIMIT: usize = 200;

/// One line of at most 200 characters that cannot steer a terminal or break a log line, whatever it came from.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(from = "String")]
#[schemars(with = "String")]
pub struct Text(String);

impl Text {
    /// The text as it may be shown: what cannot be seen becomes `?`, what is too long ends with `...`.
    #[must_use]
    pub fn new(raw: &str) -> Self {
        let mut text = String::with_capacity(raw.len().min(LIMIT * 4));
        for (number, c) in raw.chars().enumerate() {
            if number == LIMIT {
                text.truncate(text.char_indices().nth(LIMIT - 3).map_or(text.len(), |(at, _)| at));
                text.push_str("...");
                break;
            }
            text.push(if is_unseen(c) { '?' } else { c });
        }
        Self(text)
    }

    /// It as a string.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Control characters, and those that reorder or hide the text around them.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

impl From<String> for Text {
    fn from(raw: String) -> Self {
        Self::new(&raw)
    }
}

impl From<&str> for Text {
    fn from(raw: &str) -> Self {
        Self::new(raw)
    }
}

impl std::fmt::Display for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn whatever_it_was_it_can_be_shown(raw in "\\PC{0,20}[\\x00-\\x20\u{202e}]{0,3}.{0,300}") {
            let text = Text::new(&raw);
            prop_assert!(text.as_str().chars().count() <= LIMIT);
            prop_assert!(!text.as_str().chars().any(is_unseen));
            prop_assert_eq!(Text::new(text.as_str()), text);
        }
    }

    #[test]
    fn what_is_plain_stays_as_it_is() {
        assert_eq!(Text::new("tmux: server").as_str(), "tmux: server");
        assert_eq!(Text::new("a\x1b[31m\n").as_str(), "a?[31m?");
        assert!(Text::new(&"x".repeat(201)).as_str().ends_with("x..."));
    }
}
