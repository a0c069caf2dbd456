//! `oomguard incident`: files, standard input, forms, and what goes wrong.

use std::path::PathBuf;

use serde_json::Value;

use crate::hosts::Folder;
use crate::run::{oomguard, ran, repository, run, run_with_input};

fn log(name: &str) -> String {
    let path: PathBuf = repository().join("crates/incident/tests/data").join(name);
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_file_and_standard_input_are_the_same() {
    let path = log("5.10-tmpfs.iso.log");
    let bytes = std::fs::read(&path).unwrap();
    for format in ["human", "markdown", "html", "json", "cspec"] {
        let file = run(["incident", "--format", format, &path]).exits(0).quietly().out;
        let piped = run_with_input(&["incident", "--format", format, "-"], &bytes).exits(0).quietly().out;
        let file = file
            .replace(&path, "-")
            .replace(&path.replace('_', "\\_"), "-")
            .replace("FILE ", "")
            .replace(' ', "");
        // Markdown takes a dash at the beginning of a name for a list, so it is escaped.
        assert_eq!(file.replace("\\-", "-"), piped.replace(' ', "").replace("\\-", "-"), "{format}");
    }
}

#[test]
fn text_is_one_screen() {
    for entry in std::fs::read_dir(log("")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "log") {
            let screen = run(["incident", path.to_str().unwrap()]).exits(0).quietly().out;
            assert!(screen.lines().count() <= 24, "{screen}");
            assert!(screen.lines().all(|line| line.chars().count() <= 100), "{screen}");
        }
    }
}

#[test]
fn a_log_without_a_kill_is_no_error() {
    let said = run_with_input(&["incident", "-"], b"nothing\n").exits(0).quietly().out;
    assert_eq!(said, "no OOM kill in -\n");
    let json = run_with_input(&["incident", "--format", "json", "-"], b"").exits(0).quietly().json();
    assert_eq!(json["incidents"], Value::Array(Vec::new()));
    run_with_input(&["incident", "--format", "html", "-"], b"").exits(1).complains("no OOM kill in -");
}

#[test]
fn since_leaves_out_what_was_before() {
    let path = log("6.1-global-swap.iso.log");
    let count = |since: &str| {
        let json = run(["incident", "--format", "json", "--since", since, &path]).exits(0).quietly().json();
        json["incidents"].as_array().unwrap().len()
    };
    assert_eq!((count("2026-01-01"), count("2100-01-01 00:00")), (1, 0));
    run(["incident", "--since", "yesterday", &path])
        .exits(64)
        .complains("--since: `yesterday` is not a time");
}

#[test]
fn wrong_uses() {
    run(["incident", "/no/such/file"]).exits(1).complains("cannot read /no/such/file");
    run(["incident", "/tmp"]).exits(64).complains("/tmp is a directory");
    run(["incident", "--boot", "-1", "x"]).exits(64).complains("--boot");
    Folder::fresh().run(&["incident"]).exits(64).complains("unexpected argument '--root'");
}

#[test]
fn the_change_is_a_policy_that_plan_takes() {
    let document = run(["incident", "--format", "cspec", &log("5.10-global-no-swap.short.log")]).exits(0).out;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("i.cspec");
    std::fs::write(&path, document).unwrap();
    let path = path.to_str().unwrap();
    run(["spec", "check", path]).exits(0).quietly();
    let host = Folder::fresh();
    let mut plan = oomguard(["plan", "--spec", path]);
    let plan = ran(plan.arg("--root").arg(host.0.root()));
    assert!(plan.out.contains("create the swap file /swapfile"), "{}{}", plan.out, plan.err);
}
