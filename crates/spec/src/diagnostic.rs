//! What is said about a document, and where in it.

use std::ops::Range;

use schemars::JsonSchema;
use serde::Serialize;

use crate::text::LineIndex;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Read, and probably not what was meant.
    Warning,
    /// Not read.
    Error,
}

/// A place in a document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, JsonSchema)]
pub struct Span {
    /// The line, from 1.
    pub line: u32,
    /// The character within the line, from 1.
    pub column: u32,
    /// The first byte, from 0.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

/// A second place that a message speaks of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What is there.
    pub message: String,
}

/// One located message.
///
/// The texts may hold what a document says, control characters included: print them with [`crate::render`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// A stable name for this kind of message, such as `repeated-key`.
    pub code: &'static str,
    /// What is wrong, in one sentence.
    pub message: String,
    /// Where.
    pub primary: Span,
    /// Other places that belong to it.
    pub secondary: Vec<Label>,
    /// What to do next.
    pub help: Option<String>,
}

/// Collects messages about one source, and never more than a person would read.
#[derive(Clone, Debug)]
pub(crate) struct Sink<'a> {
    lines: &'a LineIndex<'a>,
    found: Vec<Diagnostic>,
    errors: usize,
}

/// The most errors that are kept, and the most of anything else.
const MAX_PER_SEVERITY: usize = 100;

impl<'a> Sink<'a> {
    pub(crate) fn new(lines: &'a LineIndex<'a>) -> Self {
        Self { lines, found: Vec::new(), errors: 0 }
    }

    pub(crate) fn error(&mut self, code: &'static str, at: &Range<usize>, message: String, help: &str) {
        self.push(Severity::Error, code, at, &[], message, help);
    }

    pub(crate) fn warning(&mut self, code: &'static str, at: &Range<usize>, message: String, help: &str) {
        self.push(Severity::Warning, code, at, &[], message, help);
    }

    pub(crate) fn note(&mut self, code: &'static str, at: &Range<usize>, message: String, help: &str) {
        self.push(Severity::Note, code, at, &[], message, help);
    }

    pub(crate) fn push(
        &mut self,
        severity: Severity,
        code: &'static str,
        at: &Range<usize>,
        others: &[(Range<usize>, String)],
        message: String,
        help: &str,
    ) {
        let is_error = severity == Severity::Error;
        let kept = if is_error { self.errors } else { self.found.len() - self.errors };
        if kept >= MAX_PER_SEVERITY
            || self
                .found
                .iter()
                .any(|d| d.code == code && d.primary.start == at.start && d.message == message)
        {
            return;
        }
        self.errors += usize::from(is_error);
        self.found.push(Diagnostic {
            severity,
            code,
            message,
            primary: self.lines.span(at),
            secondary: others
                .iter()
                .map(|(range, message)| Label { span: self.lines.span(range), message: message.clone() })
                .collect(),
            help: (!help.is_empty()).then(|| help.to_owned()),
        });
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// Everything that was said, in the order of the document.
    pub(crate) fn finish(mut self) -> Vec<Diagnostic> {
        self.found.sort_by_key(|d| (d.primary.start, std::cmp::Reverse(d.severity)));
        self.found
    }
}
