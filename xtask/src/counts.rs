//! Counts tests from the summary lines of test runners.

use std::fmt;
use std::ops::AddAssign;

/// The results of a test run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Passed.
    pub passed: u64,
    /// Failed in any way.
    pub failed: u64,
    /// Did not run.
    pub skipped: u64,
}

impl Counts {
    /// The number of tests that ran.
    #[must_use]
    pub fn run(self) -> u64 {
        self.passed + self.failed
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// nextest: `Summary [   0.3s] 3/4 tests run: 1 passed (1 slow), 1 failed, 1 timed out, 2 skipped`.
///
/// Its count of skipped tests is ignored: it omits binaries that the expression excludes.
#[must_use]
pub fn nextest(line: &str) -> Option<Counts> {
    let line = without_colour(line);
    let (_, summary) = line.trim_start().strip_prefix("Summary [")?.split_once(']')?;
    let (run, results) = summary.split_once(" run: ")?;
    // `3/4`: three of four ran before the run was stopped.
    let run: u64 = run.split_whitespace().next()?.split('/').next()?.parse().ok()?;
    let passed = before(results, "passed").unwrap_or(0);
    Some(Counts { passed, failed: run.checked_sub(passed)?, skipped: 0 })
}

/// The number of tests in the output of `cargo nextest list --message-format json`.
#[must_use]
pub fn listed(json: &[u8]) -> Option<u64> {
    let list: serde_json::Value = serde_json::from_slice(json).ok()?;
    let suites = list["rust-suites"].as_object()?.values();
    Some(suites.filter_map(|suite| suite["testcases"].as_object()).map(|cases| cases.len() as u64).sum())
}

/// libtest, for doc tests: `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; ...`.
#[must_use]
pub fn libtest(line: &str) -> Option<Counts> {
    let line = without_colour(line);
    let results = line.trim_start().strip_prefix("test result: ")?;
    let skipped = before(results, "ignored")? + before(results, "filtered")?;
    Some(Counts { passed: before(results, "passed")?, failed: before(results, "failed")?, skipped })
}

/// The number before a word.
fn before(text: &str, word: &str) -> Option<u64> {
    let words: Vec<&str> =
        text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty()).collect();
    words.windows(2).find(|pair| pair[1] == word)?[0].parse().ok()
}

/// Strips color escapes (`ESC [ ... letter`).
fn without_colour(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            chars.by_ref().skip(1).find(char::is_ascii_alphabetic);
        } else {
            plain.push(c);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(passed: u64, failed: u64, skipped: u64) -> Option<Counts> {
        Some(Counts { passed, failed, skipped })
    }

    #[test]
    fn nextest_summaries_are_counted() {
        let cases = [
            ("     Summary [   0.007s] 4 tests run: 4 passed, 0 skipped", counts(4, 0, 0)),
            ("     Summary [   0.007s] 1 test run: 1 passed, 12 skipped", counts(1, 0, 0)),
            (
                "Summary [61.2s] 9 tests run: 5 passed (1 slow, 2 leaky), 3 failed, 1 timed out, 2 skipped",
                counts(5, 4, 0),
            ),
            ("Summary [ 1s] 3/10 tests run: 2 passed, 1 failed, 5 skipped", counts(2, 1, 0)),
            ("Summary [ 1s] 2 tests run: 0 passed, 2 exec failed, 0 skipped", counts(0, 2, 0)),
            (
                "\u{1b}[32;1m     Summary\u{1b}[0m [   1.0s] \u{1b}[1m2\u{1b}[0m tests run: \u{1b}[1m2\u{1b}[0m \u{1b}[32;1mpassed\u{1b}[0m, \u{1b}[1m7\u{1b}[0m \u{1b}[33;1mskipped\u{1b}[0m",
                counts(2, 0, 0),
            ),
            ("        PASS [   0.006s] xtask Summary", None),
            ("test result: ok. 1 passed; 0 failed", None),
            ("Summary [", None),
        ];
        for (line, expected) in cases {
            assert_eq!(nextest(line), expected, "{line}");
        }
    }

    #[test]
    fn libtest_summaries_are_counted() {
        let line =
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.10s";
        assert_eq!(libtest(line), counts(3, 0, 3));
        let line = "test result: \u{1b}[31mFAILED\u{1b}[0m. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s";
        assert_eq!(libtest(line), counts(1, 2, 0));
        assert_eq!(libtest("running 3 tests"), None);
    }

    #[test]
    fn listed_tests_are_counted() {
        let json = br#"{"rust-suites": {"a": {"testcases": {"x": {"ignored": true}, "y": {}}}, "b": {"testcases": {}}}}"#;
        assert_eq!(listed(json), Some(2));
        assert_eq!(listed(b""), None);
    }
}
