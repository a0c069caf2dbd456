//! The one error of the readers: where, what and the text that could not be read.

use serde::{Deserialize, Serialize};

/// How many characters of a raw value an error keeps.
const RAW_LIMIT: usize = 80;

/// Bytes that a reader could not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{}{what}: \"{raw}\"", Place(.line))]
pub struct ParseError {
    /// The line, counted from 1; 0 means the file as a whole.
    pub line: usize,
    /// What is wrong, as a sentence without a full stop: "MemTotal has no number".
    pub what: String,
    /// The bytes it is about, escaped, at most 80 characters.
    pub raw: String,
}

impl ParseError {
    /// An error about `raw`, which is escaped and cut here.
    pub fn new(line: usize, what: impl Into<String>, raw: &[u8]) -> Self {
        Self { line, what: what.into(), raw: shown(raw) }
    }
}

/// `line 3: `, or nothing where the whole file is meant.
struct Place<'a>(&'a usize);

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            0 => Ok(()),
            line => write!(f, "line {line}: "),
        }
    }
}

/// `raw` on one line, safe to print, at most [`RAW_LIMIT`] characters with `...` for what was cut.
fn shown(raw: &[u8]) -> String {
    // A character takes at most four bytes, so nothing beyond this can be shown: the cost stays bounded.
    let head = &raw[..raw.len().min(RAW_LIMIT * 4)];
    let mut out = String::new();
    let mut length = 0;
    let mut cut = head.len() < raw.len();
    // Where the text still fits with the dots after it.
    let mut room = 0;
    for chunk in head.utf8_chunks() {
        let valid = chunk.valid().chars().map(escape_char);
        let invalid = chunk.invalid().iter().map(|b| format!("\\x{b:02x}"));
        for piece in valid.chain(invalid) {
            let width = piece.chars().count();
            if length + width > RAW_LIMIT {
                cut = true;
                break;
            }
            length += width;
            out.push_str(&piece);
            if length <= RAW_LIMIT - 3 {
                room = out.len();
            }
        }
        if length >= RAW_LIMIT - 3 && cut {
            break;
        }
    }
    if cut {
        out.truncate(room);
        out.push_str("...");
    }
    out
}

/// One character as an error message may hold it: control characters, quotes and backslashes escaped.
fn escape_char(c: char) -> String {
    match c {
        '"' | '\\' => format!("\\{c}"),
        c if c.is_control() || is_invisible(c) => c.escape_default().to_string(),
        c => c.to_string(),
    }
}

/// Characters that reorder or hide the text around them on a terminal.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}
