//! One line of JSON for each call.

use std::fs::File;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A text in the audit has no more characters than this.
const MOST: usize = 200;

/// A line of the audit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Seconds since 1970.
    pub time: u64,
    /// Who: `stdio` or `http`, and what the client calls itself.
    pub caller: String,
    /// What.
    pub tool: String,
    /// With what.
    pub arguments: Value,
    /// `begun`, `done`, `refused: ...`, `cancelled`.
    pub outcome: String,
    /// The plan that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_id: Option<String>,
}

/// The file.
#[derive(Debug)]
pub struct Audit {
    file: Mutex<File>,
}

impl Audit {
    /// Writes to this file.
    #[must_use]
    pub fn new(file: File) -> Self {
        Self { file: Mutex::new(file) }
    }

    /// Writes a line.
    ///
    /// # Errors
    /// When it cannot be written; the call is then not carried out.
    pub fn write(&self, line: &Line) -> io::Result<()> {
        let mut bytes = serde_json::to_vec(line)?;
        bytes.push(b'\n');
        // One write: lines of two servers do not mix.
        self.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(&bytes)
    }
}

/// Arguments as they may be kept: no secrets, no documents.
#[must_use]
pub fn redacted(arguments: &Map<String, Value>) -> Value {
    Value::Object(
        arguments
            .iter()
            .take(50)
            .map(|(key, value)| (crate::safe::text(key).chars().take(60).collect(), of(key, value, 0)))
            .collect(),
    )
}

fn of(key: &str, value: &Value, depth: usize) -> Value {
    let lower = key.to_ascii_lowercase();
    let secret = |word: &&str| lower.contains(*word);
    if ["token", "secret", "password", "passwd", "key", "credential", "authorization"].iter().any(secret) {
        return Value::from("[redacted]");
    }
    match value {
        Value::String(text) if key == "text" => Value::from(format!("[{} bytes]", text.len())),
        Value::String(text) => Value::from(oomguard_incident::safe::shown(text.as_bytes(), MOST)),
        Value::Object(_) | Value::Array(_) if depth > 2 => Value::from("[...]"),
        Value::Object(map) => map
            .iter()
            .take(50)
            .map(|(k, v)| (oomguard_incident::safe::shown(k.as_bytes(), 60), of(k, v, depth + 1)))
            .collect(),
        Value::Array(list) => list.iter().take(50).map(|one| of(key, one, depth + 1)).collect(),
        plain => plain.clone(),
    }
}
