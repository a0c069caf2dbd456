//! The error of all parsers: the line, what is wrong and the offending text.

use oomguard_text::shown;
use serde::{Deserialize, Serialize};

/// Characters of the offending text that an error keeps.
const RAW_LIMIT: usize = 80;

/// Bytes that could not be parsed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{}{what}: \"{raw}\"", Place(.line))]
pub struct ParseError {
    /// The line, counted from 1; 0 for the file as a whole.
    pub line: usize,
    /// What is wrong, as a sentence without a full stop: "MemTotal is not a number".
    pub what: String,
    /// The offending text, escaped, at most 80 characters.
    pub raw: String,
}

impl ParseError {
    /// `raw` is escaped and cut here.
    pub fn new(line: usize, what: impl Into<String>, raw: &[u8]) -> Self {
        Self { line, what: what.into(), raw: shown(raw, RAW_LIMIT) }
    }
}

/// `line 3: `, or nothing for the whole file.
struct Place<'a>(&'a usize);

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            0 => Ok(()),
            line => write!(f, "line {line}: "),
        }
    }
}
