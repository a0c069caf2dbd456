//! `oomguard record`: what was done and seen, as a session document.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::hosts::Folder;
use crate::run::{Ran, repository, run, run_with_input, snapshot};

const LOG: &str = "crates/incident/tests/data/6.1-global-swap.iso.log";

/// The document, which `spec check` has nothing to say about, and which a strict reader reads the same.
#[track_caller]
fn checked(ran: Ran) -> (String, serde_json::Value) {
    let text = ran.exits(0).quietly().out;
    let said = run_with_input(&["spec", "check", "-"], text.as_bytes()).exits(0);
    assert!(said.out.starts_with("-: fine; "), "{}\n{text}", said.out);
    assert_eq!(run_with_input(&["spec", "fmt", "-"], text.as_bytes()).exits(0).out, text, "it is strict");
    let document = oomguard_spec::read("record", text.as_bytes()).unwrap();
    for key in ["id", "type", "date", "status", "priority", "title", "summary", "context", "objectives"] {
        assert!(document.root().get(key).is_some(), "no {key} in\n{text}");
    }
    for key in ["deliverables", "verification", "files_modified", "testing", "next_steps"] {
        assert!(document.root().get(key).is_some(), "no {key} in\n{text}");
    }
    (text, document.to_json())
}

/// Without the day, which is that of the test.
fn undated(text: &str) -> String {
    let day = text.split("date: ").nth(1).unwrap().lines().next().unwrap();
    untimed(text).replace(day, "[DAY]")
}

/// Moments of today without their time of day.
fn untimed(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        match line.split_once("last_seen: ") {
            Some((before, _)) => lines.push(format!("{before}last_seen: [TIME]")),
            None => lines.push(line.to_owned()),
        }
    }
    lines.join("\n") + "\n"
}

#[test]
fn of_an_apply_on_this_host() {
    let host = Folder::good();
    let (text, data) = checked(host.run(&["record", "--title", "Swap and protection for web1"]));
    snapshot("record/applied.cspec", &undated(&text));
    assert_eq!(data["status"], "completed");
    assert_eq!(data["deliverables"]["hosts_applied"][0], "web1");
    assert_eq!(data["verification"]["web1"]["status"], "operational");
    assert_eq!(data["testing"]["checks"][0]["result"], "as expected");
    assert_eq!(data["next_steps"], serde_json::json!([]));
    let files = data["files_modified"].as_array().unwrap();
    assert!(files.iter().any(|path| path == "/etc/fstab") && files.iter().any(|path| path == "/swapfile"));
    // It is a policy, too: the one that was applied.
    let policy = oomguard_spec::read("r", text.as_bytes()).unwrap().policy(None).unwrap();
    assert_eq!(policy, oomguard_spec::builtin::policy(oomguard_spec::Builtin::Workstation));
    // And an inventory.
    assert_eq!(oomguard_spec::read("r", text.as_bytes()).unwrap().hosts()[0].name, "web1");

    let list = host.run(&["history", "list", "--format", "json"]).json();
    let id = list[0]["record"]["id"].as_str().unwrap();
    let (named, _) = checked(host.run(&["record", "--title", "Swap and protection for web1", "--from", id]));
    assert_eq!(undated(&named), undated(&text));
    host.run(&["record", "--title", "x", "--from", "0009-20260921T141320Z"])
        .exits(64)
        .complains("no apply 0009-");
}

/// A reader that others wrote (PyYAML) finds the same in a record as ours does.
#[test]
fn python_reads_the_same_in_it() {
    const READ: &str = "import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.stdin), default=str))";
    let venv = std::env::var_os("OOMGUARD_ANSIBLE").expect("`cargo xtask test` sets OOMGUARD_ANSIBLE");
    let host = Folder::good();
    let mut documents = vec![checked(host.run(&["record", "--title", "Swap: for \"web1\" # 50 %"])).0];
    documents.push(checked(run(["record", "--title", "~", "--from", LOG])).0);
    for document in documents {
        let mut python = Command::new(PathBuf::from(&venv).join("bin/python"));
        python.args(["-c", READ]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut python = python.spawn().unwrap();
        std::io::Write::write_all(&mut python.stdin.take().unwrap(), document.as_bytes()).unwrap();
        let read = python.wait_with_output().unwrap().stdout;
        let read: serde_json::Value = serde_json::from_slice(&read).expect("JSON");
        assert_eq!(read, oomguard_spec::read("record", document.as_bytes()).unwrap().to_json(), "{document}");
    }
}

#[test]
fn what_differs_now_and_what_was_undone_is_said() {
    let host = Folder::good();
    host.0.process(900, 801, "rustc", -800, "/user.slice/user-1000.slice/session-3.scope");
    let (text, data) = checked(host.run(&["record", "--title", "leak"]));
    assert_eq!((&data["status"], &data["priority"]), (&"in_progress".into(), &"high".into()), "{text}");
    assert_eq!(data["testing"]["checks"][0]["result"], "1 difference");
    assert!(data["next_steps"][0].as_str().unwrap().contains("set its oom_score_adj to 0"), "{text}");

    let host = Folder::good();
    host.roll_back();
    let (text, data) = checked(host.run(&["record", "--title", "undone"]));
    assert_eq!(data["deliverables"]["hosts_not_yet_applied"][0], "web1", "{text}");
    assert_eq!(data["verification"]["web1"]["status"], "undone");
    assert_eq!(data["files_modified"], serde_json::json!([]), "they are as before");
}

#[test]
fn of_an_incident_alone_and_with_what_was_done_about_it() {
    let (text, data) = checked(run(["record", "--title", "OOM on ci", "--from", LOG]));
    assert_eq!((&data["status"], &data["verification"]), (&"open".into(), &serde_json::json!({})));
    // The same section as the report of the incident has.
    let report = run(["incident", "--format", "cspec", LOG]).exits(0).out;
    let section = |text: &str| {
        let context = text.split("\ncontext:\n").nth(1).unwrap();
        context.split("\n\n").next().unwrap().to_owned()
    };
    assert_eq!(section(&text), section(&report));

    let dir = tempfile::tempdir().unwrap();
    let json = dir.path().join("incident.json");
    fs::write(&json, run(["incident", "--format", "json", LOG]).exits(0).out).unwrap();
    let host = Folder::good();
    let args = ["record", "--title", "OOM on ci", "--from", "history", "--from", json.to_str().unwrap()];
    let (text, data) = checked(host.run(&args));
    assert_eq!(data["context"]["investigation"]["source"], LOG, "{text}");
    assert!(data["context"]["investigation"]["before"]["web1"]["vm_swappiness_before"] == "60", "{text}");
    assert_eq!((&data["status"], &data["priority"]), (&"completed".into(), &"high".into()));
}

#[test]
fn a_record_is_never_overwritten() {
    let host = Folder::good();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("session.cspec");
    let args = ["record", "--title", "once", "-o", path.to_str().unwrap()];
    host.run(&args).exits(0).complains("wrote ");
    let first = fs::read_to_string(&path).unwrap();
    assert!(first.contains("title: \"once\""), "{first}");
    host.run(&["record", "--title", "twice", "-o", path.to_str().unwrap()])
        .exits(1)
        .complains("is there already, and a record is never overwritten");
    assert_eq!(fs::read_to_string(&path).unwrap(), first);
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(dir.path().join("nowhere"), &link).unwrap();
    host.run(&["record", "--title", "x", "-o", link.to_str().unwrap()]).exits(1).complains("there already");
    assert!(!dir.path().join("nowhere").exists());
}

#[test]
fn what_cannot_be_recorded_is_said() {
    let host = Folder::fresh();
    host.run(&["record", "--title", "x"]).exits(1).complains("nothing was applied on this host yet");
    host.run(&["record", "--title", " "]).exits(1).complains("nothing was applied");
    let good = Folder::good();
    good.run(&["record", "--title", " "]).exits(64).complains("--title: ");
    good.run(&["record", "--title", &"x".repeat(300)]).exits(64).complains("longer than 200");
    good.run(&["record", "--title", "x", "--from", "nothing"])
        .exits(64)
        .complains("--from: not a run, an apply or a file: `nothing`");
    good.run(&["record", "--title", "x", "--from", LOG, "--from", LOG]).exits(64).complains("one incident");
    let readme = repository().join("README.md");
    let readme = readme.to_str().unwrap();
    good.run(&["record", "--title", "x", "--from", readme]).exits(1).complains("it contains no OOM kill");
    good.run(&["record", "--title", "x", "--from", "./none"]).exits(1).complains("cannot read the file");
    let dir = tempfile::tempdir().unwrap();
    let runs = dir.path().to_str().unwrap();
    good.run(&["record", "--title", "x", "--from", "20260921T141320Z", "--runs", runs])
        .exits(64)
        .complains("no run");
}

#[test]
fn of_drills() {
    let drill = |name: &str| format!("crates/oomguard/tests/data/drill-{name}.json");
    let (text, data) = checked(run(["record", "--title", "Drills", "--from", &drill("proved")]));
    assert!(text.contains("status: completed") && text.contains("A drill proved the protection."), "{text}");
    assert_eq!(data["testing"]["drills"][0]["host"], "build1");
    assert_eq!(data["testing"]["drills"][0]["held"].as_array().unwrap().len(), 6);
    let host = Folder::good();
    let both = [
        "record",
        "--title",
        "x",
        "--from",
        "history",
        "--from",
        &drill("proved"),
        "--from",
        &drill("not-proved"),
    ];
    let (text, data) = checked(host.run(&both));
    assert!(
        text.contains("status: in_progress") && text.contains("1 of 2 drills proved the protection."),
        "{text}"
    );
    assert_eq!(data["testing"]["drills"][1]["result"], "not proved");
    let steps = data["next_steps"].to_string();
    assert!(
        steps.contains("build1: find out why the drill did not hold: the bystander was killed"),
        "{steps}"
    );

    let dir = tempfile::tempdir().unwrap();
    let cut = dir.path().join("cut.json");
    fs::write(&cut, &fs::read(repository().join(drill("proved"))).unwrap()[..500]).unwrap();
    run(["record", "--title", "x", "--from", cut.to_str().unwrap()])
        .exits(1)
        .complains("not a complete drill report");
}
