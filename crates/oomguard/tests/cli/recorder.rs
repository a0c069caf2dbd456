//! `oomguard recorder`.

use oomguard_agent::recorder::Recorder;

use crate::hosts::Folder;
use crate::run::{on, run};

const FILE: &str = "/var/lib/oomguard/recorder";
const BOOTS: [&str; 2] = ["5d0f7a2c-0000-4000-8000-000000000001", "5d0f7a2c-0000-4000-8000-000000000002"];

/// A host on which two boots were recorded, three records each.
fn recorded() -> Folder {
    let host = Folder::fresh();
    for pid in [700, 800, 801] {
        host.0.write(&format!("/proc/{pid}/statm"), &format!("9000 {pid}0 0 0 0 0 0\n"));
    }
    std::fs::create_dir_all(host.0.real("/var/lib/oomguard")).unwrap();
    for boot in BOOTS {
        let (mut recorder, _) = Recorder::open(&host.0.host, FILE, boot).unwrap();
        for _ in 0..3 {
            recorder.sample(&host.0.host).unwrap();
        }
    }
    host
}

/// The bytes of a recorder's file with both boots.
pub fn recording() -> Vec<u8> {
    std::fs::read(recorded().0.real(FILE)).unwrap()
}

#[test]
fn two_boots_for_a_person_and_for_a_program() {
    let host = recorded();
    let ran = on(&host.root(), &["recorder", "show"]).exits(0).quietly();
    for boot in BOOTS {
        assert!(
            ran.out
                .contains(&format!("Boot {boot}: 2026-09-21T14:13:20Z to 2026-09-21T14:13:20Z, 3 records"))
        );
    }
    ran.prints("921.6 MiB").prints("tmux: server").prints("session-3.scope");

    let report = on(&host.root(), &["recorder", "show", "--format", "json"]).exits(0).json();
    crate::schema::conforms("recorder", &report);
    assert_eq!(report["boots"][1]["records"][2]["number"], 6);
    assert_eq!(report["boots"][0]["records"][0]["memory"]["total"], 1 << 30);
}

#[test]
fn since() {
    let host = recorded();
    let show = |since: &str| on(&host.root(), &["recorder", "show", "--since", since]);
    show("2026-09-21T14:13:20Z").exits(0).prints("3 records");
    show("2026-09-21T14:13:21Z").exits(0).prints("Nothing was recorded in that time.");
    show("yesterday").exits(64).complains("--since: `yesterday` is not a time");
}

#[test]
fn what_is_no_recording_is_said() {
    let host = Folder::fresh();
    on(&host.root(), &["recorder", "show"]).exits(1).complains("no recording: /var/lib");
    run(["recorder", "show", "--file", "Cargo.toml"])
        .exits(1)
        .complains("Cargo.toml is not a recording: it does not begin");
    run(["recorder", "show", "--file", "/nowhere"]).exits(1).complains("cannot read /nowhere");
}

#[test]
fn recording_is_for_a_live_machine() {
    let host = Folder::fresh();
    on(&host.root(), &["recorder", "run", "--for", "1s"]).exits(64).complains("unexpected argument '--root'");
    run(["recorder", "run", "--for", "soon"]).exits(64).complains("`soon` is not a duration");
}
