//! What is read, what is read with a warning, and what is refused, each with its place.
#![allow(clippy::panic, clippy::unwrap_used)] // Helpers of tests are tests, too.

use oomguard_spec::{Document, MAX_BYTES, Rejected, Severity, read};

fn good(text: &str) -> Document {
    read("test.cspec", text.as_bytes()).unwrap_or_else(|rejected| panic!("{rejected}"))
}

fn bad(bytes: &[u8]) -> Rejected {
    match read("test.cspec", bytes) {
        Err(rejected) => rejected,
        Ok(document) => panic!("read: {}", document.source()),
    }
}

/// Code and line of every message.
fn said(rejected: &Rejected) -> Vec<(&'static str, u32)> {
    rejected.diagnostics.iter().map(|d| (d.code, d.primary.line)).collect()
}

fn warned(document: &Document) -> Vec<(&'static str, u32, u32)> {
    document.diagnostics().iter().map(|d| (d.code, d.primary.line, d.primary.column)).collect()
}

#[test]
fn text_after_a_quoted_word_is_plain_text() {
    let document = good("a:\n  - updated: \"What it does\" section\n  - 'x' y  # z\nb: \"c\" d\ne: 1\n");
    assert_eq!(
        warned(&document),
        [("text-after-quote", 2, 14), ("text-after-quote", 3, 5), ("text-after-quote", 4, 4)]
    );
    let data =
        serde_json::json!({"a": [{"updated": "\"What it does\" section"}, "'x' y"], "b": "\"c\" d", "e": 1});
    assert_eq!(document.to_json(), data);
}

#[test]
fn locations_after_a_repaired_line_refer_to_the_source() {
    let document = good("é: \"it's\" é\nb: 1\nb: 1\n");
    assert_eq!(warned(&document), [("text-after-quote", 1, 4), ("repeated-key", 3, 1)]);
    assert_eq!(document.diagnostics()[1].primary.start, 19);
    let rejected = bad(b"a: \"it's\" b\nb: {x: 1\n");
    assert!(said(&rejected).contains(&("yaml", 2)), "{rejected}");
}

#[test]
fn text_that_only_looks_like_a_quoted_word_is_not_repaired() {
    let document = good(
        "x: \"q\" r\nt: |\n  k: \"a\" b\n  - \"c\" d\nf: >\n\n  \"e\" f\n# g: \"h\" i\np: one\n  \"j\" k\n",
    );
    assert_eq!(warned(&document), [("text-after-quote", 1, 4)]);
    assert_eq!(document.to_json()["t"], "k: \"a\" b\n- \"c\" d\n");
    assert_eq!(document.to_json()["f"], "\n\"e\" f\n");
    assert_eq!(document.to_json()["p"], "one \"j\" k");
}

#[test]
fn text_after_a_quoted_word_in_brackets_is_an_error() {
    for text in ["a: [\n  \"b\" c,\n  d]\n", "a: {\n  b: \"c\" d\n}\n", "a: \"b\",\n", "a: \"b\" c: d\n"] {
        assert!(bad(text.as_bytes()).diagnostics.iter().any(|d| d.code == "yaml"), "{text}");
    }
}

#[test]
fn a_repeated_key_with_the_same_value_is_a_warning() {
    let document = good("a: {x: [1, 2]}\nb: 2\na:\n  x:\n    - 1\n    - 2\n");
    assert_eq!(warned(&document), [("repeated-key", 3, 1)]);
    assert_eq!(document.diagnostics()[0].secondary[0].span.line, 1);
}

#[test]
fn a_repeated_key_with_another_value_is_an_error_that_shows_both() {
    let rejected = bad(b"a: 1\nb:\n  c: 1\n  d: 2\n  c: '1'\na: 2\n");
    assert_eq!(said(&rejected), [("repeated-key", 5), ("repeated-key", 6)]);
    assert_eq!(rejected.diagnostics[0].secondary[0].span.line, 3);
}

#[test]
fn every_broken_section_is_reported() {
    let rejected = bad(b"a:\n\tb: 1\nc: ok\nd: @x\ne:\n  f: 1\n g: 2\nc: other\n");
    assert_eq!(said(&rejected), [("yaml", 2), ("yaml", 4), ("yaml", 7), ("repeated-key", 8)]);
}

#[test]
fn malformed_documents_are_rejected() {
    assert_eq!(said(&bad(b"")), [("empty", 1)]);
    assert_eq!(said(&bad(b"# only\n# this\n")), [("empty", 1)]);
    assert_eq!(said(&bad(b"a: 1\n\0")), [("binary", 2)]);
    assert_eq!(said(&bad(b"a: 1\nb: \xff\n")), [("not-utf8", 2)]);
    assert_eq!(said(&bad(b"a: \"\x1b[31m\"\n")), [("control-character", 1)]);
    assert_eq!(said(&bad(b"- a\n- b\n")), [("not-a-mapping", 1)]);
    assert_eq!(said(&bad(b"a: 1\n---\nb: 2\n")), [("second-document", 2)]);
    assert_eq!(said(&bad(b"a: !!python/object x\n")), [("tag", 1)]);
    assert_eq!(said(&bad(b"a: 1\n<<: {b: 1}\n")), [("merge-key", 2)]);
    assert_eq!(said(&bad(b"[a]: 1\n")), [("complex-key", 1)]);
}

#[test]
fn size_and_depth_limits_are_enforced() {
    assert_eq!(said(&bad(&vec![b'a'; MAX_BYTES + 1])), [("too-long", 1)]);
    assert_eq!(said(&bad(&vec![b'a'; 100_000_000])), [("too-long", 1)]);
    let deep = format!("a: {}{}", "[".repeat(100), "]".repeat(100));
    assert_eq!(said(&bad(deep.as_bytes())), [("too-deep", 1)]);
    let mut blocks = String::new();
    for level in 0..100 {
        blocks.push_str(&format!("{}a:\n", " ".repeat(level)));
    }
    assert_eq!(bad(blocks.as_bytes()).diagnostics[0].code, "too-deep");
    let mut bomb = String::from("a: &a [x, x, x, x, x, x, x, x, x, x]\n");
    for (from, to) in "abcdefgh".chars().zip("bcdefghi".chars()) {
        bomb.push_str(&format!("{to}: &{to} [{}]\n", vec![format!("*{from}"); 10].join(", ")));
    }
    assert_eq!(bad(bomb.as_bytes()).diagnostics[0].code, "too-many-aliases");
    assert_eq!(said(&bad(b"a: &a [*a]\n")), [("alias-of-itself", 1)]);
    assert_eq!(said(&bad(b"a: *b\n")), [("unknown-alias", 1)]);
}

#[test]
fn alias_resolves_to_its_anchor() {
    assert_eq!(good("a: &x {b: 1}\nc: *x\n").to_json(), serde_json::json!({"a": {"b": 1}, "c": {"b": 1}}));
}

#[test]
fn hostile_megabytes_are_read_within_seconds() {
    let line = "- a: \"b\" c\n";
    let many_repairs = format!("x:\n{}", line.repeat((MAX_BYTES - 10) / line.len()));
    let many_keys = "a: 1\n".repeat(MAX_BYTES / 5);
    let many_errors = "a: @\n".repeat(MAX_BYTES / 5);
    let one_line = format!("a: \"{}\" b\n", "x".repeat(MAX_BYTES - 20));
    for text in [many_repairs, many_keys, many_errors, one_line] {
        let begun = std::time::Instant::now();
        let count = match read("big.cspec", text.as_bytes()) {
            Ok(document) => document.diagnostics().len(),
            Err(rejected) => rejected.render(oomguard_spec::Style::Plain).len().min(200),
        };
        assert!(count <= 200);
        assert!(begun.elapsed().as_secs() < 30, "{:.60}", text);
    }
}

#[test]
fn severities_sort_from_note_to_error() {
    assert!(Severity::Note < Severity::Warning && Severity::Warning < Severity::Error);
}
