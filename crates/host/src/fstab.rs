//! A lossless editor of `/etc/fstab` (fstab(5); field rules of util-linux's libmount).
//!
//! Lines that are not edited keep every byte.

use crate::octal;
use crate::parse_error::ParseError;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// A filesystem table. Lines are numbered from 1.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fstab {
    /// Each with its terminator, if it has one.
    lines: Vec<Vec<u8>>,
}

/// A line of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Line {
    /// Only white space.
    Blank,
    /// Starts with `#` after optional white space.
    Comment,
    /// A file system or swap area.
    Entry(Entry),
    /// A line that libmount refuses.
    Unreadable(ParseError),
}

/// A file system or swap area.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The line, counted from 1.
    pub line: usize,
    /// Field 1, decoded: `/swapfile`, `UUID=...`, `LABEL=...`.
    pub spec: String,
    /// Field 2, decoded: the mount point, `none` for swap.
    pub file: String,
    /// Field 3: the file system type, `swap` for a swap area.
    pub vfs_type: String,
    /// Field 4, split at commas outside double quotes; empty where the field is missing.
    pub options: Vec<String>,
    /// The line without `\n`.
    pub raw: Vec<u8>,
}

impl Entry {
    /// The last `pri=`, as in systemd; `None` when it is missing or not a number.
    pub fn priority(&self) -> Option<i32> {
        self.options.iter().rev().find_map(|o| o.strip_prefix("pri="))?.parse().ok()
    }

    /// Whether an option is present, with or without a value: `has_option("pri")` is true for `pri=10`.
    pub fn has_option(&self, name: &str) -> bool {
        self.options.iter().any(|o| o == name || o.split_once('=').is_some_and(|(key, _)| key == name))
    }

    /// Whether it is a swap area.
    pub fn is_swap(&self) -> bool {
        self.vfs_type == "swap"
    }
}

impl Fstab {
    /// Never fails: lines that cannot be parsed are kept.
    pub fn parse(bytes: &[u8]) -> Self {
        Self { lines: bytes.split_inclusive(|&b| b == b'\n').map(<[u8]>::to_vec).collect() }
    }

    /// The table as bytes; exactly the input when nothing was edited.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.lines.concat()
    }

    /// All lines, parsed.
    pub fn lines(&self) -> impl Iterator<Item = Line> {
        self.lines.iter().enumerate().map(|(i, raw)| read_line(i + 1, raw))
    }

    /// The valid entries, in order.
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        self.lines().filter_map(|line| match line {
            Line::Entry(entry) => Some(entry),
            _ => None,
        })
    }

    /// The entries of type `swap`.
    pub fn swap_entries(&self) -> impl Iterator<Item = Entry> {
        self.entries().filter(Entry::is_swap)
    }

    /// Appends a line; adds missing newlines before and after it.
    pub fn with_line(&self, bytes: &[u8]) -> Self {
        let mut edited = self.clone();
        if let Some(last) = edited.lines.last_mut()
            && last.last() != Some(&b'\n')
        {
            last.push(b'\n');
        }
        edited.extend_terminated(bytes);
        edited
    }

    /// Replaces a line and keeps its terminator. No change without such a line.
    pub fn with_line_replaced(&self, line: usize, new: &[u8]) -> Self {
        let Some(index) = self.index(line) else {
            return self.clone();
        };
        let mut bytes = self.lines[..index].concat();
        bytes.extend_from_slice(new.strip_suffix(b"\n").unwrap_or(new));
        bytes.extend_from_slice(terminator(&self.lines[index]));
        for after in &self.lines[index + 1..] {
            bytes.extend_from_slice(after);
        }
        Self::parse(&bytes)
    }

    /// Removes a line. No change without such a line.
    pub fn without_line(&self, line: usize) -> Self {
        let mut edited = self.clone();
        if let Some(index) = self.index(line) {
            edited.lines.remove(index);
        }
        edited
    }

    /// The lines that libmount (mount, swapon, `findmnt --verify`, systemd's generator) refuses: fewer than three fields, a
    /// fifth or sixth that is not a number (from a space after a comma, or a comment at the end), or a NUL byte.
    pub fn problems(&self) -> Vec<ParseError> {
        self.lines()
            .filter_map(|line| match line {
                Line::Unreadable(error) => Some(error),
                _ => None,
            })
            .collect()
    }

    /// Line numbers of swap entries for the same device or file: the first and a later one. systemd's generator fails on
    /// the later one.
    pub fn duplicates(&self) -> Vec<(usize, usize)> {
        let mut first: HashMap<String, usize> = HashMap::new();
        let mut out = Vec::new();
        for entry in self.swap_entries() {
            match first.get(&comparable(&entry.spec)) {
                Some(&line) => out.push((line, entry.line)),
                None => {
                    first.insert(comparable(&entry.spec), entry.line);
                }
            }
        }
        out
    }

    fn index(&self, line: usize) -> Option<usize> {
        line.checked_sub(1).filter(|&index| index < self.lines.len())
    }

    fn extend_terminated(&mut self, bytes: &[u8]) {
        let mut bytes = bytes.to_vec();
        if bytes.last() != Some(&b'\n') {
            bytes.push(b'\n');
        }
        self.lines.extend(bytes.split_inclusive(|&b| b == b'\n').map(<[u8]>::to_vec));
    }
}

/// The line for a swap file: `/swapfile none swap sw,nofail,pri=10 0 0`, without a newline.
///
/// # Errors
/// The path is not absolute or contains an unsafe character other than tab and newline, or the priority is negative.
pub fn swap_line(path: &str, priority: Option<i16>) -> Result<String, ParseError> {
    if !path.starts_with('/') {
        return Err(ParseError::new(0, "the swap file's path is not absolute", path.as_bytes()));
    }
    if path.contains(|c| oomguard_text::is_unsafe(c) && c != '\t' && c != '\n') {
        return Err(ParseError::new(0, "the swap file's path contains a control character", path.as_bytes()));
    }
    let priority = match priority {
        Some(p) if p < 0 => {
            let raw = p.to_string();
            return Err(ParseError::new(0, "a swap priority is a number from 0 to 32767", raw.as_bytes()));
        }
        Some(p) => format!(",pri={p}"),
        None => String::new(),
    };
    Ok(format!("{} none swap sw,nofail{priority} 0 0", octal::encode(path)))
}

fn terminator(line: &[u8]) -> &[u8] {
    match line {
        [.., b'\r', b'\n'] => b"\r\n",
        [.., b'\n'] => b"\n",
        _ => b"",
    }
}

/// Removes repeated and trailing slashes of a path.
fn comparable(spec: &str) -> String {
    if !spec.starts_with('/') {
        return spec.to_string();
    }
    spec.split('/').filter(|c| !c.is_empty()).fold(String::new(), |path, c| path + "/" + c)
}

fn read_line(line: usize, bytes: &[u8]) -> Line {
    let raw = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let text = raw.strip_suffix(b"\r").unwrap_or(raw);
    let bad = |what: &str| Line::Unreadable(ParseError::new(line, what, raw));
    if raw.contains(&0) {
        return bad("the line contains a NUL byte");
    }
    let mut fields = text.split(|b| matches!(b, b' ' | b'\t')).filter(|field| !field.is_empty());
    let Some(spec) = fields.next() else {
        return Line::Blank;
    };
    if spec.starts_with(b"#") {
        return Line::Comment;
    }
    let (Some(file), Some(vfs_type)) = (fields.next(), fields.next()) else {
        return bad("the line has fewer than three fields");
    };
    let options = fields.next().unwrap_or_default();
    for what in ["the dump field (5) is not a number", "the pass field (6) is not a number"] {
        if fields.next().is_some_and(|field| !is_number(field)) {
            return bad(what);
        }
    }
    Line::Entry(Entry {
        line,
        spec: octal::decode_text(spec),
        file: octal::decode_text(file),
        vfs_type: octal::decode_text(vfs_type),
        options: split_options(&octal::decode_text(options)),
        raw: raw.to_vec(),
    })
}

/// A number for strtol().
fn is_number(field: &[u8]) -> bool {
    let digits = match field {
        [b'+' | b'-', digits @ ..] => digits,
        digits => digits,
    };
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

fn split_options(field: &str) -> Vec<String> {
    let mut quoted = false;
    let comma = |c: char| {
        quoted ^= c == '"';
        c == ',' && !quoted
    };
    field.split(comma).filter(|option| !option.is_empty()).map(str::to_string).collect()
}
