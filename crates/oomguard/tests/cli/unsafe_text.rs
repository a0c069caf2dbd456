//! Characters that steer a terminal or turn a line around come from host names, processes, logs, inventories and
//! documents. No renderer lets them through, to a pipe neither.

use std::fs;

use proptest::prelude::*;

use crate::hosts::Folder;
use crate::run::{Ran, oomguard, ran};

/// Bidi overrides and isolates, zero-width characters, tags, controls of both blocks.
const UNSAFE: [&str; 14] = [
    "\u{202e}",
    "\u{202a}",
    "\u{2066}",
    "\u{2067}",
    "\u{2069}",
    "\u{200b}",
    "\u{200e}",
    "\u{feff}",
    "\u{e0041}",
    "\u{1b}[2J",
    "\u{7}",
    "\u{8}",
    "\u{7f}",
    "\u{9b}31m",
];

const SESSION: &str = "/user.slice/user-1000.slice/session-3.scope";

#[track_caller]
fn is_safe(what: &str, ran: &Ran) {
    for text in [&ran.out, &ran.err] {
        let found = text.chars().find(|c| *c != '\n' && *c != '\t' && oomguard_text::is_unsafe(*c));
        assert_eq!(found, None, "{what}: {text:?}");
    }
    assert!(!ran.out.is_empty() || !ran.err.is_empty(), "{what} prints nothing");
}

/// Runs the commands that show a host, in all of their formats.
fn on_the_host(host: &Folder) {
    for args in [
        &["check"][..],
        &["check", "--verbose"],
        &["check", "--color", "never", "--format", "json"],
        &["check", "--format", "junit"],
        &["status"],
        &["status", "--format", "json"],
        &["rank", "--all"],
        &["rank", "--format", "json"],
        &["plan"],
        &["plan", "--format", "json"],
        &["events"],
        &["events", "--format", "json"],
        &["advise"],
        &["advise", "--format", "json"],
        &["history"],
        &["history", "--format", "json"],
        &["record", "--title", "x"],
    ] {
        is_safe(&args.join(" "), &host.run(args));
    }
}

/// Runs the commands that read a file with this text in it.
fn on_files(bad: &str) {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let run = |args: &[&str]| {
        let mut command = oomguard(args);
        ran(command.current_dir(dir.path()))
    };
    let log = format!(
        "Jan 23 14:05:06 ho{bad}st kernel: cc invoked oom-killer: gfp_mask=0x100, order=0, oom_score_adj=0\n\
         Jan 23 14:05:06 ho{bad}st kernel: oom-kill:constraint=CONSTRAINT_NONE,task=c{bad}c,pid=812,uid=0\n\
         Jan 23 14:05:06 ho{bad}st kernel: Out of memory: Killed process 812 (c{bad}c) total-vm:1024kB, anon-rss:512kB, \
         file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:44kB oom_score_adj:0\n"
    );
    fs::write(path("kern.log"), log).unwrap();
    for format in ["human", "json", "markdown", "html", "cspec"] {
        is_safe(format, &run(&["incident", "--format", format, &path("kern.log")]));
    }
    let document = |size: &str| {
        format!(
            "title: \"ti{bad}tle\"\nmemory_config: {{swap: {{size: {size}, file: \"/sw{bad}ap\"}}, ke{bad}y: 1}}\n"
        )
    };
    fs::write(path("one.cspec"), document("1GB")).unwrap();
    fs::write(path("two.cspec"), document("2GB")).unwrap();
    for format in ["human", "json", "junit", "sarif"] {
        is_safe(format, &run(&["spec", "check", "--format", format, "one.cspec"]));
    }
    for format in ["human", "json"] {
        is_safe(format, &run(&["spec", "diff", "--format", format, "one.cspec", "two.cspec"]));
        is_safe(format, &run(&["spec", "show", "--format", format, "one.cspec"]));
        is_safe(format, &run(&["recorder", "show", "--format", format, "--file", "one.cspec"]));
    }
    fs::write(path("hosts"), format!("web{bad}1 role=ci # re{bad}mark\n")).unwrap();
    is_safe("inventory", &run(&["check", "--runs", &path("runs"), "--inventory", "hosts"]));
    is_safe("host", &run(&["check", "--runs", &path("runs"), "--host", &format!("web{bad}1")]));
    for format in ["human", "json", "html", "cspec"] {
        is_safe(format, &run(&["fleet", "status", "--runs", &path("runs"), "--format", format]));
    }
    is_safe("runbook", &run(&["runbook", &format!("swap{bad}")]));
    is_safe("since", &run(&["events", "--since", bad]));
    is_safe("usage", &run(&["check", &format!("--ro{bad}le")]));
}

fn hostile(host: &Folder, bad: &str) {
    host.0.write("/proc/sys/kernel/hostname", &format!("we{bad}b\n"));
    host.0.process(900, 801, &format!("a{bad}b"), -800, SESSION);
    host.0.process(901, 801, &format!("tmux{bad}"), -900, &format!("/system.slice/x{bad}.service"));
    host.0.write("/proc/sys/kernel/osrelease", &format!("6.1{bad}\n"));
    let message = format!("the kernel killed a{bad}b");
    let event = serde_json::json!({
        "schema": "oomguard.event/1", "time": "2026-01-23T14:05:06.789Z", "level": "critical", "host": format!("w{bad}"),
        "message": message, "kind": "oom_kill", "pid": 812, "comm": format!("a{bad}b"),
    });
    host.0.write("/var/lib/oomguard/events.jsonl", &format!("{event}\n"));
}

#[test]
fn no_renderer_prints_unsafe_characters() {
    let host = Folder::good();
    for bad in UNSAFE {
        hostile(&host, bad);
        on_the_host(&host);
        on_files(bad);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]

    #[test]
    fn no_renderer_prints_an_unsafe_character_of_any_text(
        bad in prop::collection::vec(
            prop_oneof![
                any::<char>(),
                (0x200b_u32..0x2070).prop_filter_map("a character", char::from_u32),
                (0xe0000_u32..0xe0080).prop_filter_map("a character", char::from_u32),
            ],
            1..6,
        )
    ) {
        // Nothing that ends a name or a line, and one at least that makes every name of a host invalid: no ssh starts.
        let fits = |c: &char| *c != '\0' && !c.is_whitespace() && (!c.is_ascii() || c.is_control());
        let bad: String = bad.into_iter().filter(fits).chain(['\u{202e}']).collect();
        let host = Folder::fresh();
        hostile(&host, &bad);
        on_the_host(&host);
        on_files(&bad);
    }
}
