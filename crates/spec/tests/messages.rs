//! What messages look like.
#![allow(clippy::panic, clippy::unwrap_used)] // Helpers of tests are tests, too.

use oomguard_spec::{PolicyError, Style, read, render};

fn rejected(text: &str) -> String {
    match read("site.cspec", text.as_bytes()) {
        Err(rejected) => rejected.render(Style::Plain),
        Ok(_) => panic!("was read: {text}"),
    }
}

fn invalid(text: &str) -> String {
    let document = read("site.cspec", text.as_bytes()).unwrap();
    match document.policy(None) {
        Err(PolicyError::Invalid { diagnostics, .. }) => document.render(&diagnostics, Style::Plain),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_key_with_two_values() {
    insta::assert_snapshot!(rejected("status: done\n\n\n# far away\nstatus: open\n"));
}

#[test]
fn a_size_with_a_space() {
    insta::assert_snapshot!(invalid("memory_config:\n  swap:\n    size: 32 GB  # half\n  swapiness: 10\n"));
}

#[test]
fn a_tab() {
    insta::assert_snapshot!(rejected("swap:\n\tsize: 32GB\n"));
}

#[test]
fn a_document_that_is_too_long_has_no_excerpt() {
    insta::assert_snapshot!(rejected(&"a".repeat(2 << 20)));
}

#[test]
fn long_line_is_cut_around_the_error() {
    let text = format!("a: 1\nmemory_config: {{note: {}, swappiness: 10}}\n", "x".repeat(5000));
    let shown = invalid(&text);
    assert!(shown.lines().all(|line| line.chars().count() < 180), "{shown}");
    let text = format!("memory_config: {{swap: {{file: {}}}, swappiness: 1000}}\n", "x".repeat(5000));
    let shown = invalid(&text);
    assert!(shown.lines().all(|line| line.chars().count() < 180), "{shown}");
    assert!(shown.contains("site.cspec:1:5045"), "{shown}");
}

#[test]
fn messages_escape_control_characters_of_the_document() {
    let text = "memory_config:\n  swap: {size: \"\\e[31m1GB\", file: \"/\\u202Ex\"}\n  \"\\e]0;\\a\": 1\n";
    for shown in [invalid(text), rejected("a: \x1b[2J\n"), rejected("a\u{202e}: 1\na\u{202e}: 2\n")] {
        assert!(!shown.contains(|c: char| c.is_control() && c != '\n'), "{shown:?}");
        assert!(!shown.contains('\u{202e}'), "{shown:?}");
    }
    let document = read("\u{1b}[31m.cspec", b"a: 1\na: 1\n").unwrap();
    assert!(!document.render(document.diagnostics(), Style::Plain).contains('\u{1b}'));
    assert!(render("x", "", document.diagnostics(), Style::Colour).contains('\u{1b}'));
}
