//! Lines and columns of a source, document text in messages, and the nearest of some words.

use std::ops::Range;

use crate::diagnostic::Span;

/// Where each line of a source begins.
#[derive(Clone, Debug)]
pub(crate) struct LineIndex<'a> {
    source: &'a str,
    starts: Vec<usize>,
}

impl<'a> LineIndex<'a> {
    pub(crate) fn new(source: &'a str) -> Self {
        let starts = std::iter::once(0).chain(source.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { source, starts }
    }

    /// The number of the line (from 0) that holds this byte.
    pub(crate) fn line_of(&self, byte: usize) -> usize {
        self.starts.partition_point(|start| *start <= byte).saturating_sub(1)
    }

    /// The bytes of a line (from 0), without its end.
    pub(crate) fn line(&self, number: usize) -> Range<usize> {
        let start = self.starts.get(number).copied().unwrap_or(self.source.len());
        let end = self.starts.get(number + 1).copied().unwrap_or(self.source.len());
        let text = self.source.get(start..end).unwrap_or_default();
        start..start + text.trim_end_matches(['\n', '\r']).len()
    }

    pub(crate) fn count(&self) -> usize {
        self.starts.len()
    }

    pub(crate) fn span(&self, range: &Range<usize>) -> Span {
        let start = floor(self.source, range.start);
        let end = floor(self.source, range.end).max(start);
        let line = self.line_of(start);
        let before = self.source.get(self.starts.get(line).copied().unwrap_or(0)..start).unwrap_or_default();
        let column = before.trim_start_matches('\u{feff}').chars().count() + 1;
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Span { line: number(line + 1), column: number(column), start, end }
    }
}

/// The last character boundary at or before a byte.
fn floor(text: &str, byte: usize) -> usize {
    let mut byte = byte.min(text.len());
    while !text.is_char_boundary(byte) {
        byte -= 1;
    }
    byte
}

/// The most characters of a document that a message quotes.
const MAX_QUOTED: usize = 60;

/// Document text for use within a message: in backquotes, on one line, bounded.
pub(crate) fn quoted(text: &str) -> String {
    oomguard_text::quoted(text, MAX_QUOTED)
}

/// A message, which may hold document text, on one line.
pub(crate) fn visible(text: &str) -> String {
    oomguard_text::shown(text, usize::MAX)
}

/// The candidate that a word was probably meant to be.
pub(crate) fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let word: String = word.chars().take(64).collect::<String>().to_lowercase();
    // A shortened word (`prio`) is as good as one with a slip.
    let far = |candidate: &str| match candidate.to_lowercase() {
        full if word.len() >= 3 && full.starts_with(&word) => 1,
        full => distance(&word, &full),
    };
    candidates
        .into_iter()
        .map(|candidate| (far(candidate), candidate))
        .filter(|(far, candidate)| *far <= (candidate.chars().count().max(word.chars().count()) / 3).max(1))
        .min_by_key(|(far, _)| *far)
        .map(|(_, candidate)| candidate)
}

/// How many single letters to add, drop, change or swap with their neighbour (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut previous = None;
    for (i, x) in a.chars().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut best = (last[j] + usize::from(x != *y)).min(last[j + 1] + 1).min(row[j] + 1);
            if j > 0 && previous == Some(*y) && b[j - 1] == x {
                best = best.min(before_last[j - 1] + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
        previous = Some(x);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_finds_the_word_behind_a_typo() {
        let keys = ["swap", "swappiness", "oom_protection", "alerts"];
        assert_eq!(nearest("swapiness", keys), Some("swappiness"));
        assert_eq!(nearest("sawp", keys), Some("swap"));
        assert_eq!(nearest("Alert", keys), Some("alerts"));
        assert_eq!(nearest("kubernetes", keys), None);
    }

    #[test]
    fn columns_count_characters_and_skip_the_byte_order_mark() {
        let lines = LineIndex::new("\u{feff}a\néé x\r\n");
        assert_eq!((lines.span(&(3..4)).line, lines.span(&(3..4)).column), (1, 1));
        assert_eq!((lines.span(&(10..11)).line, lines.span(&(10..11)).column), (2, 4));
        assert_eq!(lines.line(1), 5..11);
    }
}
