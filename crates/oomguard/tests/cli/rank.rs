//! `oomguard rank`.

use std::process::Stdio;

use crate::hosts::Folder;
use crate::run::{oomguard, run, start};

/// The names in the order that is reported.
fn names(report: &serde_json::Value) -> Vec<String> {
    let order = report["order"].as_array().unwrap();
    order.iter().map(|rank| rank["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn as_things_are_and_as_the_policy_means_it() {
    let host = Folder::fresh();
    let now = host.run(&["rank", "--format", "json"]).exits(0).quietly().json();
    assert_eq!((now["schema"].as_str(), now["policy"].is_null()), (Some("oomguard.rank/1"), true));
    assert_eq!(names(&now), ["(sd-pam)", "systemd", "bash", "tmux: server"]);
    assert_eq!(now["never"][0]["name"], "systemd");
    assert_eq!(
        now["order"][0]["oom_score"], 737,
        "100 of 1000 for its score, 6 for its 6.7 MiB of 1 GiB; and two thirds of it all"
    );

    let meant = host.run(&["rank", "--role", "ci", "--format", "json"]).exits(0).json();
    assert_eq!(names(&meant), ["bash", "tmux: server", "(sd-pam)", "systemd"]);
    let tmux = &meant["order"][1];
    assert_eq!((tmux["score"].as_i64(), tmux["score_now"].as_i64()), (Some(-800), Some(0)));
    assert_eq!(tmux["place_now"], 4);
    assert!(tmux["why"].as_str().unwrap().contains("by the policy's tmux_sessions; now 0"), "{tmux}");
}

/// It has ended when somebody reads who would be killed.
#[test]
fn who_asks_is_not_in_the_order() {
    let child = start(oomguard(["rank", "--format", "json"]).stdout(Stdio::piped()));
    let own = child.id();
    let ranking: serde_json::Value =
        serde_json::from_slice(&child.wait_with_output().unwrap().stdout).unwrap();
    let order = ranking["order"].as_array().unwrap();
    assert!(
        order.iter().any(|rank| rank["pid"] == std::process::id()),
        "this test is a process of this machine"
    );
    assert!(order.iter().all(|rank| rank["pid"] != own));
}

#[test]
fn a_load_is_killed_until_it_fits() {
    let host = Folder::good();
    host.memory(4 << 20);
    let report =
        host.run(&["rank", "--add", "rustc:1.5GB*4", "--add", "ld:64MB", "--format", "json"]).exits(0).json();
    assert_eq!(names(&report)[..5], ["rustc", "rustc", "rustc", "rustc", "ld"]);
    // 6,208 MiB are wanted and 3,686 available: two of them have to go.
    let dead = report["order"].as_array().unwrap().iter().filter(|rank| rank["dies"] == true).count();
    assert_eq!(dead, 2);
    assert_eq!(report["short_by"].as_u64().unwrap() >> 20, 2521);
    host.run(&["rank", "--add", "rustc:1.5GB*4"])
        .exits(0)
        .prints("2 processes of the load would be killed, and nothing else");
    // One that is expendable goes before them, however small.
    host.0.process(900, 801, "cc1", 900, "/user.slice/user-1000.slice/session-3.scope");
    host.run(&["rank", "--add", "rustc:1.5GB*4"]).prints(
        "   1     900 cc1                 7.5 MiB        0 B   900  session-3.scope      killed: expendable:",
    );
}

#[test]
fn a_load_that_cannot_be_read_says_where() {
    run(["rank", "--add", "rustc:3XB*8"])
        .exits(64)
        .complains("unknown unit `XB`; use B, KB, MB, GB or TB")
        .complains("rustc:3XB*8\n        ^^^");
    run(["rank", "--add", "rustc"]).exits(64).complains("the size is missing");
}

#[test]
fn check_ends_with_the_first_line_of_rank() {
    let host = Folder::good();
    let check = host.run(&["check", "--format", "json"]).json();
    let rank = host.run(&["rank", "--format", "json"]).json();
    assert_eq!(check["dies_first"]["pid"], rank["order"][0]["pid"]);
    // A process that started later goes first of two that are alike.
    host.0.process(802, 800, "bash", 0, "/user.slice/user-1000.slice/session-3.scope");
    host.0.write("/proc/802/status", &host.0.read("/proc/801/status"));
    assert_eq!(host.run(&["check", "--format", "json"]).json()["dies_first"]["pid"], 802);
    assert_eq!(host.run(&["rank", "--format", "json"]).json()["order"][0]["pid"], 802);
}
