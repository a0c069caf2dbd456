//! The audit log: one line of JSON for each event of a call.

use std::fs::File;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use oomguard_text::shown;
use serde::Serialize;
use serde_json::{Map, Value};

/// The longest string that is logged, in characters.
const MAX_CHARS: usize = 200;
/// The longest name of an argument that is logged, in characters.
const MAX_NAME_CHARS: usize = 60;
/// The most entries of a list or map that are logged.
const MAX_ENTRIES: usize = 50;

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Entry {
    /// Seconds since 1970.
    pub(crate) time: u64,
    /// The transport, and the name and version that the client states.
    pub(crate) caller: String,
    pub(crate) tool: String,
    pub(crate) arguments: Value,
    /// `begun`, `done`, `failed: ...`, `cancelled`, `waiting for the person`.
    pub(crate) outcome: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) plan_id: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Audit {
    file: Mutex<File>,
}

impl Audit {
    pub(crate) fn new(file: File) -> Self {
        Self { file: Mutex::new(file) }
    }

    pub(crate) fn write(&self, entry: &Entry) -> io::Result<()> {
        let mut bytes = serde_json::to_vec(entry)?;
        bytes.push(b'\n');
        // A single write, so that the lines of two servers do not mix.
        self.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(&bytes)
    }
}

/// The arguments of a call without secrets and documents, bounded in size.
pub(crate) fn redacted(arguments: &Map<String, Value>) -> Value {
    redacted_map(arguments, 0)
}

fn redacted_map(map: &Map<String, Value>, depth: usize) -> Value {
    let entries = map.iter().take(MAX_ENTRIES);
    entries.map(|(key, value)| (shown(key, MAX_NAME_CHARS), redacted_value(key, value, depth))).collect()
}

fn redacted_value(key: &str, value: &Value, depth: usize) -> Value {
    let lower = key.to_ascii_lowercase();
    let is_secret = |word: &&str| lower.contains(*word);
    if ["token", "secret", "password", "passwd", "key", "credential", "authorization"].iter().any(is_secret) {
        return Value::from("[redacted]");
    }
    match value {
        Value::String(text) if key == "text" => Value::from(format!("[{} bytes]", text.len())),
        Value::String(text) => Value::from(shown(text, MAX_CHARS)),
        Value::Object(_) | Value::Array(_) if depth > 2 => Value::from("[...]"),
        Value::Object(map) => redacted_map(map, depth + 1),
        Value::Array(list) => {
            list.iter().take(MAX_ENTRIES).map(|entry| redacted_value(key, entry, depth + 1)).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}
