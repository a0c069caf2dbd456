//! Names of systemd units, and patterns for them that a drop-in can express.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A service that a policy names: `adnet.service`, every instance of a template (`ci-job@*.service`), or every service
/// whose name begins so (`ci-*.service`). Only shapes for which systemd has one drop-in folder, see systemd.unit(5).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct UnitPattern(String);

/// Why a text is no [`UnitPattern`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadUnit {
    /// Not a `.service`.
    #[error("`{0}` is not the name of a service: write `NAME.service`")]
    NotAService(String),
    /// A character that no unit name has.
    #[error("`{0}` contains a character that unit names cannot have; allowed: letters, digits and `:-_.\\@`")]
    Character(String),
    /// A star where systemd has no drop-in folder for it.
    #[error("`{0}` is not a valid pattern: `*` is allowed only after `@` or `-`, right before `.service`")]
    Star(String),
    /// Longer than systemd allows.
    #[error("the unit name `{0}` is longer than 255 characters")]
    TooLong(String),
}

impl UnitPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// When systemd could not have a unit or a drop-in folder of that name.
    pub fn parse(text: &str) -> Result<Self, BadUnit> {
        let name = || oomguard_text::shown(text, 255);
        if text.len() > 255 {
            return Err(BadUnit::TooLong(oomguard_text::shown(text, 60)));
        }
        let stem = text.strip_suffix(".service").ok_or_else(|| BadUnit::NotAService(name()))?;
        let fixed = stem.strip_suffix('*').unwrap_or(stem);
        if fixed.contains('*') || (fixed.len() < stem.len() && !fixed.ends_with(['@', '-'])) {
            return Err(BadUnit::Star(name()));
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
        if fixed.is_empty() || fixed.starts_with(['.', '-', '@']) || !fixed.chars().all(allowed) {
            return Err(BadUnit::Character(name()));
        }
        Ok(Self(text.to_owned()))
    }

    /// The text as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of systemd's drop-in folder for exactly these units, such as `ci-job@.service.d`.
    #[must_use]
    pub fn drop_in_dir(&self) -> String {
        format!("{}.d", self.0.replace('*', ""))
    }

    /// Whether a unit of this name is meant.
    #[must_use]
    pub fn matches(&self, unit: &str) -> bool {
        match self.0.split_once('*') {
            None => self.0 == unit,
            Some((before, after)) => {
                unit.len() > before.len() + after.len() && unit.starts_with(before) && unit.ends_with(after)
            }
        }
    }
}

impl TryFrom<String> for UnitPattern {
    type Error = BadUnit;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<UnitPattern> for String {
    fn from(pattern: UnitPattern) -> Self {
        pattern.0
    }
}

impl fmt::Display for UnitPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
