//! The document as strict YAML that any parser takes.
//!
//! The text is edited only where needed, so that comments and alignment are kept: each
//! change is a range of bytes and what to put there. What comes out is read again and compared.

mod indent;

use std::ops::Range;

use granit_parser::ScalarStyle;

use crate::document::Document;
use crate::reader::parse::{Repeated, Token};
use crate::resolve;
use crate::text::LineIndex;

/// A change of the text.
struct Edit {
    range: Range<usize>,
    with: String,
}

/// Rewrites a document.
pub(crate) fn strict(document: &Document) -> String {
    let text = edited(document).unwrap_or_default();
    let Some(again) = same_data(document, &text) else { return written_anew(document) };
    match indent::two_spaces(&again) {
        Some(indented) if same_data(document, &indented).is_some() => indented,
        _ => text,
    }
}

/// The text as a document, when it holds the same data and is strict.
fn same_data(document: &Document, text: &str) -> Option<Document> {
    let again = crate::read(&document.name, text.as_bytes()).ok()?;
    (again.diagnostics.is_empty() && again.to_json() == document.to_json()).then_some(again)
}

/// The data alone. For texts in which a change would reach what stands around it, such as a dropped pair after a
/// block that keeps its trailing blank lines (`|+`). JSON is YAML.
fn written_anew(document: &Document) -> String {
    serde_json::to_string_pretty(&document.to_json()).map(|text| text + "\n").unwrap_or_default()
}

fn edited(document: &Document) -> Option<String> {
    let source = document.source.as_str();
    let lines = LineIndex::new(source);
    let mut edits = Vec::new();
    for repeated in &document.layout.repeated {
        edits.push(drop_pair(document, &lines, repeated)?);
    }
    let dropped: Vec<Range<usize>> = edits.iter().map(|edit| edit.range.clone()).collect();
    for repair in &document.repairs {
        edits.push(Edit { range: repair.range.clone(), with: repair.quoted.clone() });
    }
    edits.extend(document.layout.scalars.iter().filter_map(|token| quote(document, token)));
    edits.extend(whitespace(document));
    // A pair that goes takes everything within it along.
    let whole = |edit: &Edit| dropped.contains(&edit.range);
    let within =
        |edit: &Edit| dropped.iter().any(|gone| gone.start <= edit.range.start && edit.range.end <= gone.end);
    let mut outer: Vec<Edit> = edits.into_iter().filter(|edit| whole(edit) || !within(edit)).collect();
    outer.sort_by_key(|edit| (edit.range.start, std::cmp::Reverse(edit.range.end)));
    let mut text = String::with_capacity(source.len());
    let mut done = 0;
    for edit in outer {
        // Within a dropped pair there may be another one.
        if edit.range.start >= done {
            text.push_str(source.get(done..edit.range.start)?);
            text.push_str(&edit.with);
            done = edit.range.end;
        }
    }
    text.push_str(source.get(done..)?);
    let mut text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Some(text)
}

/// Quotes for a plain word that some reader would not take for text, such as `yes` or `1:30`; and for a key that is none for
/// any reader, such as `~` or `1`, since keys are texts here.
fn quote(document: &Document, token: &Token) -> Option<Edit> {
    let source = document.source.as_str();
    let plain = token.style == ScalarStyle::Plain && !token.tagged && !token.range.is_empty();
    let as_written = source.get(token.range.clone())? == token.text;
    let is_key = document.layout.keys.contains(&token.range.start);
    let differs = resolve::is_ambiguous(&token.text) || is_key && !resolve::plain(&token.text).is_string();
    (plain && as_written && differs)
        .then(|| Edit { range: token.range.clone(), with: format!("'{}'", token.text) })
}

/// Takes a repeated pair out; comments on its lines stay, each on a line of its own.
fn drop_pair(document: &Document, lines: &LineIndex<'_>, repeated: &Repeated) -> Option<Edit> {
    let source = document.source.as_str();
    let written = source.get(repeated.range.clone())?;
    let end = repeated.range.start + written.trim_end().len();
    if repeated.flow {
        return drop_flow_pair(document, repeated.range.start..end);
    }
    let first = lines.line(lines.line_of(repeated.range.start));
    let indent = source.get(first.start..repeated.range.start)?;
    if !indent.trim_start_matches(' ').trim_start_matches("? ").trim_start_matches(' ').is_empty() {
        return None;
    }
    let last_line = lines.line_of(end.saturating_sub(1));
    let last = lines.line(last_line);
    let next_line =
        if last_line + 1 < lines.count() { lines.line(last_line + 1).start } else { source.len() };
    let spaces = indent.len() - indent.trim_start_matches(' ').len();
    let mut with = String::new();
    for comment in document.layout.comments.iter().filter(|at| first.start <= at.start && at.end <= last.end)
    {
        with.push_str(&" ".repeat(spaces));
        with.push_str(source.get(comment.clone())?.trim_end());
        with.push('\n');
    }
    Some(Edit { range: first.start..next_line, with })
}

/// Takes a pair out of `{}`, with the comma before it.
fn drop_flow_pair(document: &Document, pair: Range<usize>) -> Option<Edit> {
    let before = document.source.get(..pair.start)?.trim_end();
    let comments = document.layout.comments.iter().any(|at| before.len() <= at.start && at.end <= pair.end);
    (before.ends_with(',') && !comments)
        .then(|| Edit { range: before.len() - 1..pair.end, with: String::new() })
}

/// Spaces for tabs between words, and no spaces at the ends of lines; texts are left as they are.
fn whitespace(document: &Document) -> Vec<Edit> {
    let source = document.source.as_str();
    let mut kept: Vec<Range<usize>> =
        document.layout.scalars.iter().map(|token| token.range.clone()).collect();
    kept.extend(document.repairs.iter().map(|repair| repair.range.clone()));
    kept.extend(document.layout.comments.iter().map(|comment| {
        let text = source.get(comment.clone()).unwrap_or_default();
        comment.start..comment.start + text.trim_end().len()
    }));
    kept.retain(|range| !range.is_empty());
    kept.sort_by_key(|range| range.start);
    kept.push(source.len()..source.len());
    let mut edits = Vec::new();
    let mut from = 0;
    for range in kept {
        gap(source, from..range.start, &mut edits);
        from = from.max(range.end);
    }
    edits
}

fn gap(source: &str, range: Range<usize>, edits: &mut Vec<Edit>) {
    let Some(text) = source.get(range.clone()) else { return };
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let run = bytes[at..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        if run == 0 {
            at += 1;
            continue;
        }
        let ends_line = match bytes.get(at + run) {
            Some(b'\n' | b'\r') => true,
            None => range.end == source.len(),
            Some(_) => false,
        };
        if ends_line {
            edits.push(Edit { range: range.start + at..range.start + at + run, with: String::new() });
        } else if bytes[at..at + run].contains(&b'\t') {
            let with = " ".repeat(run);
            edits.push(Edit { range: range.start + at..range.start + at + run, with });
        }
        at += run;
    }
}
