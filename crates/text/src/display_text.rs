//! Text of others as events, reports and metrics keep it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One line of at most 200 characters without unsafe characters, whatever it was made from.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(from = "String")]
#[schemars(with = "String")]
pub struct DisplayText(String);

impl DisplayText {
    /// How many characters are kept.
    pub const MAX_CHARS: usize = 200;

    /// The text as [`shown`](crate::shown) has it.
    #[must_use]
    pub fn new(raw: impl AsRef<[u8]>) -> Self {
        Self(crate::shown(raw, Self::MAX_CHARS))
    }

    /// It as a string.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for DisplayText {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl From<String> for DisplayText {
    fn from(raw: String) -> Self {
        Self::new(raw)
    }
}

impl From<&str> for DisplayText {
    fn from(raw: &str) -> Self {
        Self::new(raw)
    }
}

impl From<DisplayText> for String {
    fn from(text: DisplayText) -> Self {
        text.0
    }
}

impl PartialEq<str> for DisplayText {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for DisplayText {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl fmt::Display for DisplayText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_text_is_kept_and_unsafe_characters_are_escaped() {
        assert_eq!(DisplayText::new("tmux: server"), "tmux: server");
        assert_eq!(DisplayText::new("a\x1b[31m\n"), "a\\x1b[31m\\x0a");
        assert!(DisplayText::new("x".repeat(201)).as_str().ends_with("x..."));
    }

    proptest! {
        #[test]
        fn json_of_others_is_made_safe_and_survives_a_round_trip(raw in "\\PC{0,20}[\\x00-\\x20\u{202e}]{0,3}.{0,300}") {
            let json = serde_json::to_string(&raw).unwrap();
            let text: DisplayText = serde_json::from_str(&json).unwrap();
            prop_assert!(text.as_str().chars().count() <= DisplayText::MAX_CHARS);
            prop_assert!(!text.as_str().contains(crate::is_unsafe));
            prop_assert_eq!(&DisplayText::new(text.as_str()), &text);
            prop_assert_eq!(serde_json::from_str::<DisplayText>(&serde_json::to_string(&text).unwrap()).unwrap(), text);
        }
    }
}
