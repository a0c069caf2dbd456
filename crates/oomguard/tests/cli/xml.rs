//! A reader of XML that knows just enough to tell whether a JUnit document is well formed.

/// An element: its name, its attributes, and how deep it lies.
#[derive(Debug, PartialEq, Eq)]
pub struct Element {
    pub name: String,
    pub attributes: Vec<(String, String)>,
    pub depth: usize,
}

impl Element {
    pub fn attribute(&self, name: &str) -> &str {
        let found = self.attributes.iter().find(|(key, _)| key == name);
        found.map_or_else(|| panic!("no {name} in {self:?}"), |(_, value)| value)
    }
}

/// Every element of a document, in order; panics where it is not well formed.
pub fn elements(text: &str) -> Vec<Element> {
    let text = text.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n").expect("a declaration");
    let mut found = Vec::new();
    let mut open: Vec<String> = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        check_text(&rest[..at]);
        let end = rest[at..].find('>').expect("`<` without `>`") + at;
        let tag = &rest[at + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "closes what is not open");
            continue;
        }
        let (tag, closed) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{name}");
        let depth = open.len();
        found.push(Element { name: name.to_owned(), attributes: attributes_of(attributes), depth });
        if !closed {
            open.push(name.to_owned());
        }
    }
    assert_eq!(rest.trim(), "", "text after the end");
    assert!(open.is_empty(), "not closed: {open:?}");
    assert_eq!(found.iter().filter(|element| element.depth == 0).count(), 1, "one root");
    found
}

fn attributes_of(mut text: &str) -> Vec<(String, String)> {
    let mut attributes = Vec::new();
    while !text.trim().is_empty() {
        let (name, rest) = text.trim_start().split_once("=\"").expect("an attribute has a value");
        let (value, rest) = rest.split_once('"').expect("a value ends");
        check_text(value);
        assert!(!attributes.iter().any(|(other, _)| other == name), "{name} twice");
        attributes.push((name.to_owned(), value.to_owned()));
        text = rest;
    }
    attributes
}

/// No bare `<` or `&`, and no character that XML 1.0 has no room for.
fn check_text(text: &str) {
    assert!(!text.contains('<'), "{text:?}");
    for (at, _) in text.match_indices('&') {
        let entities = ["&amp;", "&lt;", "&gt;", "&quot;", "&#39;"];
        assert!(entities.iter().any(|entity| text[at..].starts_with(entity)), "{text:?}");
    }
    assert!(!text.contains(|c| c != '\n' && oomguard_text::is_unsafe(c)), "{text:?}");
}
