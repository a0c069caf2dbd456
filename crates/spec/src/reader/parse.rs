//! From the parser's events to a tree, with every complaint on the way.

use std::collections::{BTreeSet, HashSet};
use std::ops::Range;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, StructureStyle, options};

use super::MAX_DEPTH;
use super::build::{Builder, Stop};
use super::repair::Repaired;
use super::syntax;
use crate::diagnostic::Sink;
use crate::node::Node;
use crate::text::LineIndex;

/// What the formatter needs to know besides the tree.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layout {
    /// Every text as it stands in the source.
    pub(crate) scalars: Vec<Token>,
    /// Where the keys of pairs begin.
    pub(crate) keys: BTreeSet<usize>,
    /// Every comment, from `#` to the end of its line.
    pub(crate) comments: Vec<Range<usize>>,
    /// Pairs that say again what an earlier pair of the same mapping says.
    pub(crate) repeated: Vec<Repeated>,
}

/// A text as it stands in the source.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) range: Range<usize>,
    pub(crate) style: ScalarStyle,
    pub(crate) text: String,
    pub(crate) tagged: bool,
}

/// A pair that can go without a loss.
#[derive(Clone, Debug)]
pub(crate) struct Repeated {
    pub(crate) range: Range<usize>,
    pub(crate) flow: bool,
}

/// The result of parsing.
pub(crate) struct Parsed {
    pub(crate) root: Option<Node>,
    pub(crate) layout: Layout,
    /// The first bytes of single-quoted texts outside `[]` and `{}`.
    pub(crate) quoted_at: HashSet<usize>,
    /// The first place where text follows a quoted word.
    pub(crate) text_after_quote: Option<usize>,
}

/// What is said of more than [`MAX_DEPTH`] levels.
pub(crate) const TOO_DEEP: &str = "lists and mappings are nested more than 64 levels deep";

/// After this many syntax errors, the file is probably not a document at all.
const MAX_SYNTAX_ERRORS: usize = 20;

/// Parses a source. A syntax error does not end it: reading goes on at the next key of the outermost level.
pub(crate) fn parse(repaired: &Repaired, source: &str, lines: &LineIndex<'_>, sink: &mut Sink<'_>) -> Parsed {
    let mut builder = Builder::default();
    let mut text_after_quote = None;
    let mut from = 0;
    for _ in 0..MAX_SYNTAX_ERRORS {
        let failed = match run(&mut builder, repaired, from, sink) {
            Ok(()) | Err(Stop::Refused) => break,
            Err(Stop::Syntax(kind, byte, text)) => (kind, byte, text),
        };
        let (kind, byte, message) = failed;
        let at = repaired.original(byte);
        let line = lines.line(lines.line_of(at));
        let help = syntax::help(&kind, source.get(line).unwrap_or_default());
        let end = at + source.get(at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
        let (code, message) = match kind {
            ErrorKind::RecursionLimitExceeded => ("too-deep", TOO_DEEP.to_owned()),
            _ => ("yaml", format!("invalid YAML: {message}")),
        };
        sink.error(code, &(at..end), message, help);
        if matches!(
            kind,
            ErrorKind::InvalidTrailingDoubleQuotedScalar | ErrorKind::InvalidTrailingSingleQuotedScalar
        ) {
            text_after_quote = text_after_quote.or(Some(at));
        }
        builder.unwind();
        match next_section(&repaired.text, byte).filter(|_| syntax::can_go_on(&kind)) {
            Some(next) => from = next,
            None => break,
        }
    }
    builder.unwind();
    builder.layout.comments.sort_by_key(|range| range.start);
    Parsed { root: builder.finish(), layout: builder.layout, quoted_at: builder.quoted_at, text_after_quote }
}

/// The next line after a byte that begins with a key and no space.
fn next_section(text: &str, byte: usize) -> Option<usize> {
    let rest = text.get(byte..)?;
    rest.match_indices('\n').map(|(at, _)| byte + at + 1).find(|start| {
        let line = text.get(*start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        line.starts_with(|c: char| c.is_alphanumeric() || c == '_')
            && (line.contains(": ") || line.trim_end().ends_with(':'))
    })
}

fn run(builder: &mut Builder, repaired: &Repaired, from: usize, sink: &mut Sink<'_>) -> Result<(), Stop> {
    let options = options! {
        emit_unresolved_aliases: true,
        flow_nesting_limit: MAX_DEPTH + 1,
        block_nesting_limit: MAX_DEPTH + 1,
        max_buffered_comment_events: 100_000,
    };
    let text = repaired.text.get(from..).unwrap_or_default();
    builder.begin(from > 0);
    for next in Parser::new_from_str_with_options(text, options) {
        let (event, span) = next.map_err(|error| {
            let byte = error.marker().byte_offset().unwrap_or(0);
            Stop::Syntax(error.kind().clone(), from + byte, error.info())
        })?;
        let local = span.byte_range().unwrap_or(0..0);
        let range = repaired.original_range(&(from + local.start..from + local.end));
        take(builder, event, &range, sink)?;
    }
    Ok(())
}

fn take(
    builder: &mut Builder,
    event: Event<'_>,
    range: &Range<usize>,
    sink: &mut Sink<'_>,
) -> Result<(), Stop> {
    match event {
        Event::DocumentStart(..) => builder.document(range, sink),
        Event::Comment(..) => {
            builder.layout.comments.push(range.clone());
            Ok(())
        }
        Event::Alias(id) => builder.alias(id, range, sink),
        Event::UnresolvedAlias(name) => builder.unknown_alias(&name, range, sink),
        Event::Scalar(text, style, anchor, tag) => {
            let is_text = tag.as_ref().is_some_and(|tag| tag.is_yaml_core_schema_tag("str"));
            if tag.is_some() && !is_text {
                refuse_tag(range, sink);
            }
            builder.scalar(text.into_owned(), style, tag.is_some(), anchor, range, sink)
        }
        Event::SequenceStart(style, anchor, tag) => {
            tag.iter().for_each(|_| refuse_tag(range, sink));
            builder.open(false, style == StructureStyle::Flow, anchor, range, sink)
        }
        Event::MappingStart(style, anchor, tag) => {
            tag.iter().for_each(|_| refuse_tag(range, sink));
            builder.open(true, style == StructureStyle::Flow, anchor, range, sink)
        }
        Event::SequenceEnd | Event::MappingEnd => builder.close(range, sink),
        _ => Ok(()),
    }
}

fn refuse_tag(range: &Range<usize>, sink: &mut Sink<'_>) {
    let message = "YAML tags are not supported".to_owned();
    sink.error("tag", range, message, "remove the word that starts with `!`");
}
