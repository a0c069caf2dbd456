//! From bytes to a [`Document`], or to everything that is wrong with them.

mod build;
mod bytes;
pub(crate) mod parse;
pub(crate) mod repair;
mod syntax;

use crate::diagnostic::{Diagnostic, Severity, Sink, Span};
use crate::document::{Document, Rejected};
use crate::node::Value;
use crate::text::{LineIndex, quoted};
use parse::Parsed;
use repair::{Repair, Repaired};

/// The longest document that is read: 1 MiB. Written by hand, ten kilobytes are a lot.
pub const MAX_BYTES: usize = 1 << 20;

/// The deepest nesting of lists and mappings that is read.
pub const MAX_DEPTH: usize = 64;

/// Reads a document. `name` is what messages call it.
///
/// # Errors
/// When it is no text, too long, nested too deep, empty, or not YAML but for the two deviations that are read:
/// a quoted word followed by more text, and a key that is repeated with the same value. Those become warnings of
/// the document.
pub fn read(name: &str, bytes: &[u8]) -> Result<Document, Rejected> {
    let rejected = |source: &str, diagnostics| Rejected::new(name, source, diagnostics);
    if bytes.len() > MAX_BYTES {
        let message = format!("the document has {} bytes; the maximum is {MAX_BYTES} (1 MiB)", bytes.len());
        let help = "pass the cspec document itself, not a file that it refers to";
        return Err(rejected("", vec![unlocated("too-long", message, help)]));
    }
    let source = match bytes::text(bytes) {
        Ok(source) => source,
        Err(problem) => {
            let shown = String::from_utf8_lossy(bytes);
            return Err(rejected(&shown, vec![not_text(&shown, &problem)]));
        }
    };
    let lines = LineIndex::new(source);
    let mut sink = Sink::new(&lines);
    bytes::characters(source, &mut sink);
    if sink.has_errors() {
        return Err(rejected(source, sink.finish()));
    }
    let (parsed, repairs, mut sink) = parse_with_repairs(source, &lines);
    for repair in &repairs {
        let text = quoted(source.get(repair.range.clone()).unwrap_or_default());
        let message = format!("text after a quoted word; the whole value is read as {text}");
        let help = format!("in strict YAML, write {}; `oomguard spec fmt` does this", repair.quoted);
        sink.warning("text-after-quote", &repair.range, message, &help);
    }
    match &parsed.root {
        None if !sink.has_errors() => bytes::empty(source, &lines, &mut sink),
        Some(root) if root.is_null() && !sink.has_errors() => bytes::empty(source, &lines, &mut sink),
        Some(root) if !matches!(root.value, Value::Mapping(_)) && !sink.has_errors() => {
            let message = format!("the document is {}; a cspec document must be a mapping", root.kind());
            let range = root.range.start..root.range.end.min(lines.line(lines.line_of(root.range.start)).end);
            sink.error(
                "not-a-mapping",
                &range,
                message,
                "write `key: value` lines, such as `memory_config:`",
            );
        }
        _ => {}
    }
    let has_errors = sink.has_errors();
    let diagnostics = sink.finish();
    match parsed.root.filter(|_| !has_errors) {
        Some(root) => Ok(Document::new(name, source, root, diagnostics, repairs, parsed.layout)),
        None => Err(rejected(source, diagnostics)),
    }
}

/// Parses, and where text follows a quoted word, puts quotes around it and parses again.
///
/// A line that only looks like it (within a block of text, say) is not what the parser finds a text at; its repair
/// is taken back. That settles after two or three rounds; what does not is left to the parser to reject.
fn parse_with_repairs<'a>(source: &str, lines: &'a LineIndex<'a>) -> (Parsed, Vec<Repair>, Sink<'a>) {
    let mut sink = Sink::new(lines);
    let parsed = parse::parse(&Repaired::new(source, &[]), source, lines, &mut sink);
    let Some(first) = parsed.text_after_quote else { return (parsed, Vec::new(), sink) };
    let mut repairs = repair::candidates(source, lines, first);
    for round in 0..6 {
        if round == 5 {
            repairs.clear();
        }
        sink = Sink::new(lines);
        let parsed = parse::parse(&Repaired::new(source, &repairs), source, lines, &mut sink);
        let asked = repairs.len();
        let kept = repair::keep(repairs, &parsed.quoted_at);
        if kept.len() == asked {
            return (parsed, kept, sink);
        }
        repairs = kept;
    }
    (parsed, Vec::new(), sink)
}

fn unlocated(code: &'static str, message: String, help: &str) -> Diagnostic {
    let primary = Span { line: 1, column: 1, start: 0, end: 0 };
    Diagnostic {
        severity: Severity::Error,
        code,
        message,
        primary,
        secondary: Vec::new(),
        help: Some(help.to_owned()),
    }
}

fn not_text(shown: &str, problem: &bytes::NotText) -> Diagnostic {
    let (code, at, what) = match problem {
        bytes::NotText::Nul(at) => ("binary", *at, "a NUL byte; this is not a text file"),
        bytes::NotText::NotUtf8(at) => ("not-utf8", *at, "not valid UTF-8"),
    };
    let primary = LineIndex::new(shown).span(&(at..at + 1));
    let message = format!("byte {at} (line {}) is {what}", primary.line);
    Diagnostic {
        primary,
        ..unlocated(code, message, "pass a UTF-8 text file; check that this is the right file")
    }
}
