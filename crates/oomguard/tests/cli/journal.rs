//! `oomguard journal`: what was applied and undone.

use crate::hosts::Folder;

#[test]
fn a_host_on_which_nothing_was_applied() {
    let host = Folder::fresh();
    host.run(&["journal"]).exits(0).quietly().matches("journal/none.txt");
    assert_eq!(host.run(&["journal", "list", "--format", "json"]).exits(0).json(), serde_json::json!([]));
}

#[test]
fn applied_and_undone() {
    let host = Folder::good();
    let list = host.run(&["journal", "list"]).exits(0).quietly().matches("journal/applied.txt");
    assert_eq!(host.run(&["journal"]).out, list.out, "`list` is what it does when nothing is said");
    let id = list.out.split_whitespace().next().unwrap().to_owned();
    host.run(&["journal", "show", &id]).exits(0).quietly().matches("journal/show.txt");

    let entry = host.run(&["journal", "show", &id, "--format", "json"]).exits(0).json();
    assert_eq!(entry["record"]["id"], id.as_str());
    host.roll_back();
    host.run(&["journal"]).exits(0).quietly().matches("journal/undone.txt");
}

#[test]
fn an_id_that_does_not_exist_is_wrong_usage() {
    let host = Folder::good();
    for id in ["2026", "../../etc", "", "x\u{1b}[2J"] {
        let ran = host.run(&["journal", "show", id]).exits(64);
        assert!(ran.out.is_empty() && !ran.err.contains('\u{1b}'), "{:?}", ran.err);
    }
}

#[test]
fn a_record_that_somebody_broke_is_named() {
    let host = Folder::good();
    let dir = host.0.real("/var/lib/oomguard/journal");
    let entry = std::fs::read_dir(dir).unwrap().next().unwrap().unwrap().path();
    for file in std::fs::read_dir(&entry).unwrap() {
        let path = file.unwrap().path();
        std::fs::write(path, "{\"cut").unwrap();
    }
    let ran = host.run(&["journal"]).exits(1);
    assert!(ran.err.contains("/var/lib/oomguard/journal/"), "{}", ran.err);
}
