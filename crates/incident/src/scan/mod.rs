//! A log as a stream of bytes: ordinary lines cost next to nothing, and are not even taken apart.
//!
//! Everything that an episode can begin with has one of a few words in it. They are looked for in all lines at once,
//! and only the lines around a hit are read. So time is linear in the log, and memory is bounded by one buffer.

mod blocks;

use std::io::{self, Read};
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};

use crate::reader::{Reader, Seen};

/// Words of the lines that an episode can begin with, and of those that may follow far behind. None is shorter than four
/// bytes: the search gets slow with short ones. It also gets slow with many, and with those that begin as common words do.
const WORDS: [&str; 26] = [
    "oom-k",
    "oom_",
    "-oom",
    "lyoom",
    "OOM ",
    "OOMC",
    "ut of mem",
    "ut of Mem",
    "Kill",
    "ending SIG",
    "Marked /",
    "Mem-",
    "_anon:",
    "tal_vm",
    "Task in /",
    "failcnt",
    "cgroup stats for",
    "Comm: ",
    "comm: ",
    "KILL",
    "restart counter",
    "Linux version ",
    "-- Reboot --",
    "-- Boot ",
    "messages dropped",
    "MESSAGE\":[",
];

/// No word is longer.
const MAX_WORD_BYTES: usize = 16;

/// How many lines after one that meant something are read, whatever is in them: the rest of a report, what systemd
/// says of units, and gaps that other lines make.
const CLOSE_LOOK: u32 = 64;

/// A line longer than this is cut here; the rest of it is skipped.
const LINE_LIMIT: usize = 64 * 1024;

/// How much is read at once: fits into the cache of one processor.
const BUFFER: usize = 128 * 1024;

/// Building it takes longer than reading a small log.
static SEARCH: LazyLock<Option<AhoCorasick>> =
    LazyLock::new(|| AhoCorasick::builder().match_kind(MatchKind::LeftmostFirst).build(WORDS).ok());

/// Reads a log as a stream.
#[derive(Debug)]
pub struct Scanner {
    words: AhoCorasick,
    /// Lines before the part that is looked at.
    lines: u64,
    close_look: u32,
}

impl Scanner {
    /// A scanner at the start of a log; `None` never happens, as the words are known to fit.
    #[must_use]
    pub fn new() -> Option<Self> {
        Some(Self { words: SEARCH.clone()?, lines: 0, close_look: 0 })
    }

    /// One that looks for the same words.
    fn new_like(other: &Self) -> Self {
        Self { words: other.words.clone(), lines: 0, close_look: 0 }
    }

    fn has_word(&self, data: &[u8]) -> bool {
        self.words.find(data).is_some()
    }

    /// Reads all of a log. `done` is called after each part, so that finished episodes do not pile up.
    ///
    /// # Errors
    /// Those of `log` and of `done`.
    pub fn read<E: From<io::Error>>(
        &mut self,
        mut log: impl Read,
        reader: &mut Reader,
        mut done: impl FnMut(&mut Reader) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut buffer = vec![0; BUFFER];
        let mut filled = 0;
        let mut skip = false;
        loop {
            let free = buffer.get_mut(filled..).unwrap_or_default();
            let count = match log.read(free) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            if count == 0 {
                let rest = buffer.get(..filled).unwrap_or_default();
                if !skip {
                    self.part(rest, reader);
                }
                reader.finish();
                return done(reader);
            }
            // The end of the last whole line.
            let fresh = filled;
            filled += count;
            let data = buffer.get(..filled).unwrap_or_default();
            let Some(last) = memchr::memrchr(b'\n', data.get(fresh..).unwrap_or_default()) else {
                if filled >= LINE_LIMIT {
                    if !skip {
                        // Its end is counted when it comes.
                        let before = self.lines;
                        self.part(data, reader);
                        self.lines = before;
                    }
                    (skip, filled) = (true, 0);
                }
                continue;
            };
            let end = fresh + last + 1;
            let mut whole = data.get(..end).unwrap_or_default();
            if skip {
                let first = memchr::memchr(b'\n', whole).map_or(whole.len(), |at| at + 1);
                whole = whole.get(first..).unwrap_or_default();
                self.lines += 1;
                skip = false;
            }
            self.part(whole, reader);
            done(reader)?;
            buffer.copy_within(end..filled, 0);
            filled -= end;
        }
    }

    /// Whole lines.
    fn part(&mut self, data: &[u8], reader: &mut Reader) {
        let mut at = 0;
        while let Some(rest) = data.get(at..).filter(|rest| !rest.is_empty()) {
            if self.close_look == 0 {
                let Some(hit) = self.words.find(rest) else {
                    self.lines += count_lines(rest);
                    return;
                };
                let start = memchr::memrchr(b'\n', rest.get(..hit.start()).unwrap_or_default());
                let start = start.map_or(0, |newline| newline + 1);
                self.lines += count_lines(rest.get(..start).unwrap_or_default());
                at += start;
            }
            let rest = data.get(at..).unwrap_or_default();
            let length = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
            at += length + 1;
            self.lines += 1;
            match reader.line(self.lines, rest.get(..length).unwrap_or_default()) {
                Seen::Something => self.close_look = CLOSE_LOOK,
                Seen::Nothing => self.close_look = self.close_look.saturating_sub(1),
            }
        }
    }
}

fn count_lines(data: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', data).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needles_fit_max_word_bytes() {
        assert!(WORDS.iter().all(|word| (4..=MAX_WORD_BYTES).contains(&word.len())));
    }
}
