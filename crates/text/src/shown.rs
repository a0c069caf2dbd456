//! Text on one line or several, bounded, for a terminal or any other place that takes plain text.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::unsafe_char::{is_unsafe, push_shown};

const ELLIPSIS: &str = "...";

/// `raw` on one line of at most `limit` characters. Unsafe characters and bytes that are not UTF-8 are escaped as
/// `\x1b` or `\u{202e}`, a tab becomes a space, and text that is too long is cut and ends in `...`.
///
/// The cost is bounded by `limit`, not by the length of `raw`.
#[must_use]
pub fn shown(raw: impl AsRef<[u8]>, limit: usize) -> String {
    shown_bytes(raw.as_ref(), limit)
}

fn shown_bytes(raw: &[u8], limit: usize) -> String {
    let ellipsis = ELLIPSIS.get(..limit).unwrap_or(ELLIPSIS);
    // Nearly every line is plain ASCII, and most are short.
    let start = raw.get(..limit).unwrap_or(raw);
    if start.iter().all(|byte| (0x20..0x7f).contains(byte))
        && let Ok(plain) = str::from_utf8(start)
    {
        return match plain.get(..limit - ellipsis.len()) {
            Some(cut) if raw.len() > limit => format!("{cut}{ellipsis}"),
            _ => plain.to_owned(),
        };
    }
    // No character has more than four bytes.
    let head = raw.get(..limit.saturating_mul(4)).unwrap_or(raw);
    let mut line = Line { text: String::new(), length: 0, room: 0, limit, ellipsis };
    for chunk in head.utf8_chunks() {
        let fits = chunk.valid().chars().all(|c| line.push(|out| push_shown(out, c)))
            && chunk.invalid().iter().all(|byte| {
                line.push(|out| {
                    _ = write!(out, "\\x{byte:02x}");
                    4
                })
            });
        if !fits {
            return line.cut();
        }
    }
    if head.len() < raw.len() { line.cut() } else { line.text }
}

/// A line under construction.
struct Line<'a> {
    text: String,
    /// In characters.
    length: usize,
    /// The bytes of `text` that leave room for the ellipsis.
    room: usize,
    limit: usize,
    ellipsis: &'a str,
}

impl Line<'_> {
    /// Whether what was pushed fits. Escapes are never cut in the middle.
    fn push(&mut self, write: impl FnOnce(&mut String) -> usize) -> bool {
        self.length += write(&mut self.text);
        if self.length + self.ellipsis.len() <= self.limit {
            self.room = self.text.len();
        }
        self.length <= self.limit
    }

    fn cut(mut self) -> String {
        self.text.truncate(self.room);
        self.text.push_str(self.ellipsis);
        self.text
    }
}

/// Text for use within a message: [`shown`], in backquotes.
#[must_use]
pub fn quoted(raw: impl AsRef<[u8]>, limit: usize) -> String {
    format!("`{}`", shown_bytes(raw.as_ref(), limit))
}

/// At most `max_lines` lines, each as [`shown`] with at most `max_chars` characters. What is left out is counted on a
/// last line, `... and 7 more lines`.
#[must_use]
pub fn lines(text: &str, max_chars: usize, max_lines: usize) -> String {
    let mut all = text.split('\n');
    let mut out: Vec<String> =
        all.by_ref().take(max_lines).map(|line| shown_bytes(line.as_bytes(), max_chars)).collect();
    let more = all.count();
    if more > 0 {
        out.push(format!("... and {}", crate::counted(more, "more line", "more lines")));
    }
    out.join("\n")
}

/// Text of any length for a terminal: newlines stay, a tab becomes a space, other unsafe characters are escaped as in
/// [`shown`].
#[must_use]
pub fn terminal(text: &str) -> Cow<'_, str> {
    if !text.contains(|c| c != '\n' && is_unsafe(c)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if c == '\n' {
            out.push(c);
        } else {
            push_shown(&mut out, c);
        }
    }
    Cow::Owned(out)
}

/// All that a command writes to a terminal, as the last step before it is written. Newlines, tabs and colours
/// (`ESC [ 1 ; 31 m`) stay; other unsafe characters, which a renderer forgot to escape, become `\u202e`, so that
/// JSON stays JSON.
#[must_use]
pub fn output(text: &str) -> Cow<'_, str> {
    let suspect = |c: char| !matches!(c, '\n' | '\t') && is_unsafe(c);
    if !text.contains(suspect) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(at) = rest.find(suspect) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let colour = colour_len(from);
        if colour > 0 {
            let (sequence, after) = from.split_at(colour);
            out.push_str(sequence);
            rest = after;
            continue;
        }
        let mut chars = from.chars();
        if let Some(c) = chars.next() {
            push_utf16(&mut out, c);
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The bytes of the colour sequence (SGR) that a text begins with, or 0.
fn colour_len(text: &str) -> usize {
    let Some(parameters) = text.strip_prefix("\x1b[") else { return 0 };
    let length = parameters.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b';').count();
    if length <= 16 && parameters.as_bytes().get(length) == Some(&b'm') { length + 3 } else { 0 }
}

/// Writes a character with the escapes of JSON: `\u202e`, and two of them beyond U+FFFF.
pub(crate) fn push_utf16(out: &mut String, c: char) {
    for unit in c.encode_utf16(&mut [0; 2]) {
        _ = write!(out, "\\u{unit:04x}");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn unsafe_characters_and_bytes_are_escaped() {
        assert_eq!(shown(b"a\x1b[31mb\r\n\0\t.", 80), "a\\x1b[31mb\\x0d\\x0a\\x00 .");
        assert_eq!(shown("a\u{202e}b", 80), "a\\u{202e}b");
        assert_eq!(shown(b"a\xffb", 80), "a\\xffb");
        assert_eq!(terminal("a\tb\n\u{1b}c"), "a b\n\\x1bc");
        assert_eq!(quoted("a\u{1b}", 9), "`a\\x1b`");
    }

    #[test]
    fn long_text_is_cut_between_escapes() {
        assert_eq!(shown("123456789", 9), "123456789");
        assert_eq!(shown("1234567890", 9), "123456...");
        assert_eq!(shown("ä23456789", 9), "ä23456789");
        assert_eq!(shown("ä234567890", 9), "ä23456...");
        assert_eq!(shown("12345\u{1b}\u{1b}", 9), "12345...");
        assert_eq!(shown("long", 2), "..");
        assert_eq!(shown("long", 0), "");
    }

    #[test]
    fn lines_that_are_left_out_are_counted() {
        assert_eq!(lines("a\nbbbbbb\nc\nd", 5, 2), "a\nbb...\n... and 2 more lines");
        assert_eq!(lines("a\nb", 5, 1), "a\n... and 1 more line");
        assert_eq!(lines("a\nb\n", 5, 9), "a\nb\n");
    }

    proptest! {
        #[test]
        fn shown_text_is_safe_bounded_and_shown_as_it_is(raw: Vec<u8>, text: String, limit in 0usize..90) {
            for raw in [raw.as_slice(), text.as_bytes()] {
                let once = shown(raw, limit);
                prop_assert!(!once.contains(is_unsafe), "{once:?}");
                prop_assert!(once.chars().count() <= limit, "{once:?}");
                prop_assert_eq!(shown(&once, limit), once);
            }
        }

        #[test]
        fn safe_text_within_the_limit_is_unchanged(text in "[ -~äЖ漢🦀]{0,80}") {
            prop_assert_eq!(shown(&text, 80), text.clone());
            prop_assert_eq!(terminal(&text), text.as_str());
        }

        #[test]
        fn lines_are_safe_and_bounded(text in "(\\PC|[\n\r\t\u{1b}\u{202e}]){0,120}", chars in 3usize..20, count in 1usize..9) {
            let once = lines(&text, chars, count);
            prop_assert!(once.split('\n').count() <= count + 1);
            prop_assert!(once.split('\n').take(count).all(|line| line.chars().count() <= chars));
            prop_assert!(!once.contains(|c| c != '\n' && is_unsafe(c)), "{once:?}");
        }

        #[test]
        fn output_has_only_colours_and_safe_text(text in "(\\PC|[\n\t\r\u{1b}\u{202e}\u{2066}\u{e0041}]|\u{1b}\\[1;31m|\u{1b}\\[2J|\u{1b}\\]0;){0,60}") {
            let once = output(&text).into_owned();
            let without_colours = once.replace("\x1b[1;31m", "").replace("\x1b[m", "");
            let left = without_colours.split("\x1b[").skip(1).all(|rest| {
                rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').starts_with('m')
            });
            prop_assert!(left, "{once:?}");
            let plain = without_colours.replace("\x1b[", "");
            prop_assert!(!plain.contains(|c| !matches!(c, '\n' | '\t') && is_unsafe(c)), "{once:?}");
            prop_assert_eq!(output(&once), once.clone());
        }

        #[test]
        fn json_output_says_the_same(text: String) {
            let json = serde_json::to_string_pretty(&[&text]).unwrap();
            let shown = output(&json);
            prop_assert_eq!(serde_json::from_str::<Vec<String>>(&shown).unwrap(), vec![text]);
        }

        #[test]
        fn a_terminal_gets_only_safe_text_with_the_same_lines(text: String) {
            let once = terminal(&text).into_owned();
            prop_assert!(!once.contains(|c| c != '\n' && is_unsafe(c)), "{once:?}");
            prop_assert_eq!(once.matches('\n').count(), text.matches('\n').count());
            prop_assert_eq!(terminal(&once), once.clone());
        }
    }
}
