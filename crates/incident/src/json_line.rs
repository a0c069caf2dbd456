//! A line of `journalctl -o json`, and the JSON in which others wrap a log line.

use serde_json::Value;

use crate::line::time_of;
use crate::time::Time;

/// A record of the journal.
#[derive(Clone, Debug)]
pub struct JournalRecord {
    /// When.
    pub time: Time,
    /// Whether the journal has it from the kernel: `_TRANSPORT=kernel` cannot be forged by a program.
    pub kernel: bool,
    /// The program's name, where it is not the kernel.
    pub program: Vec<u8>,
    /// The boot that it is of.
    pub boot: Option<String>,
    /// What was said.
    pub message: Vec<u8>,
    /// Whether it is a line of a log that something else wrapped in JSON, with its own prefix.
    pub wrapped: bool,
}

/// The longest line of JSON that is read; the journal's own limit for a field in its JSON is 4096 bytes.
const LIMIT: usize = 256 * 1024;

/// Reads a line of `journalctl -o json`; `None` when it is something else.
#[must_use]
pub fn read(line: &[u8]) -> Option<JournalRecord> {
    let line = line.trim_ascii();
    if !line.starts_with(b"{") || line.len() > LIMIT {
        return None;
    }
    let value: Value = serde_json::from_slice(line).ok()?;
    let message = bytes(value.get("MESSAGE").or_else(|| value.get("log")).or_else(|| value.get("message"))?)?;
    let text = |key: &str| value.get(key).and_then(Value::as_str);
    let integer = |key: &str| text(key).and_then(|text| text.parse::<i64>().ok());
    let transport = text("_TRANSPORT");
    let identifier = text("SYSLOG_IDENTIFIER").or_else(|| text("_COMM")).unwrap_or_default();
    let uptime = integer("_SOURCE_MONOTONIC_TIMESTAMP").or_else(|| integer("__MONOTONIC_TIMESTAMP"));
    Some(JournalRecord {
        time: time_of(integer("__REALTIME_TIMESTAMP"), uptime.and_then(|us| u64::try_from(us).ok())),
        kernel: transport.map_or(identifier == "kernel" || identifier.is_empty(), |name| name == "kernel"),
        program: identifier.as_bytes().to_vec(),
        boot: text("_BOOT_ID").map(str::to_owned),
        message,
        wrapped: value.get("MESSAGE").is_none(),
    })
}

/// A field of the journal: text, or an array of bytes when it is not all printable UTF-8.
fn bytes(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::String(text) => Some(text.as_bytes().to_vec()),
        Value::Array(numbers) => {
            numbers.iter().map(|number| u8::try_from(number.as_u64()?).ok()).collect::<Option<Vec<u8>>>()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes() {
        let record =
            read(br#"{"_TRANSPORT":"kernel","MESSAGE":"a\"b","__REALTIME_TIMESTAMP":"1769171401000000"}"#);
        let record = record.unwrap();
        assert!(record.kernel);
        assert_eq!(record.message, b"a\"b");
        assert_eq!(record.time.wall.unwrap().shown.text(), "2026-01-23T12:30:01Z");
        assert_eq!(read(br#"{"MESSAGE":[75,255]}"#).unwrap().message, [75, 255]);
    }

    #[test]
    fn only_the_kernel_is_the_kernel() {
        assert!(
            !read(br#"{"_TRANSPORT":"stdout","SYSLOG_IDENTIFIER":"kernel","MESSAGE":"x"}"#).unwrap().kernel
        );
        assert!(!read(br#"{"SYSLOG_IDENTIFIER":"x","MESSAGE":"x"}"#).unwrap().kernel);
        assert!(read(br#"{"MESSAGE":[300]}"#).is_none());
        assert!(read(b"{").is_none() && read(b"[]").is_none());
    }
}
