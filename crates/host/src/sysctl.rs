//! sysctl settings and the file that takes precedence (sysctl.d(5); systemd `src/sysctl/sysctl.c`, procps-ng `sysctl.c`).
//!
//! Keys are normalised to dots between components: `vm.swappiness`. A dot inside a component becomes a slash, as in
//! sysctl.d(5): `net.ipv4.conf.enp3s0/200.forwarding`.

use crate::parse_error::ParseError;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// The directories, highest precedence first.
const DIRECTORIES: [&str; 5] =
    ["/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d"];

/// One line that sets or excludes a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// The line, counted from 1.
    pub line: usize,
    /// The key, normalised; may contain the wildcards `*`, `?` and `[`.
    pub key: String,
    /// The value as written; empty for an exclusion.
    pub value: String,
    /// A leading `-`: ignore write errors.
    pub ignore_errors: bool,
    /// `-key` without a value: wildcards do not apply to the key.
    pub exclude: bool,
}

/// A file of settings. A symbolic link to `/dev/null` has no content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SysctlFile {
    /// The absolute path: `/etc/sysctl.d/99-swap.conf`.
    pub path: String,
    /// The content.
    pub bytes: Vec<u8>,
}

/// A value and its origin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// The file.
    pub path: String,
    /// The line in it, counted from 1.
    pub line: usize,
    /// The value as written.
    pub value: String,
}

/// The settings and exclusions of a file, in order; other lines are skipped.
pub fn parse_file(bytes: &[u8]) -> Vec<Assignment> {
    read(bytes).filter_map(Result::ok).collect()
}

/// The lines that [`parse_file`] skips although they are neither blank nor comments.
pub fn problems(bytes: &[u8]) -> Vec<ParseError> {
    read(bytes).filter_map(Result::err).collect()
}

/// The setting of `key` after systemd-sysctl has applied `files`, given in any order.
///
/// `None` when no file sets it, or the last one that names it excludes it.
pub fn winner(files: &[SysctlFile], key: &str) -> Option<Setting> {
    all(files, key).pop()
}

/// The settings of `key` in the order that systemd-sysctl applies them: wildcards, then exact keys. The last one counts. An
/// exclusion removes the wildcards and the settings before it.
pub fn all(files: &[SysctlFile], key: &str) -> Vec<Setting> {
    let key = normalise(key);
    let lines = relevant(in_order(files).map(|file| (file.path.as_str(), file.bytes.as_slice())), &key);
    // An exclusion overwrites the settings of the very same key or pattern.
    let last_exclusion: HashMap<&str, usize> = lines
        .iter()
        .enumerate()
        .filter(|(_, (_, line))| line.exclude)
        .map(|(i, (_, line))| (line.key.as_str(), i))
        .collect();
    let holds = |index: usize, line: &Assignment| {
        !line.exclude && last_exclusion.get(line.key.as_str()).is_none_or(|&exclusion| exclusion < index)
    };
    let wildcards = lines.iter().enumerate().filter(|(i, (_, l))| l.key != key && holds(*i, l));
    let explicit = lines.iter().enumerate().filter(|(i, (_, l))| l.key == key && holds(*i, l));
    let excluded = last_exclusion.contains_key(key.as_str());
    let mut out: Vec<Setting> =
        if excluded { Vec::new() } else { wildcards.map(|(_, line)| setting(line)).collect() };
    out.extend(explicit.map(|(_, line)| setting(line)));
    out
}

/// The setting of `key` after `sysctl --system` of procps-ng 4, which reads `/etc/sysctl.conf` last.
///
/// There an exclusion may contain wildcards and excludes only wildcards: an exact key still counts.
pub fn winner_procps(files: &[SysctlFile], sysctl_conf: Option<&[u8]>, key: &str) -> Option<Setting> {
    let key = normalise(key);
    let in_directories = in_order(files).map(|file| (file.path.as_str(), file.bytes.as_slice()));
    let lines = relevant(in_directories.chain(sysctl_conf.map(|bytes| ("/etc/sysctl.conf", bytes))), &key);
    if let Some(explicit) = lines.iter().rev().find(|(_, line)| line.key == key && !line.exclude) {
        return Some(setting(explicit));
    }
    if lines.iter().any(|(_, line)| line.exclude) {
        return None;
    }
    lines.last().map(setting)
}

/// A line and the path of its file.
type Located<'a> = (&'a str, Assignment);

/// The lines that match the key, in the order in which they are read.
fn relevant<'a>(files: impl Iterator<Item = (&'a str, &'a [u8])>, key: &str) -> Vec<Located<'a>> {
    let matches = |line: &Assignment| {
        if line.key == key {
            return true;
        }
        // fnmatch() without FNM_PATHNAME, by which procps matches exclusions, lets a wildcard cross separators.
        let across = line.exclude && component_matches(&line.key, key);
        is_glob(&line.key) && (across || glob_matches(&line.key, key))
    };
    files
        .flat_map(|(path, bytes)| parse_file(bytes).into_iter().map(move |line| (path, line)))
        .filter(|(_, line)| matches(line))
        .collect()
}

fn setting((path, line): &Located<'_>) -> Setting {
    Setting { path: path.to_string(), line: line.line, value: line.value.clone() }
}

/// The files that are read, in the order of their base names.
fn in_order(files: &[SysctlFile]) -> impl Iterator<Item = &SysctlFile> {
    let mut by_name: HashMap<&str, (usize, &SysctlFile)> = HashMap::new();
    for file in files {
        let (directory, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
        if !name.ends_with(".conf") {
            continue;
        }
        let rank = DIRECTORIES.iter().position(|d| *d == directory).unwrap_or(DIRECTORIES.len());
        let kept = by_name.entry(name).or_insert((rank, file));
        if rank < kept.0 {
            *kept = (rank, file);
        }
    }
    let mut ordered: Vec<_> = by_name.into_iter().collect();
    ordered.sort_unstable_by_key(|(name, _)| *name);
    ordered.into_iter().map(|(_, (_, file))| file)
}

fn read(bytes: &[u8]) -> impl Iterator<Item = Result<Assignment, ParseError>> {
    bytes.split(|&b| b == b'\n').enumerate().filter_map(|(i, raw)| read_line(i + 1, raw))
}

fn read_line(line: usize, raw: &[u8]) -> Option<Result<Assignment, ParseError>> {
    let text = String::from_utf8_lossy(raw);
    let text = text.trim_matches(|c: char| c.is_ascii_whitespace());
    if text.is_empty() || text.starts_with(['#', ';']) {
        return None;
    }
    let (ignore_errors, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (key, value) = match rest.split_once('=') {
        Some((key, value)) => (key, Some(value)),
        None => (rest, None),
    };
    if value.is_none() && !ignore_errors {
        return Some(Err(ParseError::new(line, "neither KEY=VALUE nor -KEY", raw)));
    }
    let key = normalise(key);
    if key.is_empty() {
        return Some(Err(ParseError::new(line, "no key", raw)));
    }
    let value_text = value.unwrap_or_default().trim_matches(|c: char| c.is_ascii_whitespace());
    Some(Ok(Assignment { line, key, value: value_text.to_string(), ignore_errors, exclude: value.is_none() }))
}

/// Normalises a key to dots between components. The first separator decides whether `.` or `/` separates.
fn normalise(key: &str) -> String {
    let key = key.trim_matches(|c: char| c.is_ascii_whitespace());
    let slashes = match key.find(['.', '/']) {
        Some(at) => key.as_bytes()[at] == b'/',
        None => false,
    };
    let dotted: String = if slashes { key.chars().map(swap_separator).collect() } else { key.to_string() };
    // As path_simplify() does: no empty components.
    let mut out = String::with_capacity(dotted.len());
    for part in dotted.split('.').filter(|part| !part.is_empty()) {
        if !out.is_empty() {
            out.push('.');
        }
        out.push_str(part);
    }
    out
}

fn swap_separator(c: char) -> char {
    match c {
        '.' => '/',
        '/' => '.',
        c => c,
    }
}

fn is_glob(key: &str) -> bool {
    key.contains(['*', '?', '['])
}

/// glob(7) per component: a wildcard never matches a separator.
fn glob_matches(pattern: &str, key: &str) -> bool {
    let mut keys = key.split('.');
    pattern.split('.').all(|p| keys.next().is_some_and(|k| component_matches(p, k))) && keys.next().is_none()
}

/// Matches a component. Backtracking only to the last `*` bounds the work by pattern x name.
fn component_matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    let (mut p, mut n) = (0, 0);
    let mut back = None;
    while n < name.len() {
        if pattern.get(p) == Some(&'*') {
            back = Some((p + 1, n));
            p += 1;
            continue;
        }
        match one_matches(&pattern[p..], name[n]) {
            Some(width) => {
                p += width;
                n += 1;
            }
            None => match back {
                Some((after_star, from)) => {
                    back = Some((after_star, from + 1));
                    p = after_star;
                    n = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

/// The number of pattern characters that match `c`.
fn one_matches(pattern: &[char], c: char) -> Option<usize> {
    match pattern.first()? {
        '?' => Some(1),
        '[' => match class(&pattern[1..]) {
            Some((negated, members)) => {
                let inside = in_class(members, c);
                (inside != negated).then_some(2 + usize::from(negated) + members.len())
            }
            None => (c == '[').then_some(1),
        },
        '\\' if pattern.len() > 1 => (pattern[1] == c).then_some(2),
        &plain => (plain == c).then_some(1),
    }
}

/// Whether a bracket expression (without its `[`) is negated, and its members.
fn class(rest: &[char]) -> Option<(bool, &[char])> {
    let negated = matches!(rest.first(), Some('!' | '^'));
    let members = &rest[usize::from(negated)..];
    // A `]` in first place is a member.
    let end = members.iter().skip(1).position(|&c| c == ']')? + 1;
    Some((negated, &members[..end]))
}

fn in_class(members: &[char], c: char) -> bool {
    let mut rest = members;
    loop {
        match rest {
            [low, '-', high, after @ ..] => {
                if (*low..=*high).contains(&c) {
                    return true;
                }
                rest = after;
            }
            [one, after @ ..] => {
                if *one == c {
                    return true;
                }
                rest = after;
            }
            [] => return false,
        }
    }
}
