//! `oomguard plan`, and what `apply` and `rollback` say before they would change anything.
//!
//! No test here lets `apply` get as far as a change: that is what the folders of `converge` and the lab are for.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::hosts::Folder;
use crate::run::{Ran, open_dir, powerless};

#[test]
fn a_fresh_host() {
    let ran = Folder::fresh().run(&["plan"]).exits(2).quietly();
    // The digest holds what the folder's own owner and disk make of it.
    let (text, digest) = ran.out.split_once("Digest ").unwrap();
    let (digest, next) = digest.split_once('\n').unwrap();
    assert!(digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()), "{digest}");
    crate::run::snapshot("plan/fresh.txt", &format!("{text}Digest [DIGEST]\n{next}"));
}

#[test]
fn a_good_host() {
    Folder::good().run(&["plan"]).exits(0).quietly().matches("plan/good.txt");
}

#[test]
fn the_same_host_gives_the_same_digest() {
    let host = Folder::fresh();
    let digest = |ran: Ran| ran.json()["digest"].as_str().unwrap().to_owned();
    let first = digest(host.run(&["plan", "--format", "json"]));
    assert_eq!(first, digest(host.run(&["plan", "--format", "json"])));
    assert_ne!(first, digest(host.run(&["plan", "--format", "json", "--role", "ci"])));
}

#[test]
fn one_change_is_not_a_plural() {
    let host = Folder::good();
    host.0.write("/proc/sys/vm/swappiness", "60\n");
    host.run(&["plan"])
        .exits(2)
        .prints("\n1 change in 1 step. Digest ")
        .prints("`sudo oomguard apply` does it.");
}

#[test]
fn a_refused_plan() {
    let host = Folder::fresh();
    host.0.write("/run/systemd/container", "lxc\n");
    host.0.write("/var/lib/kubelet/config.yaml", "kind: KubeletConfiguration\n");
    let ran = host.run(&["plan"]).exits(2).prints("\nRefused: this is a container (lxc)");
    assert!(ran.out.ends_with("`apply` would change nothing until this is settled.\n"), "{}", ran.out);
    let refusals = host.run(&["plan", "--format", "json"]).json()["refusals"].clone();
    assert!(!refusals.as_array().unwrap().is_empty());
}

#[test]
fn swaps_that_cannot_be_read_are_refused_and_named() {
    let host = Folder::good();
    host.make_unreadable("/proc/swaps");
    host.run(&["plan"]).exits(2).prints("Refused: ").complains("Cannot be read:\n  /proc/swaps: ");
}

/// A plan of a fresh host in a file.
fn saved() -> (TempDir, PathBuf) {
    let dir = open_dir();
    let path = dir.path().join("plan.json");
    Folder::fresh().run(&["plan", "-o", path.to_str().unwrap()]).exits(2).prints(" does it.");
    (dir, path)
}

/// `apply` of this plan, by a user who could not change the machine even if the plan were taken.
fn refused(path: &Path, says: &str) {
    if let Some(ran) = powerless(&["apply", "--yes", path.to_str().unwrap()]) {
        let ran = ran.exits(1).complains(says);
        assert_eq!(ran.out, "");
    }
}

#[test]
fn a_saved_plan_is_the_plan() {
    let host = Folder::fresh();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("plan.json");
    let shown = path.to_str().unwrap();
    host.run(&["plan", "--output", shown])
        .exits(2)
        .prints(&format!("`sudo oomguard apply {shown}` does it."));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), host.run(&["plan", "--format", "json"]).out);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "a stray file is left");
}

#[test]
fn a_plan_is_not_saved_through_a_link_that_somebody_laid() {
    let dir = tempfile::tempdir().unwrap();
    let (path, theirs) = (dir.path().join("plan.json"), dir.path().join("theirs"));
    std::fs::write(&theirs, "precious").unwrap();
    std::os::unix::fs::symlink(&theirs, &path).unwrap();
    Folder::fresh().run(&["plan", "-o", path.to_str().unwrap()]).exits(2);
    assert_eq!(std::fs::read_to_string(&theirs).unwrap(), "precious");
    assert!(path.symlink_metadata().unwrap().is_file());
}

#[test]
fn a_plan_that_cannot_be_saved_is_an_error_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    for path in [inner.clone(), dir.path().join("no/plan.json")] {
        let shown = path.to_str().unwrap();
        let ran = Folder::fresh().run(&["plan", "-o", shown]).exits(1);
        ran.complains(&format!("error: cannot save the plan as {shown}: "));
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    assert_eq!(std::fs::read_dir(inner).unwrap().count(), 0);
}

#[test]
fn a_plan_that_somebody_changed_is_refused() {
    let (_dir, path) = saved();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("pri=10", "pri=11")).unwrap();
    refused(&path, "plan.json: the plan was edited");
}

#[test]
fn what_is_no_plan_is_refused() {
    let (dir, path) = saved();
    let text = std::fs::read_to_string(&path).unwrap();
    let other = dir.path().join("other.json");
    for (content, says) in [
        (&text[..text.len() / 2], "not an oomguard plan"),
        ("", "not an oomguard plan"),
        ("{}", "not an oomguard plan (no `schema`)"),
        ("\0\u{1}\u{2}", "not an oomguard plan"),
        (&"[".repeat(10_000), "not an oomguard plan"),
        (&text.replace("oomguard.plan/2", "oomguard.plan/1"), "the plan's schema is oomguard.plan/1"),
        (&text.replacen("\"digest\"", "\"extra\": 1, \"digest\"", 1), "not an oomguard plan"),
    ] {
        std::fs::write(&other, content).unwrap();
        refused(&other, &format!("other.json: {says}"));
    }
    refused(&dir.path().join("missing.json"), "missing.json: No such file");
    refused(dir.path(), "Is a directory");
}

#[test]
fn a_folder_is_never_changed() {
    let host = Folder::fresh();
    let (_dir, path) = saved();
    for args in [&["apply", "--yes"][..], &["rollback", "--yes"], &["apply", path.to_str().unwrap()]] {
        host.run(args).exits(64).complains("unexpected argument '--root'");
    }
}

#[test]
fn only_root_may_change_a_host() {
    for args in [["apply", "--yes"], ["rollback", "--yes"]] {
        match powerless(&args) {
            Some(ran) => {
                assert_eq!(ran.exits(1).err, "error: only root may change this host; run it with sudo\n");
            }
            None => return,
        }
    }
}
