//! `spec fmt`: the same data, every comment, and strict YAML.
#![allow(clippy::panic, clippy::unwrap_used)] // Helpers of tests are tests, too.

use oomguard_spec::read;

const NOTES: &str = include_str!("documents/notes.cspec");
const UNTIDY: &str = include_str!("documents/untidy.cspec");

fn fmt(text: &str) -> String {
    read("test.cspec", text.as_bytes()).unwrap_or_else(|rejected| panic!("{rejected}")).to_strict_yaml()
}

/// What a strict parser that is not ours makes of a text.
fn strictly(text: &str) -> serde_json::Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

#[test]
fn formatting_keeps_the_data_and_is_strict_yaml() {
    for text in [NOTES, UNTIDY] {
        let document = read("test.cspec", text.as_bytes()).unwrap();
        let strict = document.to_strict_yaml();
        assert_eq!(strictly(&strict), document.to_json());
        assert_eq!(read("again.cspec", strict.as_bytes()).unwrap().diagnostics(), []);
        assert_eq!(fmt(&strict), strict);
    }
}

#[test]
fn formatting_keeps_comments_and_blank_lines() {
    for text in [NOTES, UNTIDY] {
        let strict = fmt(text);
        let comments = |text: &str| text.lines().filter(|line| line.contains('#')).count();
        assert_eq!(comments(&strict), comments(text));
        let blank = |text: &str| text.lines().filter(|line| line.trim().is_empty()).count();
        assert_eq!(blank(&strict), blank(text));
    }
}

#[test]
fn an_untidy_document_is_tidied() {
    insta::assert_snapshot!(fmt(UNTIDY));
}

#[test]
fn formatting_changes_only_what_is_not_strict() {
    let strict = fmt(NOTES);
    let changed: Vec<_> = NOTES.lines().filter(|line| !strict.lines().any(|kept| kept == *line)).collect();
    assert_eq!(
        changed,
        [
            "  - updated: \"How it works\" chapter",
            "  - updated: 'It''s new' chapter  # with a remark",
            "  - renamed: \"Old name\" -> \"New name\"",
        ]
    );
}

/// Some readers take them for a null, a number or a truth, and one refuses to have such a key at all.
#[test]
fn ambiguous_keys_are_quoted() {
    let strict = fmt("~: 1\n2: null\nb: {true: ~, 1.5: x, c: 3}\n");
    assert_eq!(strict, "'~': 1\n'2': null\nb: {'true': ~, '1.5': x, c: 3}\n");
}

#[test]
fn ambiguous_values_are_quoted() {
    let strict = fmt("a: yes\nb: [off, 010, 1:30, 2026-01-23, 10, x]\non: {n: 1e3}\n");
    assert_eq!(strict, "a: 'yes'\nb: ['off', '010', '1:30', 2026-01-23, 10, x]\n'on': {'n': '1e3'}\n");
}

#[test]
fn duplicate_pair_is_removed_and_its_comments_stay() {
    let text = "a: 1\nm:\n  b: {x: 1, z: 2, x: 1}\n  c:\n    - 1  # one\n  c:  # again\n    # of these\n    - 1\n\na: 1  # last\n";
    let strict = "a: 1\nm:\n  b: {x: 1, z: 2}\n  c:\n    - 1  # one\n  # again\n  # of these\n\n# last\n";
    assert_eq!(fmt(text), strict);
}

#[test]
fn document_is_rewritten_if_an_edit_would_change_other_data() {
    let text = "a: |+\n  x\nb: 1\nb: 1\n\nc: 2\n";
    assert_eq!(strictly(&fmt(text)), serde_json::json!({"a": "x\n", "b": 1, "c": 2}));
    let text = "b: 1\na: |+\n  x\nb: 1\n\nc: 2\n";
    assert_eq!(strictly(&fmt(text)), serde_json::json!({"a": "x\n", "b": 1, "c": 2}));
    let text = "a: {b: 1, # why\n  b: 1}\n";
    assert_eq!(strictly(&fmt(text)), serde_json::json!({"a": {"b": 1}}));
}

#[test]
fn block_scalars_are_not_reformatted() {
    let text = "a: |\n  yes  \n  \"b\" c\t\n\n    d: on\nb: >-\n  no\n";
    assert_eq!(fmt(text), text);
}

#[test]
fn each_level_gets_two_spaces() {
    let text = "a:\n    # of b\n    b:\n        -   c: 1\n            d: |\n              x\n               y\n        # of e\n        -   e  # end\n\
                f:\n- g: [1,\n     2]\n  h: two\n     lines\n# last\n";
    let tidy = "a:\n  # of b\n  b:\n    - c: 1\n      d: |\n        x\n         y\n    # of e\n    - e  # end\n\
                f:\n- g: [1,\n     2]\n  h: two\n     lines\n# last\n";
    assert_eq!(fmt(text), tidy);
    assert_eq!(fmt(tidy), tidy);
}
