//! `oomguard events`: what the agent has seen.

use oomguard_agent::event::{Constraint, Ending, Entry, Event};
use oomguard_agent::event_log::{EventLog, PATH};

use crate::hosts::Folder;

const KILLED_AT: u64 = 1_769_177_106_789;

/// A host on which the OOM killer has struck.
pub fn killed() -> Folder {
    let host = Folder::fresh();
    let mut log = EventLog::new(host.0.host.clone());
    let kill = Event::OomKill {
        pid: 812,
        comm: "rustc".into(),
        uid: Some(1000),
        score: Some(0),
        rss_bytes: Some(3 << 30),
        constraint: Constraint::Global,
        limited_cgroup: None,
        cgroup: Some("/user.slice/user-1000.slice/session-3.scope".into()),
    };
    let died = Event::ProtectedProcessDied {
        pid: 800,
        comm: "tmux: server".into(),
        unit: Some("session-3.scope".into()),
        score: -800,
        ending: Ending::OomKilled,
    };
    let high = Event::PressureHigh { full_avg60_percent: 12.5, above_percent: 10 };
    for (event, at) in [(high, KILLED_AT - 4539), (kill, KILLED_AT), (died, KILLED_AT + 11)] {
        log.append(&Entry::new(event, at)).unwrap();
    }
    host
}

#[test]
fn as_a_table_and_as_json() {
    let host = killed();
    host.run(&["events"]).exits(0).quietly().matches("events/killed.txt");
    let json = host.run(&["events", "--format", "json"]).exits(0).quietly().json();
    assert_eq!(json["schema"], "oomguard.events/1");
    assert_eq!(json["events"][1]["pid"], 812);
    assert_eq!(json["events"][2]["ending"], "oom_killed");
    assert_eq!(json["unreadable_lines"], 0);
}

#[test]
fn a_part_of_it() {
    let host = killed();
    let count = |args: &[&str]| {
        let args: Vec<&str> = ["events", "--format", "json"].iter().chain(args).copied().collect();
        host.run(&args).exits(0).json()["events"].as_array().unwrap().len()
    };
    assert_eq!(count(&["--kind", "oom_kill"]), 1);
    assert_eq!(count(&["--since", "2026-01-23T14:05:06.789Z"]), 2);
    assert_eq!(count(&["--since", "2026-01-23T14:05:06.789Z", "--kind", "pressure_high"]), 0);
    assert_eq!(count(&["--since", "1m"]), 0, "it was long ago");
    assert_eq!(count(&["--since", "36500d"]), 3);
    host.run(&["events", "--kind", "leak_fixed"]).exits(0).quietly().prints("No such events");
}

#[test]
fn a_host_without_events() {
    let host = Folder::fresh();
    host.run(&["events"]).exits(0).quietly().prints("No events on this host");
    assert_eq!(host.run(&["events", "--format", "json"]).json()["events"], serde_json::json!([]));
}

#[test]
fn what_is_no_time_and_no_kind_is_wrong_usage() {
    let host = killed();
    host.run(&["events", "--since", "yesterday\u{1b}[2J"]).exits(64).complains("`15m`");
    host.run(&["events", "--kind", "oomkill"]).exits(64).complains("oom_kill");
}

#[test]
fn a_log_that_somebody_broke() {
    let host = killed();
    host.0.host.append(PATH, b"nonsense\n{\"kind\":\"agent_stopped\"}\n", 0o640).unwrap();
    host.0.host.append(PATH, b"{\"schema\":\"oomguard.event/1\",\"time\":\"\\u001b[2J\",\"level\":\"info\",\"message\":\"a\\u001b[2J\",\"kind\":\"agent_stopped\"}\n", 0o640).unwrap();
    let ran =
        host.run(&["events"]).exits(0).prints("2 lines of the log could not be read.").prints("(no time)");
    assert!(!ran.out.contains('\u{1b}'), "{}", ran.out);
    host.make_unreadable(PATH);
    host.run(&["events"]).exits(1).complains(PATH);
}
