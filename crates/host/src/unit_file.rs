//! systemd unit and configuration files (systemd.syntax(7), systemd.unit(5); systemd `src/shared/conf-parser.c`).

use crate::parse_error::ParseError;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// Longer than any section of systemd. Bounded because every assignment stores its section.
const SECTION_LIMIT: usize = 255;

/// A unit file, drop-in or configuration file: its assignments in order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitFile {
    /// All assignments inside a section.
    pub assignments: Vec<Assignment>,
    /// The lines that systemd ignores, or that make it reject the file.
    pub problems: Vec<ParseError>,
}

/// One `Key=value`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// The first line, counted from 1.
    pub line: usize,
    /// The section without its brackets: `Service`.
    pub section: String,
    /// The key: `OOMScoreAdjust`.
    pub key: String,
    /// The value with continuation lines joined by spaces; quotes and specifiers as written.
    pub value: String,
}

/// A value and its origin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effective {
    /// The file.
    pub path: String,
    /// The first line of the assignment, counted from 1.
    pub line: usize,
    /// The value.
    pub value: String,
}

impl UnitFile {
    /// The line and value of the last assignment; `None` when it is missing, or empty, which resets the key.
    pub fn last(&self, section: &str, key: &str) -> Option<(usize, String)> {
        let last = self.last_assignment(section, key)?;
        (!last.value.is_empty()).then(|| (last.line, last.value.clone()))
    }

    fn last_assignment(&self, section: &str, key: &str) -> Option<&Assignment> {
        self.assignments.iter().rev().find(|a| a.section == section && a.key == key)
    }
}

/// The effective assignment of a single-valued key. `files` are the unit and then its drop-ins, sorted by file name. `None`
/// when the last assignment is empty, which resets the key.
pub fn effective(files: &[(String, UnitFile)], section: &str, key: &str) -> Option<Effective> {
    let (path, last) =
        files.iter().rev().find_map(|(path, file)| Some((path, file.last_assignment(section, key)?)))?;
    (!last.value.is_empty()).then(|| Effective {
        path: path.clone(),
        line: last.line,
        value: last.value.clone(),
    })
}

/// Parses a file. Never fails: ignored lines are in [`UnitFile::problems`].
pub fn parse(bytes: &[u8]) -> UnitFile {
    let mut reader = Reader::default();
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    // The line where a continued text began, and the text so far.
    let mut pending: Option<(usize, Vec<u8>)> = None;
    for (i, line) in bytes.split(|&b| b == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        // A comment between continued lines does not end them.
        if matches!(line.trim_ascii_start().first(), Some(b'#' | b';')) {
            continue;
        }
        let (begun, mut text) = pending.take().unwrap_or((i + 1, Vec::new()));
        text.extend_from_slice(line);
        // A backslash that is not itself escaped continues the line.
        let backslashes = line.iter().rev().take_while(|&&b| b == b'\\').count();
        if backslashes % 2 == 1 {
            text.pop();
            text.push(b' ');
            pending = Some((begun, text));
        } else {
            reader.read(begun, &text);
        }
    }
    if let Some((begun, text)) = pending {
        reader.read(begun, &text);
    }
    reader.file
}

#[derive(Default)]
struct Reader {
    file: UnitFile,
    section: Option<String>,
}

impl Reader {
    fn read(&mut self, line: usize, raw: &[u8]) {
        let text = raw.trim_ascii();
        if text.is_empty() {
            return;
        }
        let mut bad = |what: &str| self.file.problems.push(ParseError::new(line, what, text));
        let Ok(text) = std::str::from_utf8(text) else {
            return bad("not UTF-8");
        };
        if let Some(header) = text.strip_prefix('[') {
            match header.strip_suffix(']') {
                Some(name) if name.len() <= SECTION_LIMIT => self.section = Some(name.to_string()),
                Some(_) => {
                    self.section = None;
                    bad("the section name is too long");
                }
                None => bad("the section header has no ]"),
            }
            return;
        }
        let Some((key, value)) = text.split_once('=') else {
            return bad("not an assignment");
        };
        let (key, value) = (key.trim_ascii(), value.trim_ascii());
        if key.is_empty() {
            return bad("no key before =");
        }
        let Some(section) = self.section.clone() else {
            return bad("outside a section");
        };
        let (key, value) = (key.to_string(), value.to_string());
        self.file.assignments.push(Assignment { line, section, key, value });
    }
}

/// The names of the directories that hold a unit's drop-ins, lowest precedence first.
///
/// They exist below each unit path (`/etc/systemd/system`, ...). Of drop-ins with the same file name, systemd reads the one
/// in the unit path of higher precedence, and within a path the one in the later directory of this list; then it sorts by
/// file name. For `foo-bar@x.service`: `service.d`, `foo-@.service.d`, `foo-@x.service.d`,
/// `foo-.service.d`, `foo-bar@.service.d`, `foo-bar@x.service.d`. Empty when `unit` is not a unit name.
pub fn drop_in_dirs(unit: &str) -> Vec<String> {
    let Some((stem, kind)) = unit.rsplit_once('.') else {
        return Vec::new();
    };
    // UNIT_NAME_MAX; every dash in a name makes one more directory.
    if stem.is_empty() || kind.is_empty() || unit.contains('/') || unit.len() > 255 {
        return Vec::new();
    }
    let mut dirs = Vec::new();
    collect_dirs(stem, kind, &mut dirs);
    dirs.push(format!("{kind}.d"));
    // A template and its instance have prefixes in common; the stronger place counts.
    let mut seen = HashSet::new();
    dirs.retain(|dir| seen.insert(dir.clone()));
    dirs.reverse();
    dirs
}

/// Adds the directories, highest precedence first, in the order of systemd's `unit_file_find_dirs()`.
fn collect_dirs(stem: &str, kind: &str, dirs: &mut Vec<String>) {
    dirs.push(format!("{stem}.{kind}.d"));
    let (name, instance) = match stem.split_once('@') {
        Some((name, instance)) => (name, instance),
        None => (stem, ""),
    };
    if !instance.is_empty() {
        collect_dirs(&format!("{name}@"), kind, dirs);
    }
    let Some(prefix) = dash_prefix(name) else {
        return;
    };
    if instance.is_empty() {
        collect_dirs(prefix, kind, dirs);
    } else {
        collect_dirs(&format!("{prefix}@{instance}"), kind, dirs);
    }
}

/// `foo-bar` and `foo-bar-` become `foo-`; a name without an inner dash has none.
fn dash_prefix(name: &str) -> Option<&str> {
    let trimmed = name.strip_suffix('-').unwrap_or(name);
    let dash = trimmed.rfind('-').filter(|&dash| dash > 0)?;
    Some(&name[..=dash])
}
