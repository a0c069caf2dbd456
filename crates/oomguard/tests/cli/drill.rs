//! `oomguard drill`: what it refuses before anything is started, and what its report is like. The lab runs real ones.

use crate::hosts::Folder;
use crate::run::{powerless, repository, run};
use crate::schema::conforms;

#[test]
fn the_hosts_memory_is_never_taken_by_a_slip() {
    run(["drill", "--scope", "host", "--yes"]).exits(64).complains("add --may-lose-processes");
    run(["drill", "--may-lose-processes", "--yes"]).exits(64).complains("is only for --scope host");
    run(["drill", "--scope", "host", "--may-lose-processes", "--memory", "1GB"])
        .exits(64)
        .complains("--memory cannot be used with --scope host");
}

#[test]
fn only_root_on_a_machine_begins_one() {
    if let Some(ran) = powerless(&["drill", "--yes"]) {
        ran.exits(1).complains("needs root").complains("run it with sudo");
    }
    Folder::good().run(&["drill", "--yes"]).exits(64).complains("unexpected argument '--root'");
}

#[test]
fn wrong_usage() {
    for (args, says) in [
        (vec!["drill", "--scene", "fire"], "[possible values: compile, leak, swarm]"),
        (vec!["drill", "--scene", "leak", "--command", "make"], "cannot be used with"),
        (vec!["drill", "--user", "dev"], "--command"),
        (vec!["drill", "--keeper-score", "-1001"], "-1001 is not in -1000..=1000"),
    ] {
        run(&args).exits(64).complains(says);
    }
}

/// Reports of real drills on a lab host: with the agent, and with tmux at -800 by hand.
#[test]
fn real_reports_are_as_the_schema_says() {
    for (name, proved) in [("proved", true), ("not-proved", false)] {
        let path = repository().join(format!("crates/oomguard/tests/data/drill-{name}.json"));
        let report = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        conforms("drill", &report);
        assert_eq!(report["proved"], proved);
    }
}
