//! The tree under construction: open lists and mappings, repeated keys, anchors and their limits.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use granit_parser::{ErrorKind, ScalarStyle};

use super::MAX_DEPTH;
use super::parse::{Layout, Repeated, TOO_DEEP, Token};
use crate::diagnostic::{Severity, Sink};
use crate::node::{Entry, Node, Scalar, Value, Written};
use crate::text::quoted;

/// What anchors and aliases may copy: values, and bytes of text. Ten lines can otherwise ask for gigabytes.
const MAX_COPIES: usize = 100_000;
const MAX_COPIED_BYTES: usize = 4 << 20;

/// Why building ended early.
pub(crate) enum Stop {
    /// The parser rejects the text: kind, byte, message.
    Syntax(ErrorKind, usize, String),
    /// It was refused and has been reported.
    Refused,
}

struct Frame {
    start: usize,
    end: usize,
    flow: bool,
    anchor: usize,
    content: Content,
}

enum Content {
    Items(Vec<Node>),
    Pairs { entries: Vec<Entry>, index: HashMap<String, usize>, key: Option<Key> },
}

struct Key {
    scalar: Scalar,
    range: Range<usize>,
    anchors_before: usize,
    /// A key that was refused: its value is read and dropped.
    skip: bool,
}

#[derive(Default)]
pub(crate) struct Builder {
    stack: Vec<Frame>,
    root: Option<Node>,
    anchors: HashMap<usize, Node>,
    anchors_seen: usize,
    copies: usize,
    copied_bytes: usize,
    documents: usize,
    /// Reading goes on after a syntax error, within the outermost mapping.
    resuming: bool,
    pub(crate) layout: Layout,
    pub(crate) quoted_at: HashSet<usize>,
}

impl Builder {
    /// Before the first event of a text.
    pub(crate) fn begin(&mut self, resuming: bool) {
        self.resuming = resuming;
        self.anchors.clear();
        self.documents = 0;
    }

    pub(crate) fn document(&mut self, range: &Range<usize>, sink: &mut Sink<'_>) -> Result<(), Stop> {
        self.documents += 1;
        if self.documents == 1 {
            return Ok(());
        }
        let message = "a second document starts here; a file must contain one document".to_owned();
        sink.error("second-document", range, message, "move it to its own file, or remove the `---`");
        Err(Stop::Refused)
    }

    pub(crate) fn open(
        &mut self,
        mapping: bool,
        flow: bool,
        anchor: usize,
        range: &Range<usize>,
        sink: &mut Sink<'_>,
    ) -> Result<(), Stop> {
        if self.resuming && mapping && !flow && self.stack.len() == 1 {
            self.resuming = false;
            return Ok(());
        }
        if self.stack.len() >= MAX_DEPTH {
            sink.error(
                "too-deep",
                range,
                TOO_DEEP.to_owned(),
                "a policy needs about six levels; flatten the document",
            );
            return Err(Stop::Refused);
        }
        self.anchors_seen += usize::from(anchor > 0);
        let content = if mapping {
            Content::Pairs { entries: Vec::new(), index: HashMap::new(), key: None }
        } else {
            Content::Items(Vec::new())
        };
        self.stack.push(Frame { start: range.start, end: range.start, flow, anchor, content });
        Ok(())
    }

    pub(crate) fn close(&mut self, range: &Range<usize>, sink: &mut Sink<'_>) -> Result<(), Stop> {
        let Some(frame) = self.stack.pop() else { return Ok(()) };
        let end = if frame.flow { range.end } else { frame.end };
        let value = match frame.content {
            Content::Items(items) => Value::Sequence(items),
            Content::Pairs { entries, .. } => Value::Mapping(entries),
        };
        let node = Node { value, range: frame.start..end };
        self.remember(frame.anchor, &node, sink)?;
        self.attach(node, sink);
        Ok(())
    }

    pub(crate) fn scalar(
        &mut self,
        text: String,
        style: ScalarStyle,
        tagged: bool,
        anchor: usize,
        range: &Range<usize>,
        sink: &mut Sink<'_>,
    ) -> Result<(), Stop> {
        self.anchors_seen += usize::from(anchor > 0);
        let written = match style {
            ScalarStyle::Plain if !tagged => Written::Plain,
            ScalarStyle::Literal | ScalarStyle::Folded => Written::Block,
            _ => Written::Quoted,
        };
        // The parser says `~` where nothing stands.
        let nothing = style == ScalarStyle::Plain && range.is_empty();
        let text = if nothing { String::new() } else { text };
        if style == ScalarStyle::SingleQuoted && !self.stack.last().is_some_and(|frame| frame.flow) {
            self.quoted_at.insert(range.start);
        }
        self.layout.scalars.push(Token { range: range.clone(), style, text: text.clone(), tagged });
        let node = Node { value: Value::Scalar(Scalar { text, written }), range: range.clone() };
        self.remember(anchor, &node, sink)?;
        self.attach(node, sink);
        Ok(())
    }

    pub(crate) fn alias(&mut self, id: usize, range: &Range<usize>, sink: &mut Sink<'_>) -> Result<(), Stop> {
        let Some(target) = self.anchors.get(&id).cloned() else {
            let message = "this alias is inside the value it refers to".to_owned();
            sink.error("alias-of-itself", range, message, "write out the value");
            return Err(Stop::Refused);
        };
        self.charge(&target, range, sink)?;
        if self.stack.len() + target.depth() > MAX_DEPTH {
            let message = format!("with this alias, values are nested more than {MAX_DEPTH} levels deep");
            sink.error("too-deep", range, message, "write out the value with fewer levels");
            return Err(Stop::Refused);
        }
        self.attach(Node { range: range.clone(), ..target }, sink);
        Ok(())
    }

    pub(crate) fn unknown_alias(
        &mut self,
        name: &str,
        range: &Range<usize>,
        sink: &mut Sink<'_>,
    ) -> Result<(), Stop> {
        // After a syntax error the anchor may stand in what was not read.
        if !sink.has_errors() {
            let message = format!("undefined anchor {}", quoted(&format!("&{name}")));
            let help = "define the anchor first, or quote the value if it is text that starts with `*`";
            sink.error("unknown-alias", range, message, help);
        }
        let nothing = Scalar { text: String::new(), written: Written::Plain };
        self.attach(Node { value: Value::Scalar(nothing), range: range.clone() }, sink);
        Ok(())
    }

    fn remember(&mut self, anchor: usize, node: &Node, sink: &mut Sink<'_>) -> Result<(), Stop> {
        if anchor > 0 {
            self.charge(node, &node.range, sink)?;
            self.anchors.insert(anchor, node.clone());
        }
        Ok(())
    }

    fn charge(&mut self, node: &Node, range: &Range<usize>, sink: &mut Sink<'_>) -> Result<(), Stop> {
        self.copies += node.count();
        self.copied_bytes += node.text_len();
        if self.copies <= MAX_COPIES && self.copied_bytes <= MAX_COPIED_BYTES {
            return Ok(());
        }
        let message =
            format!("anchors and aliases expand this document to more than {MAX_COPIES} values or 4 MiB");
        sink.error("too-many-aliases", range, message, "write out the values, or use fewer aliases");
        Err(Stop::Refused)
    }

    fn attach(&mut self, node: Node, sink: &mut Sink<'_>) {
        let Some(frame) = self.stack.last_mut() else {
            self.root = Some(node);
            return;
        };
        frame.end = frame.end.max(node.range.end);
        match &mut frame.content {
            Content::Items(items) => items.push(node),
            Content::Pairs { entries, index, key } => match key.take() {
                None => {
                    self.layout.keys.insert(node.range.start);
                    *key = Some(check_key(node, self.anchors_seen, sink));
                }
                Some(key) if key.skip => {}
                Some(key) => {
                    if let Some(first) = index.get(&key.scalar.text).and_then(|at| entries.get(*at)) {
                        let has_anchor = self.anchors_seen > key.anchors_before;
                        if repeated(first, &key, &node, has_anchor, sink) {
                            let range = key.range.start..node.range.end.max(key.range.end);
                            self.layout.repeated.push(Repeated { range, flow: frame.flow });
                        }
                    } else {
                        index.insert(key.scalar.text.clone(), entries.len());
                        entries.push(Entry { key: key.scalar, key_range: key.range, value: node });
                    }
                }
            },
        }
    }

    /// Closes what a syntax error left open; an outermost mapping stays open for what may follow.
    pub(crate) fn unwind(&mut self) {
        self.stack.truncate(1);
        if let Some(Frame { content: Content::Pairs { key, .. }, .. }) = self.stack.last_mut() {
            *key = None;
        }
    }

    pub(crate) fn finish(&mut self) -> Option<Node> {
        while let Some(frame) = self.stack.pop() {
            if let Content::Pairs { entries, .. } = frame.content {
                self.root = Some(Node { value: Value::Mapping(entries), range: frame.start..frame.end });
            }
        }
        self.root.take()
    }
}

fn check_key(node: Node, anchors_before: usize, sink: &mut Sink<'_>) -> Key {
    let range = node.range;
    let (scalar, problem) = match node.value {
        Value::Scalar(scalar) if scalar.text.is_empty() => (scalar, Some(("empty-key", "missing key"))),
        Value::Scalar(scalar) if scalar.text == "<<" && scalar.written == Written::Plain => {
            (scalar, Some(("merge-key", "merge keys (`<<`) are not part of YAML 1.2 and are not supported")))
        }
        Value::Scalar(scalar) => (scalar, None),
        _ => {
            let nothing = Scalar { text: String::new(), written: Written::Plain };
            (nothing, Some(("complex-key", "a key must be a single word, not a list or a mapping")))
        }
    };
    if let Some((code, message)) = problem {
        sink.error(code, &range, message.to_owned(), "write `key: value` with a plain word as the key");
    }
    Key { scalar, range, anchors_before, skip: problem.is_some() }
}

/// Reports a repeated key, and tells whether it can go without a loss.
fn repeated(first: &Entry, key: &Key, value: &Node, has_anchor: bool, sink: &mut Sink<'_>) -> bool {
    let name = quoted(&key.scalar.text);
    let first_at = [(first.key_range.clone(), "first defined here".to_owned())];
    if has_anchor {
        let message = format!("duplicate key {name}; the second value contains an anchor");
        sink.push(Severity::Error, "repeated-key", &key.range, &first_at, message, "delete one of them");
        false
    } else if same(&first.value, value) {
        let message = format!("duplicate key {name} with the same value");
        let help = "delete one of them; `oomguard spec fmt` does this";
        sink.push(Severity::Warning, "repeated-key", &key.range, &first_at, message, help);
        true
    } else {
        let message = format!("duplicate key {name} with different values");
        sink.push(Severity::Error, "repeated-key", &key.range, &first_at, message, "delete the wrong one");
        false
    }
}

fn same(a: &Node, b: &Node) -> bool {
    match (&a.value, &b.value) {
        (Value::Scalar(a), Value::Scalar(b)) => a == b || a.to_json() == b.to_json(),
        (Value::Sequence(a), Value::Sequence(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Mapping(a), Value::Mapping(b)) => {
            a.len() == b.len()
                && a.iter().all(|x| b.iter().any(|y| x.key.text == y.key.text && same(&x.value, &y.value)))
        }
        _ => false,
    }
}
