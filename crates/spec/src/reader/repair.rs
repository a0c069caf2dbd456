//! A quoted word followed by more text: `- updated: "What it does" section`.
//!
//! YAML reads the quoted word as the whole value and then fails on the rest. Such lines are found here by
//! their shape, and the rest of the line is put into quotes. Whether a line that looks like it really is one is
//! settled afterwards by the parser: it must find a text of the block style at that very byte (see `parse`).

use std::collections::HashSet;
use std::ops::Range;

use crate::text::LineIndex;

/// A value that must be put into quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Repair {
    /// Its bytes in the source: from the quote to the end of the text.
    pub(crate) range: Range<usize>,
    /// The same text in quotes.
    pub(crate) quoted: String,
}

/// A source with its repairs made, which can tell where its bytes came from.
pub(crate) struct Repaired {
    pub(crate) text: String,
    /// For each repair: its first byte in `text`, the first byte in the source, and both lengths.
    moved: Vec<(usize, usize, usize, usize)>,
}

impl Repaired {
    pub(crate) fn new(source: &str, repairs: &[Repair]) -> Self {
        let mut text = String::with_capacity(source.len() + repairs.len() * 4);
        let mut moved = Vec::with_capacity(repairs.len());
        let mut done = 0;
        for repair in repairs {
            text.push_str(source.get(done..repair.range.start).unwrap_or_default());
            moved.push((text.len(), repair.range.start, repair.quoted.len(), repair.range.len()));
            text.push_str(&repair.quoted);
            done = repair.range.end;
        }
        text.push_str(source.get(done..).unwrap_or_default());
        Self { text, moved }
    }

    /// The byte of the source that this byte came from.
    pub(crate) fn original(&self, byte: usize) -> usize {
        let before = self.moved.partition_point(|(at, ..)| *at <= byte);
        let Some((at, from, quoted, bare)) = before.checked_sub(1).and_then(|n| self.moved.get(n)) else {
            return byte;
        };
        let into = byte - at;
        if into >= *quoted { from + bare + (into - quoted) } else { from + into.min(*bare) }
    }

    pub(crate) fn original_range(&self, range: &Range<usize>) -> Range<usize> {
        self.original(range.start)..self.original(range.end)
    }
}

/// Every line, from the one that holds `from` on, that has the shape.
pub(crate) fn candidates(source: &str, lines: &LineIndex<'_>, from: usize) -> Vec<Repair> {
    (lines.line_of(from)..lines.count())
        .filter_map(|number| {
            let line = lines.line(number);
            let found = shape(source.get(line.clone())?)?;
            let text = source.get(line.start + found.start..line.start + found.end)?;
            let quoted = format!("'{}'", text.replace('\'', "''"));
            Some(Repair { range: line.start + found.start..line.start + found.end, quoted })
        })
        .collect()
}

/// Keeps those that the parser came upon.
pub(crate) fn keep(repairs: Vec<Repair>, found: &HashSet<usize>) -> Vec<Repair> {
    repairs.into_iter().filter(|repair| found.contains(&repair.range.start)).collect()
}

/// The quoted word and the text after it, in a line such as `  - key: "word" text   # comment`.
fn shape(line: &str) -> Option<Range<usize>> {
    let mut at = line.len() - line.trim_start_matches(' ').len();
    while let Some(rest) = line.get(at..).and_then(|rest| rest.strip_prefix("- ")) {
        at = line.len() - rest.trim_start_matches(' ').len();
    }
    let start = value_start(line, at)?;
    let word_end = start + quoted_len(line.get(start..)?)?;
    let after = line.get(word_end..)?;
    let text = after.trim_start_matches([' ', '\t']);
    if text.len() == after.len() || text.starts_with(['#', ',', ']', '}', ':']) || text.is_empty() {
        return None;
    }
    let text = match text.find(" #").into_iter().chain(text.find("\t#")).min() {
        Some(comment) => text.get(..comment)?,
        None => text,
    };
    let text = text.trim_end();
    // A colon would make it a pair, and which one is anybody's guess.
    let is_pair = text.contains(": ") || text.contains(":\t") || text.ends_with(':');
    let from = line.len() - line.get(word_end..)?.trim_start_matches([' ', '\t']).len();
    (!is_pair).then(|| start..from + text.len())
}

/// Where a quoted value starts: right here, or after a key.
fn value_start(line: &str, at: usize) -> Option<usize> {
    let rest = line.get(at..)?;
    let key_len = if rest.starts_with(['"', '\'']) {
        let quoted = quoted_len(rest)?;
        if !rest.get(quoted..)?.trim_start_matches(' ').starts_with(": ") {
            return Some(at);
        }
        quoted + rest.get(quoted..)?.find(':')?
    } else {
        let colon = rest.find(": ")?;
        if rest.starts_with(['#', '[', '{', '|', '>', '&', '*', '!', '%', '@', '`'])
            || rest.get(..colon)?.contains(" #")
        {
            return None;
        }
        colon
    };
    let after = rest.get(key_len + 1..)?;
    let start = line.len() - after.trim_start_matches(' ').len();
    line.get(start..)?.starts_with(['"', '\'']).then_some(start)
}

/// The bytes of a quoted word at the start of a text, both quotes included.
fn quoted_len(text: &str) -> Option<usize> {
    let quote = text.chars().next()?;
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c == '\\' && quote == '"' {
            chars.next();
        } else if c == quote {
            if quote == '\'' && chars.peek().is_some_and(|(_, next)| *next == '\'') {
                chars.next();
            } else {
                return Some(at + 1);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(line: &str) -> Option<&str> {
        shape(line).and_then(|range| line.get(range))
    }

    #[test]
    fn shape_matches_a_quoted_word_followed_by_text() {
        assert_eq!(found(r#"  - updated: "What it does" section"#), Some(r#""What it does" section"#));
        assert_eq!(found(r#"- - 'It''s' here  # why"#), Some("'It''s' here"));
        assert_eq!(found(r#""key": "a\"b" c #d"#), Some(r#""a\"b" c"#));
        assert_eq!(found(r#"k: "a # b" c"#), Some(r#""a # b" c"#));
    }

    #[test]
    fn shape_rejects_other_lines() {
        for line in [
            r#"k: "a""#,
            r#"k: "a"  # comment"#,
            r#"k: "a","#,
            r#"k: "a" , b"#,
            r#"# k: "a" b"#,
            r#"k: "a" b: c"#,
            r#"k: x "a" b"#,
            r#"k: "a"b"#,
            r#""a": b"#,
            r#"k: "open"#,
            "",
        ] {
            assert_eq!(found(line), None, "{line}");
        }
    }

    #[test]
    fn repaired_bytes_map_back_to_the_source() {
        let source = "a: \"b\" c\nd: 1\n";
        let lines = LineIndex::new(source);
        let repaired = Repaired::new(source, &candidates(source, &lines, 0));
        assert_eq!(repaired.text, "a: '\"b\" c'\nd: 1\n");
        assert_eq!(repaired.original_range(&(3..10)), 3..8);
        assert_eq!(repaired.original(11), 9);
    }
}
