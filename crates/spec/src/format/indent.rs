//! Two spaces for each level.
//!
//! Works on a document that is strict already. Lines within a text or within brackets move along with the line on
//! which those begin, so nothing changes inside of them. Whether the data stayed is for the caller to check.

use granit_parser::ScalarStyle;

use crate::document::Document;
use crate::node::{Node, Value};
use crate::text::LineIndex;

/// A column of the source, and the column that it gets.
#[derive(Clone, Copy)]
struct Level {
    old: usize,
    new: usize,
}

/// The text with its lines moved, or `None` for shapes that are better left alone.
pub(crate) fn two_spaces(document: &Document) -> Option<String> {
    let source = document.source.as_str();
    let lines = LineIndex::new(source);
    let heads = heads(document, &lines);
    let mut levels: Vec<Level> = Vec::new();
    // How far each line moves to the right.
    let mut moved: Vec<isize> = Vec::with_capacity(lines.count());
    let mut out: Vec<String> = Vec::with_capacity(lines.count());
    let mut comments: Vec<usize> = Vec::new();
    for (number, head) in heads.iter().enumerate() {
        let line = source.get(lines.line(number))?;
        let text = line.trim_start_matches(' ');
        let indent = line.len() - text.len();
        if let Some(head) = head {
            let by = *moved.get(*head)?;
            moved.push(by);
            out.push(if text.is_empty() { line.to_owned() } else { shifted(indent, by)? + text });
        } else if text.is_empty()
            || line.starts_with("---")
            || line.starts_with("...")
            || line.starts_with('%')
        {
            moved.push(0);
            out.push(line.to_owned());
        } else if text.starts_with('#') {
            comments.push(number);
            moved.push(0);
            out.push(line.to_owned());
        } else if text.starts_with("? ") || text.starts_with(": ") {
            return None;
        } else {
            let above = levels.clone();
            let (text, by) = content(text, indent, &mut levels)?;
            for comment in comments.drain(..) {
                place_comment(out.get_mut(comment)?, indent, text.len() - text.trim_start().len(), &above);
            }
            moved.push(by);
            out.push(text);
        }
    }
    for comment in comments {
        let line = out.get_mut(comment)?;
        place_comment(line, usize::MAX, 0, &levels);
    }
    Some(out.join("\n"))
}

/// A line that begins with a key or a dash, and how far its value moves.
fn content(text: &str, indent: usize, levels: &mut Vec<Level>) -> Option<(String, isize)> {
    let mut level = enter(levels, indent);
    let mut rest = text;
    let mut line = " ".repeat(level.new);
    while let Some(after) = rest.strip_prefix("- ") {
        let inner = after.trim_start_matches(' ');
        line.push_str("- ");
        // A comment after the dash is no column that anything stands in.
        if !inner.starts_with('#') {
            level = enter(levels, level.old + (rest.len() - inner.len()));
        }
        rest = inner;
    }
    line.push_str(rest);
    let by = isize::try_from(level.new).ok()? - isize::try_from(level.old).ok()?;
    Some((line, by))
}

/// The level that starts at this column; creates it if needed.
fn enter(levels: &mut Vec<Level>, old: usize) -> Level {
    while levels.last().is_some_and(|level| level.old > old) {
        levels.pop();
    }
    let level = match levels.last() {
        Some(level) if level.old == old => return *level,
        Some(level) => Level { old, new: level.new + 2 },
        None => Level { old, new: 0 },
    };
    levels.push(level);
    level
}

/// A comment moves with the line below it, or with the level that it stands at.
fn place_comment(line: &mut String, next_old: usize, next_new: usize, levels: &[Level]) {
    let text = line.trim_start_matches(' ');
    let indent = line.len() - text.len();
    let level = levels.iter().find(|level| level.old == indent);
    let new = if indent == next_old { Some(next_new) } else { level.map(|level| level.new) };
    if let Some(new) = new {
        *line = " ".repeat(new) + text;
    }
}

fn shifted(indent: usize, by: isize) -> Option<String> {
    Some(" ".repeat(usize::try_from(isize::try_from(indent).ok()? + by).ok()?))
}

/// For each line that lies within a text or within brackets: the line on which those begin.
fn heads(document: &Document, lines: &LineIndex<'_>) -> Vec<Option<usize>> {
    let source = document.source.as_str();
    let mut heads = vec![None; lines.count()];
    let mut mark = |head: usize, last: usize| {
        for line in heads.iter_mut().take(last + 1).skip(head + 1).filter(|line| line.is_none()) {
            *line = Some(head);
        }
    };
    brackets(&document.root, source, lines, &mut mark);
    for token in document.layout.scalars.iter().filter(|token| !token.range.is_empty()) {
        let first = lines.line_of(token.range.start);
        let block = matches!(token.style, ScalarStyle::Literal | ScalarStyle::Folded);
        // The header of a block stands above its first line that is not blank.
        let above = (0..first)
            .rev()
            .find(|line| source.get(lines.line(*line)).is_some_and(|text| !text.trim().is_empty()));
        let head = if block { above.unwrap_or(first) } else { first };
        // The range of a block may reach into the indentation of what follows.
        let written = source.get(token.range.clone()).unwrap_or_default().trim_end().len();
        mark(head, lines.line_of(token.range.start + written.saturating_sub(1)));
    }
    heads
}

fn brackets(node: &Node, source: &str, lines: &LineIndex<'_>, mark: &mut impl FnMut(usize, usize)) {
    let start = source.get(node.range.start..).unwrap_or_default();
    if start.starts_with(['[', '{']) && !matches!(node.value, Value::Scalar(_)) {
        mark(lines.line_of(node.range.start), lines.line_of(node.range.end.saturating_sub(1)));
        return;
    }
    match &node.value {
        Value::Scalar(_) => {}
        Value::Sequence(items) => items.iter().for_each(|item| brackets(item, source, lines, mark)),
        Value::Mapping(entries) => {
            entries.iter().for_each(|entry| brackets(&entry.value, source, lines, mark))
        }
    }
}
