//! What is refused before anything is parsed.

use crate::diagnostic::Sink;
use crate::text::{LineIndex, quoted};

/// Why bytes are no document, with the first byte that shows it.
pub(crate) enum NotText {
    Nul(usize),
    NotUtf8(usize),
}

/// The bytes as text.
pub(crate) fn text(bytes: &[u8]) -> Result<&str, NotText> {
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        return Err(NotText::Nul(at));
    }
    std::str::from_utf8(bytes).map_err(|error| NotText::NotUtf8(error.valid_up_to()))
}

/// Characters that YAML does not allow, or that end a line for some readers and not for others.
pub(crate) fn characters(source: &str, sink: &mut Sink<'_>) {
    let mut chars = source.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let next = chars.peek().map(|(_, next)| *next);
        let what = match c {
            '\n' | '\t' => continue,
            '\r' if next == Some('\n') => continue,
            '\r' => "a carriage return without a line feed",
            '\u{feff}' if at == 0 => continue,
            '\u{feff}' => "a byte order mark inside the text",
            '\u{85}' | '\u{2028}' | '\u{2029}' => "a line break only to some YAML parsers",
            '\u{fffe}' | '\u{ffff}' => "a noncharacter",
            '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' => "a control character",
            _ => continue,
        };
        let range = at..at + c.len_utf8();
        let message = format!("{} is {what}, at byte {at}", quoted(&c.to_string()));
        sink.error(
            "control-character",
            &range,
            message,
            "delete it, or write it as an escape such as \"\\x1b\"",
        );
    }
}

/// A document that says nothing.
pub(crate) fn empty(source: &str, lines: &LineIndex<'_>, sink: &mut Sink<'_>) {
    let comments = source.lines().any(|line| line.trim_start().starts_with('#'));
    let message = if comments { "the document contains only comments" } else { "the document is empty" };
    let help = "write a policy, such as `memory_config: {swap: {size: 32GB}, swappiness: 10}`";
    sink.error("empty", &lines.line(0), message.to_owned(), help);
}
