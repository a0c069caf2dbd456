//! `oomguard history`: what was applied and undone.

use oomguard_converge::apply::Session;
use oomguard_converge::rollback::Rollback;
use oomguard_spec::{Builtin, builtin};

use crate::fixture::StopAfter;
use crate::hosts::Folder;
use crate::run::one_at_a_time;

#[test]
fn a_host_on_which_nothing_was_applied() {
    let host = Folder::fresh();
    host.run(&["history"]).exits(0).quietly().matches("history/none.txt");
    assert_eq!(host.run(&["history", "list", "--format", "json"]).exits(0).json(), serde_json::json!([]));
}

#[test]
fn applied_and_undone() {
    let host = Folder::good();
    let list = host.run(&["history", "list"]).exits(0).quietly().matches("history/applied.txt");
    assert_eq!(host.run(&["history"]).out, list.out, "`list` is the default");
    let id = list.out.split_whitespace().next().unwrap().to_owned();
    host.run(&["history", "show", &id]).exits(0).quietly().matches("history/show.txt");

    let entry = host.run(&["history", "show", &id, "--format", "json"]).exits(0).json();
    assert_eq!(entry["record"]["id"], id.as_str());
    host.roll_back();
    host.run(&["history"]).exits(0).quietly().matches("history/undone.txt");
}

#[test]
fn who_asked_for_it_is_kept() {
    let host = Folder::fresh();
    host.memory(64 << 10);
    let id = {
        let _alone = one_at_a_time();
        let policy = builtin::policy(Builtin::Workstation);
        let session = Session::open(&host.0.host, &policy, env!("CARGO_PKG_VERSION")).unwrap();
        let session = session.asked_by(Some("an assistant\nrollback, by nobody".to_owned()));
        let id = session.apply(&mut StopAfter(0)).unwrap().id.unwrap();
        host.0.show_scores();
        let undoing =
            Rollback::open(&host.0.host, None).unwrap().asked_by(Some("another\u{202e}".to_owned()));
        undoing.run(&mut StopAfter(0)).unwrap();
        id
    };
    let ran = host.run(&["history", "show", &id]).exits(0).quietly();
    let lines: Vec<&str> = ran.out.lines().filter(|line| line.starts_with("Requested: ")).collect();
    let [apply, rollback] = lines[..] else { panic!("{}", ran.out) };
    assert_eq!(apply, "Requested: apply, by an assistant\\x0arollback, by nobody");
    assert!(
        rollback.starts_with("Requested: rollback, by another") && !rollback.contains('\u{202e}'),
        "{rollback}"
    );
    let entry = host.run(&["history", "show", &id, "--format", "json"]).exits(0).json();
    assert_eq!(entry["asked"].as_array().unwrap().len(), 2, "{entry}");
}

#[test]
fn an_id_that_does_not_exist_is_wrong_usage() {
    let host = Folder::good();
    for id in ["2026", "../../etc", "", "x\u{1b}[2J"] {
        let ran = host.run(&["history", "show", id]).exits(64);
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
    let ran = host.run(&["history"]).exits(1);
    assert!(ran.err.contains("/var/lib/oomguard/journal/"), "{}", ran.err);
}
