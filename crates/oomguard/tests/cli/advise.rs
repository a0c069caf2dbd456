//! `oomguard advise`: how much swap, and why.

use crate::hosts::Folder;
use crate::schema::conforms;

/// The CI server of the incident.
fn server() -> Folder {
    let host = Folder::fresh();
    host.memory(62 << 20);
    host.0.write("/sys/devices/system/cpu/online", "0-19\n");
    host
}

#[test]
fn the_sum_is_shown_line_by_line() {
    let ran = server().run(&["advise", "--each", "3.5GB"]).exits(0).quietly();
    // The disk is that of the test's machine.
    let ran = ran
        .prints("  + 20 processes of the load")
        .prints("70 GiB  one for each of 20 processors, 3.5 GiB each");
    let ran = ran
        .prints("  - memory")
        .prints("The rule of thumb (0.5x to 1x of memory) gives 31 GiB to 62 GiB. This is");
    ran.prints("Note: no recording").prints("In a document: memory_config: {swap: {size: ");
}

#[test]
fn what_is_said_counts_and_json_has_it_all() {
    let host = server();
    let json = host.run(&["advise", "--compilers", "2", "--each", "1GB", "--format", "json"]).exits(0).json();
    conforms("advise", &json);
    assert_eq!(
        json["evidence"]["load"],
        serde_json::json!({"processes": 2, "each": 1u64 << 30, "stated": true})
    );
    assert_eq!(json["evidence"]["cores"], 20);
    // 6.2 GiB held, 2 for the load, 6.2 free of 62: the useful minimum.
    assert_eq!((json["swap"].as_u64(), &json["limited_by"]), (Some(4 << 30), &serde_json::Value::Null));
    assert_eq!(json["rule_of_thumb"]["advice_is"], "below");
    // What it says to write is a policy of that size.
    let text = host.run(&["advise", "--compilers", "2", "--each", "1GB"]).exits(0).out;
    let line = text.lines().find_map(|line| line.strip_prefix("In a document: ")).unwrap();
    let policy = oomguard_spec::read("x", line.as_bytes()).unwrap().policy(None).unwrap();
    assert_eq!(
        policy.swap.unwrap().size,
        oomguard_spec::policy::SwapSize::Bytes(oomguard_spec::size::Bytes::gib(4))
    );
}

#[test]
fn a_recording_is_evidence() {
    let recording = crate::recorder::recording();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("load.rec");
    std::fs::write(&file, recording).unwrap();
    let host = server();
    let args = ["advise", "--recorder", file.to_str().unwrap(), "--compilers", "0"];
    host.run(&args).exits(0).quietly().prints("the recorded peak").prints("maximum of ");
    let json = host.run(&[&args[..], &["--format", "json"]].concat()).exits(0).json();
    conforms("advise", &json);
    let seen = &json["evidence"]["recorded"];
    assert!(seen["peak"].as_u64() >= seen["least"].as_u64() && seen["records"].as_u64() > Some(0), "{seen}");
}

#[test]
fn what_is_wrong_is_said() {
    let host = server();
    host.run(&["advise", "--each", "3 apples"]).exits(64).complains("--each: `3 apples` is not a valid size");
    host.run(&["advise", "--compilers", "-1"]).exits(64);
    host.run(&["advise", "--recorder", "/nowhere"]).exits(1).complains("cannot read /nowhere");
    host.run(&["advise", "--recorder", "/etc/hostname"]).exits(1).complains("no records in /etc/hostname");
    // A host that does not say how many processors it has.
    Folder::fresh().run(&["advise"]).exits(0).prints("number of processors unknown; see --compilers");
}
