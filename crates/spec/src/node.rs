//! A document as a tree in which everything knows its bytes in the source.

use std::ops::Range;

use serde_json::Value as Json;

/// How a text was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// Without quotes: may mean a number, `true` or nothing.
    Plain,
    /// In quotes.
    Quoted,
    /// As a block (`|` or `>`).
    Block,
}

/// A text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scalar {
    /// The text itself.
    pub text: String,
    /// How it was written.
    pub written: Written,
}

/// One value of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub value: Value,
    /// Its bytes in the source.
    pub range: Range<usize>,
}

/// What a [`Node`] is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text, number, `true`, or nothing.
    Scalar(Scalar),
    /// A list.
    Sequence(Vec<Node>),
    /// Pairs, in the order of the document, each key once.
    Mapping(Vec<Entry>),
}

/// One pair of a mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: Scalar,
    /// Its bytes in the source.
    pub key_range: Range<usize>,
    /// The value.
    pub value: Node,
}

impl Scalar {
    /// The number, truth value, nothing or text that is meant. What YAML 1.1 and 1.2 read differently is text.
    #[must_use]
    pub fn to_json(&self) -> Json {
        match self.written {
            Written::Plain => crate::resolve::plain(&self.text),
            Written::Quoted | Written::Block => Json::String(self.text.clone()),
        }
    }
}

impl Node {
    /// The pairs, when this is a mapping.
    #[must_use]
    pub fn entries(&self) -> Option<&[Entry]> {
        if let Value::Mapping(entries) = &self.value { Some(entries) } else { None }
    }

    /// The items, when this is a list.
    #[must_use]
    pub fn items(&self) -> Option<&[Node]> {
        if let Value::Sequence(items) = &self.value { Some(items) } else { None }
    }

    /// The text, when this is one; also of numbers.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        if let Value::Scalar(scalar) = &self.value { Some(&scalar.text) } else { None }
    }

    /// The value of a key, when this is a mapping that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries()?.iter().find(|entry| entry.key.text == key).map(|entry| &entry.value)
    }

    /// Whether nothing was written.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar(scalar) if scalar.to_json().is_null())
    }

    /// What this is called in a message.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Scalar(_) if self.is_null() => "nothing",
            Value::Scalar(_) => "a single value",
            Value::Sequence(_) => "a list",
            Value::Mapping(_) => "a mapping",
        }
    }

    /// The data without its places.
    #[must_use]
    pub fn to_json(&self) -> Json {
        match &self.value {
            Value::Scalar(scalar) => scalar.to_json(),
            Value::Sequence(items) => Json::Array(items.iter().map(Self::to_json).collect()),
            Value::Mapping(entries) => Json::Object(
                entries.iter().map(|entry| (entry.key.text.clone(), entry.value.to_json())).collect(),
            ),
        }
    }

    /// How many values this holds, itself included.
    pub(crate) fn count(&self) -> usize {
        1 + match &self.value {
            Value::Scalar(_) => 0,
            Value::Sequence(items) => items.iter().map(Self::count).sum(),
            Value::Mapping(entries) => entries.iter().map(|entry| entry.value.count()).sum::<usize>(),
        }
    }

    /// How many bytes of text this holds.
    pub(crate) fn text_len(&self) -> usize {
        match &self.value {
            Value::Scalar(scalar) => scalar.text.len(),
            Value::Sequence(items) => items.iter().map(Self::text_len).sum(),
            Value::Mapping(entries) => {
                entries.iter().map(|entry| entry.key.text.len() + entry.value.text_len()).sum::<usize>()
            }
        }
    }

    /// How many levels of lists and mappings this has.
    pub(crate) fn depth(&self) -> usize {
        match &self.value {
            Value::Scalar(_) => 0,
            Value::Sequence(items) => 1 + items.iter().map(Self::depth).max().unwrap_or(0),
            Value::Mapping(entries) => 1 + entries.iter().map(|entry| entry.value.depth()).max().unwrap_or(0),
        }
    }
}
