//! Located messages as text: the offending line, what is wrong with it, and what to write instead.

use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::diagnostic::{Diagnostic, Severity, Span};
use crate::text::{LineIndex, visible};

/// Whether the text is for a terminal that shows colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Text only.
    Plain,
    /// With terminal colours.
    Colour,
}

/// The most characters of a line that are shown.
const WIDEST: usize = 120;

/// Writes out messages about `source`, each with an excerpt of the line that it is about.
///
/// Unsafe characters of the document are escaped, see [`oomguard_text::is_unsafe`].
#[must_use]
pub fn render(name: &str, source: &str, diagnostics: &[Diagnostic], style: Style) -> String {
    let renderer = match style {
        Style::Plain => Renderer::plain(),
        Style::Colour => Renderer::styled(),
    };
    let renderer = renderer.decor_style(DecorStyle::Ascii).term_width(WIDEST + 40);
    let lines = LineIndex::new(source);
    let name = visible(name);
    let mut text = String::new();
    for diagnostic in diagnostics {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&renderer.render(&[group(&name, source, &lines, diagnostic)]));
        text.push('\n');
    }
    text
}

fn group<'a>(name: &'a str, source: &str, lines: &LineIndex<'_>, diagnostic: &Diagnostic) -> Group<'a> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let mut group = Group::with_title(level.primary_title(visible(&diagnostic.message)).id(diagnostic.code));
    if source.is_empty() {
        group = group.element(Origin::path(name));
    } else {
        let primary = excerpt(source, lines, diagnostic.primary);
        if primary.cut {
            // The excerpt no longer starts at the line's first character, so its own column would be wrong.
            let line = diagnostic.primary.line as usize;
            group =
                group.element(Origin::path(name).line(line).char_column(diagnostic.primary.column as usize));
        }
        group = group.element(primary.snippet(name, AnnotationKind::Primary, None));
        for label in &diagnostic.secondary {
            let other = excerpt(source, lines, label.span);
            group =
                group.element(other.snippet(name, AnnotationKind::Context, Some(visible(&label.message))));
        }
    }
    match &diagnostic.help {
        Some(help) => group.element(Level::HELP.message(visible(help))),
        None => group,
    }
}

/// One line made safe to show, with the place in it that is meant.
struct Excerpt {
    line: usize,
    text: String,
    mark: Range<usize>,
    cut: bool,
}

impl Excerpt {
    fn snippet<'a>(
        self,
        name: &'a str,
        kind: AnnotationKind,
        label: Option<String>,
    ) -> Snippet<'a, Annotation<'a>> {
        let snippet =
            Snippet::source(self.text).line_start(self.line).annotation(kind.span(self.mark).label(label));
        if self.cut { snippet } else { snippet.path(name) }
    }
}

fn excerpt(source: &str, lines: &LineIndex<'_>, span: Span) -> Excerpt {
    let range = lines.line((span.line as usize).saturating_sub(1));
    let line = source.get(range.clone()).unwrap_or_default();
    let start = span.start.clamp(range.start, range.end) - range.start;
    let end = span.end.clamp(range.start, range.end) - range.start;
    // Some of the text before the place, and as much after it as there is room for.
    let skipped = line.get(..start).unwrap_or_default().chars().count().saturating_sub(WIDEST / 2);
    let skipped = if line.chars().nth(WIDEST).is_some() { skipped } else { 0 };
    let mut text = String::from(if skipped > 0 { "..." } else { "" });
    let mut mark = None;
    let mut mark_end = None;
    let mut more = false;
    for (shown, (at, c)) in line.char_indices().skip(skipped).enumerate() {
        if at >= start && mark.is_none() {
            mark = Some(text.len());
        }
        if at >= end && mark_end.is_none() {
            mark_end = Some(text.len());
        }
        if shown == WIDEST {
            more = true;
            break;
        }
        if c != '\u{feff}' {
            oomguard_text::push_shown(&mut text, c);
        }
    }
    let from = mark.unwrap_or(text.len());
    let to = mark_end.unwrap_or(text.len()).max(from);
    if more {
        text.push_str("...");
    }
    Excerpt { line: span.line as usize, text, mark: from..to, cut: skipped > 0 }
}
