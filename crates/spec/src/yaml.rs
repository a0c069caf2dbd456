//! Documents that a program writes: strict YAML in blocks, one thing a line, the same text for the same data.

use std::fmt::Write as _;

/// The longest line of prose, in characters, its indentation included.
const WIDTH: usize = 100;

/// A piece of a document, in the order in which it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Yaml {
    /// A text from anywhere, in quotes.
    Text(String),
    /// A word or path, without quotes if every YAML parser reads it as this text.
    Word(String),
    /// A day, `2026-01-23`.
    Day(String),
    /// A number.
    Number(i64),
    /// `true` or `false`.
    Bool(bool),
    /// Nothing: `null`.
    Null,
    /// Sentences, wrapped: line breaks are no part of what they say.
    Prose(String),
    /// Items, in order.
    List(Vec<Yaml>),
    /// Pairs, in order. Keys differ from each other, and none is empty.
    Map(Vec<(String, Yaml)>),
    /// Pairs on one line, `{score: -900, memory_low: 2GB}`, unless one of them has prose or a list.
    Flow(Vec<(String, Yaml)>),
}

impl Yaml {
    /// A text, whatever it holds.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A word, see [`Self::Word`].
    #[must_use]
    pub fn word(text: impl Into<String>) -> Self {
        Self::Word(text.into())
    }

    /// A list of texts.
    #[must_use]
    pub fn texts(texts: impl IntoIterator<Item = String>) -> Self {
        Self::List(texts.into_iter().map(Self::Text).collect())
    }

    /// Pairs with keys of our own.
    #[must_use]
    pub fn map<const N: usize>(pairs: [(&str, Self); N]) -> Self {
        Self::Map(pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }

    /// The pairs at the outermost level, an empty line before each that has several lines.
    ///
    /// Anything but a map is written on one line.
    #[must_use]
    pub fn document(&self) -> String {
        let Self::Map(pairs) = self else { return format!("{}\n", self.inline().unwrap_or_default()) };
        let mut out = String::new();
        for (key, value) in pairs {
            if !out.is_empty() && value.inline().is_none() {
                out.push('\n');
            }
            pair(&mut out, 0, key, value);
        }
        if out.is_empty() { "{}\n".to_owned() } else { out }
    }

    /// As it stands behind a key on the same line, if it does.
    fn inline(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(quoted(text)),
            Self::Word(text) => Some(word(text)),
            Self::Day(text) => Some(if is_day(text) { text.clone() } else { quoted(text) }),
            Self::Number(number) => Some(number.to_string()),
            Self::Bool(value) => Some(value.to_string()),
            Self::Null => Some("null".to_owned()),
            Self::Prose(_) => None,
            Self::List(items) => items.is_empty().then(|| "[]".to_owned()),
            Self::Map(pairs) => pairs.is_empty().then(|| "{}".to_owned()),
            Self::Flow(pairs) => {
                let pairs =
                    pairs.iter().map(|(key, value)| Some(format!("{}: {}", word(key), value.inline()?)));
                Some(format!("{{{}}}", pairs.collect::<Option<Vec<_>>>()?.join(", ")))
            }
        }
    }
}

impl From<&serde_json::Value> for Yaml {
    /// The same data in blocks; a number that is not a whole one becomes text.
    fn from(json: &serde_json::Value) -> Self {
        use serde_json::Value;
        match json {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => {
                number.as_i64().map_or_else(|| Self::Text(number.to_string()), Self::Number)
            }
            Value::String(text) => Self::word(text),
            Value::Array(items) => Self::List(items.iter().map(Self::from).collect()),
            Value::Object(pairs) => {
                Self::Map(pairs.iter().map(|(key, value)| (key.clone(), Self::from(value))).collect())
            }
        }
    }
}

fn pair(out: &mut String, indent: usize, key: &str, value: &Yaml) {
    let pad = " ".repeat(indent);
    let key = word(key);
    if let Some(inline) = value.inline() {
        _ = writeln!(out, "{pad}{key}: {inline}");
        return;
    }
    if let Yaml::Prose(text) = value {
        _ = writeln!(out, "{pad}{key}: {}", prose(text, indent + 2));
        return;
    }
    _ = writeln!(out, "{pad}{key}:");
    block(out, indent + 2, value);
}

/// What has lines of its own.
fn block(out: &mut String, indent: usize, value: &Yaml) {
    match value {
        Yaml::Map(pairs) | Yaml::Flow(pairs) => {
            pairs.iter().for_each(|(key, value)| pair(out, indent, key, value));
        }
        Yaml::List(items) => items.iter().for_each(|value| item(out, indent, value)),
        _ => {}
    }
}

fn item(out: &mut String, indent: usize, value: &Yaml) {
    let pad = " ".repeat(indent);
    if let Some(inline) = value.inline() {
        _ = writeln!(out, "{pad}- {inline}");
        return;
    }
    if let Yaml::Prose(text) = value {
        _ = writeln!(out, "{pad}- {}", prose(text, indent + 2));
        return;
    }
    let mut inner = String::new();
    block(&mut inner, indent + 2, value);
    // The first line of the block stands behind the dash.
    let start = inner.get(indent + 2..).unwrap_or_default();
    _ = write!(out, "{pad}- {start}");
}

/// A literal block of wrapped lines; in quotes where the text has what such a block cannot hold.
fn prose(text: &str, indent: usize) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    if words.is_empty() || !text.chars().all(|c| is_plain(c) || c == '\n') {
        return quoted(text);
    }
    let pad = " ".repeat(indent);
    let mut out = "|".to_owned();
    let mut column = WIDTH;
    for word in words {
        let width = word.chars().count();
        if column + 1 + width > WIDTH {
            _ = write!(out, "\n{pad}{word}");
            column = indent + width;
        } else {
            _ = write!(out, " {word}");
            column += 1 + width;
        }
    }
    out
}

/// In double quotes, as JSON and every YAML reads it. What could steer a terminal or hide text, and what older readers take for
/// the end of a line, is escaped.
fn quoted(text: &str) -> String {
    let mut out = "\"".to_owned();
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if is_plain(c) => out.push(c),
            c if u32::from(c) > 0xffff => _ = write!(out, "\\U{:08X}", u32::from(c)),
            c => _ = write!(out, "\\u{:04X}", u32::from(c)),
        }
    }
    out.push('"');
    out
}

/// A word, in quotes unless every YAML parser reads it as this text.
fn word(text: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "._-/@%".contains(c);
    let plain = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/')
        && text.chars().all(safe)
        && !is_day(text)
        && crate::resolve::plain(text).is_string()
        && !crate::resolve::is_ambiguous(text);
    if plain { text.to_owned() } else { quoted(text) }
}

/// Whether a character needs no escape.
fn is_plain(c: char) -> bool {
    !oomguard_text::is_unsafe(c)
}

fn is_day(text: &str) -> bool {
    let digit_or_dash = |(at, byte): (usize, u8)| match at {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    };
    text.len() == 10 && text.bytes().enumerate().all(digit_or_dash)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn document_uses_block_style_and_wrapped_prose() {
        let document = Yaml::map([
            ("date", Yaml::Day("2026-01-23".to_owned())),
            ("summary", Yaml::Prose("one two ".repeat(20))),
            (
                "hosts",
                Yaml::List(vec![
                    Yaml::map([("name", Yaml::word("a.b")), ("number", Yaml::Number(-3))]),
                    Yaml::text("yes: no"),
                    Yaml::List(Vec::new()),
                ]),
            ),
            ("empty", Yaml::map([])),
        ]);
        let line = |times: usize| "one two ".repeat(times).trim_end().to_owned();
        let wanted = format!(
            "date: 2026-01-23\n\nsummary: |\n  {}\n  {}\n\nhosts:\n  - name: a.b\n    number: -3\n  - \"yes: no\"\n  - []\nempty: {{}}\n",
            line(12),
            line(8),
        );
        assert_eq!(document.document(), wanted);
    }

    /// The data of it, as any reader should see it; prose without its line breaks.
    fn data(yaml: &Yaml) -> serde_json::Value {
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        match yaml {
            Yaml::Text(text) | Yaml::Word(text) | Yaml::Day(text) => text.as_str().into(),
            Yaml::Number(number) => (*number).into(),
            Yaml::Bool(value) => (*value).into(),
            Yaml::Null => serde_json::Value::Null,
            Yaml::Prose(text) => words(text).into(),
            Yaml::List(items) => items.iter().map(data).collect(),
            Yaml::Map(pairs) | Yaml::Flow(pairs) => {
                pairs.iter().map(|(key, value)| (key.clone(), data(value))).collect()
            }
        }
    }

    /// What was read, with prose as [`data`] has it.
    fn flat(yaml: &Yaml, read: &serde_json::Value) -> serde_json::Value {
        match (yaml, read) {
            (Yaml::Prose(_), serde_json::Value::String(text)) => {
                text.split_whitespace().collect::<Vec<_>>().join(" ").into()
            }
            (Yaml::List(items), serde_json::Value::Array(read)) => {
                items.iter().zip(read).map(|(yaml, read)| flat(yaml, read)).collect()
            }
            (Yaml::Map(pairs) | Yaml::Flow(pairs), serde_json::Value::Object(read)) => pairs
                .iter()
                .filter_map(|(key, value)| Some((key.clone(), flat(value, read.get(key)?))))
                .collect(),
            _ => read.clone(),
        }
    }

    fn any_yaml() -> impl Strategy<Value = Yaml> {
        let text = || {
            prop_oneof![
                "[ -~]{0,30}",
                any::<String>(),
                "[0-9a-z.%-]{1,10}",
                "(yes|1e3|0x1f|2026-01-23|010|1:30|~)"
            ]
        };
        let leaf = prop_oneof![
            text().prop_map(Yaml::Text),
            text().prop_map(Yaml::Word),
            text().prop_map(Yaml::Prose),
            any::<i64>().prop_map(Yaml::Number),
            any::<bool>().prop_map(Yaml::Bool),
            Just(Yaml::Null),
        ];
        leaf.prop_recursive(4, 24, 4, move |inner| {
            let pairs = prop::collection::btree_map("[a-zA-Z0-9 :#.-]{1,8}", inner.clone(), 0..4);
            prop_oneof![
                prop::collection::vec(inner, 0..4).prop_map(Yaml::List),
                (pairs, any::<bool>()).prop_map(|(pairs, flow)| {
                    let pairs = pairs.into_iter().collect();
                    if flow { Yaml::Flow(pairs) } else { Yaml::Map(pairs) }
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn written_yaml_reads_back_in_two_parsers(
            pairs in prop::collection::btree_map("[a-z]{1,6}", any_yaml(), 1..5)
        ) {
            let yaml = Yaml::Map(pairs.into_iter().collect());
            let text = yaml.document();
            let other: serde_json::Value = serde_saphyr::from_str(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
            prop_assert_eq!(flat(&yaml, &other), data(&yaml), "{}", text);
            let own = crate::read("x.cspec", text.as_bytes()).unwrap_or_else(|e| panic!("{e}\n{text}"));
            prop_assert_eq!(own.diagnostics(), []);
            prop_assert_eq!(flat(&yaml, &own.to_json()), data(&yaml), "{}", text);
            prop_assert!(!text.contains(|c| c != '\n' && oomguard_text::is_unsafe(c)), "{}", text);
        }
    }
}
