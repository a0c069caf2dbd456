//! Shell scripts of this repository: `shellcheck` has nothing to say about them.
//!
//! `cargo xtask test` installs it.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // Helpers of tests are tests, too.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// What shellcheck says of a script, and whether it is content.
fn shellcheck(shell: &str, text: &[u8]) -> (bool, String) {
    let mut child = Command::new("shellcheck")
        .args(["--shell", shell, "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("shellcheck is not installed: `apt-get install shellcheck`, or `cargo xtask test`, which installs it");
    child.stdin.take().unwrap().write_all(text).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn shellcheck_finds_nothing() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let (bad, _) = shellcheck("sh", b"#!/bin/sh\n[[ $1 == a ]] && cd $1\n");
    assert!(!bad, "shellcheck finds nothing in a bad script");
    let mut seen = 0;
    for (path, shell) in
        [("tools", "sh"), (".ci", "bash"), ("crates/lab/src", "sh"), ("integrations/debian", "sh")]
    {
        for entry in std::fs::read_dir(root.join(path)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension == "sh") && path.is_file() {
                let (good, said) = shellcheck(shell, &std::fs::read(&path).unwrap());
                assert!(good, "{}:\n{said}", path.display());
                seen += 1;
            }
        }
    }
    assert!(seen >= 6, "only {seen} scripts were found");
}
