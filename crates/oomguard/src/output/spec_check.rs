//! What was said about documents: for people, as JSON, SARIF and JUnit.

use std::collections::BTreeMap;

use oomguard_spec::{Diagnostic, Severity, Span};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::counted;
use super::junit::escaped;

/// What `oomguard spec check` reports.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Report {
    /// `oomguard.spec-check/1`
    pub schema: String,
    /// The documents, in the order in which they were checked.
    pub files: Vec<Checked>,
    /// Files that could not be read.
    pub unread: Vec<String>,
}

/// One document.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Checked {
    /// Its path as it was given; `-` is standard input.
    pub file: String,
    /// The roles that it has policies for.
    pub roles: Vec<String>,
    /// What was said about it.
    pub diagnostics: Vec<Diagnostic>,
    /// The same with excerpts.
    #[serde(skip)]
    excerpts: String,
    /// Whether it could not be used at all.
    #[serde(skip)]
    rejected: bool,
}

impl Default for Report {
    fn default() -> Self {
        Self { schema: "oomguard.spec-check/1".to_owned(), files: Vec::new(), unread: Vec::new() }
    }
}

impl Checked {
    /// A document that could be read.
    pub fn of(file: String, excerpts: String, diagnostics: Vec<Diagnostic>, roles: Vec<String>) -> Self {
        Self { file, roles, diagnostics, excerpts, rejected: false }
    }

    /// A document that could not.
    pub fn rejected(file: String, excerpts: String, diagnostics: Vec<Diagnostic>) -> Self {
        Self { file, roles: Vec::new(), diagnostics, excerpts, rejected: true }
    }

    /// For a person.
    pub fn text(&self) -> String {
        let blank = if self.excerpts.is_empty() { "" } else { "\n" };
        let roles = match self.roles.as_slice() {
            _ if self.rejected => "nothing of it can be used".to_owned(),
            [] => "no policy in it".to_owned(),
            [one] => format!("role: {one}"),
            several => format!("roles: {}", several.join(", ")),
        };
        format!("{}{blank}{}: {}; {roles}\n", self.excerpts, self.file, summary(&self.diagnostics))
    }
}

/// `2 errors, 1 warning`, or that it is fine.
fn summary(said: &[Diagnostic]) -> String {
    let words = [(Severity::Error, "error"), (Severity::Warning, "warning"), (Severity::Note, "note")];
    let counts: Vec<String> = words
        .into_iter()
        .map(|(severity, word)| (said.iter().filter(|one| one.severity == severity).count(), word))
        .filter(|(number, _)| *number > 0)
        .map(|(number, word)| counted(number, word))
        .collect();
    if counts.is_empty() { "fine".to_owned() } else { counts.join(", ") }
}

impl Report {
    /// For programs.
    pub fn to_json(&self) -> String {
        super::pretty(self)
    }

    /// SARIF 2.1.0, as code hosts show it beside the lines.
    pub fn to_sarif(&self) -> String {
        let all = || self.files.iter().flat_map(|file| file.diagnostics.iter().map(move |said| (file, said)));
        let mut rules: BTreeMap<&str, usize> = all().map(|(_, said)| (said.code, 0)).collect();
        rules.values_mut().enumerate().for_each(|(number, at)| *at = number);
        let results: Vec<Value> = all()
            .map(|(file, said)| {
                let related = said.secondary.iter().map(|label| {
                    let mut place = location(&file.file, label.span);
                    place["message"] = json!({ "text": shown(&label.message) });
                    place
                });
                json!({
                    "ruleId": said.code,
                    "ruleIndex": rules.get(said.code),
                    "level": level(said.severity),
                    "message": { "text": message(said) },
                    "locations": [location(&file.file, said.primary)],
                    "relatedLocations": related.collect::<Vec<_>>(),
                })
            })
            .collect();
        let unread = self.unread.iter().map(
            |file| json!({ "level": "error", "message": { "text": format!("cannot read {}", shown(file)) } }),
        );
        let sarif = json!({
            "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
            "version": "2.1.0",
            "runs": [{
                "tool": { "driver": {
                    "name": "oomguard",
                    "semanticVersion": env!("CARGO_PKG_VERSION"),
                    "rules": rules.keys().map(|code| json!({ "id": code })).collect::<Vec<_>>(),
                } },
                "columnKind": "unicodeCodePoints",
                "invocations": [{
                    "executionSuccessful": self.unread.is_empty(),
                    "toolExecutionNotifications": unread.collect::<Vec<_>>(),
                }],
                "results": results,
            }],
        });
        super::pretty(&sarif)
    }

    /// JUnit XML: a suite for each document, a case for each thing that was said.
    pub fn to_junit(&self) -> String {
        let suites: String = self.files.iter().map(suite).collect();
        let unread: String = self
            .unread
            .iter()
            .map(|file| {
                let name = escaped(file);
                format!(
                    "  <testsuite name=\"{name}\" tests=\"1\" failures=\"0\" errors=\"1\">\n    <testcase \
                     classname=\"{name}\" name=\"can be read\"><error message=\"cannot be read\"/></testcase>\n  \
                     </testsuite>\n"
                )
            })
            .collect();
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n{suites}{unread}</testsuites>\n")
    }
}

fn suite(file: &Checked) -> String {
    let name = escaped(&file.file);
    let mut cases = String::new();
    let mut failures = 0;
    for said in &file.diagnostics {
        let place = format!("{}:{}:{}", file.file, said.primary.line, said.primary.column);
        let text = escaped(&format!("{place}: {}", message(said)));
        let inner = if said.severity == Severity::Error {
            failures += 1;
            format!("<failure message=\"{text}\"/>")
        } else {
            format!("<system-out>{}: {text}</system-out>", level(said.severity))
        };
        let case = escaped(&format!("{} in line {}", said.code, said.primary.line));
        cases.push_str(&format!("    <testcase classname=\"{name}\" name=\"{case}\">{inner}</testcase>\n"));
    }
    if file.diagnostics.is_empty() {
        cases.push_str(&format!("    <testcase classname=\"{name}\" name=\"fine\"/>\n"));
    }
    let tests = file.diagnostics.len().max(1);
    format!(
        "  <testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"0\">\n{cases}  </testsuite>\n"
    )
}

fn message(said: &Diagnostic) -> String {
    let help = said.help.as_ref().map(|help| format!("; {}", shown(help))).unwrap_or_default();
    format!("{}{help}", shown(&said.message))
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

fn location(file: &str, span: Span) -> Value {
    json!({ "physicalLocation": {
        "artifactLocation": { "uri": uri(file) },
        "region": {
            "startLine": span.line.max(1),
            "startColumn": span.column.max(1),
            "byteOffset": span.start,
            "byteLength": span.end.saturating_sub(span.start),
        },
    } })
}

/// A path as a relative or absolute reference (RFC 3986).
fn uri(path: &str) -> String {
    let path = path.strip_prefix("./").unwrap_or(path);
    let mut out = if path.starts_with('/') { "file://".to_owned() } else { String::new() };
    for byte in path.bytes() {
        match byte {
            byte if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) => out.push(char::from(byte)),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Text of a document, cut and without what would steer whoever shows it.
fn shown(text: &str) -> String {
    oomguard_text::shown(text, 1000)
}
