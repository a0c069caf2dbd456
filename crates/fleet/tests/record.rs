//! The record of a session that a run on several hosts was part of.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // Helpers of tests are tests, too.

use std::collections::BTreeMap;

use oomguard_converge::change::Change;
use oomguard_converge::{Finding, FindingKind, Severity};
use oomguard_fleet::failure::{Failure, Kind};
use oomguard_fleet::inventory::Target;
use oomguard_fleet::job::{NamedPolicy, Task};
use oomguard_fleet::outcome::{Outcome, State as Came};
use oomguard_fleet::record::of_run;
use oomguard_fleet::run::{Member, Run, Runs, SCHEMA, StoredRun};
use oomguard_fleet::session::Reply;
use oomguard_report::record::{RecordError, Session, State};
use oomguard_report::{CHECK_SCHEMA, CheckReport, PlanReport, Report};
use oomguard_spec::{Builtin, builtin};
use proptest::prelude::*;
use serde_json::{Value, json};

const NOW: u64 = 1_769_175_480;

fn begin(dir: &tempfile::TempDir, names: &[&str], task: Task) -> StoredRun {
    let policy = NamedPolicy {
        name: "built-in role validator".to_owned(),
        policy: builtin::policy(Builtin::Validator),
    };
    let member = |name: &&str| Member {
        target: Target::new(name.parse().unwrap(), None),
        policy: "validator".to_owned(),
    };
    let run = Run {
        schema: SCHEMA.to_owned(),
        id: String::new(),
        task,
        started: 0,
        waves: "1,100%".to_owned(),
        max_failures: 0,
        root: true,
        hosts: names.iter().map(member).collect(),
        policies: BTreeMap::from([("validator".to_owned(), policy)]),
    };
    Runs::new(dir.path().join("runs")).begin(run, NOW).unwrap()
}

fn sysctl(from: &str) -> Change {
    Change::Sysctl { key: "vm.swappiness".to_owned(), from: from.to_owned(), to: "10".to_owned() }
}

fn finding(subject: &str) -> Finding {
    Finding {
        kind: FindingKind::NoSwap,
        severity: Severity::Critical,
        subject: subject.to_owned(),
        is: "none".to_owned(),
        should: "32 GiB".to_owned(),
        why: "it matters".to_owned(),
        fix: Some("create /swapfile".to_owned()),
        changes: Vec::new(),
        advice: None,
    }
}

/// What a host sent, kept as the rollout keeps it.
fn keep(kept: &StoredRun, at: usize, changes: &[Change], outcome: impl FnOnce(&mut Outcome)) {
    let target = kept.run.hosts[at].target.clone();
    let plan = json!({
        "schema": "oomguard.plan/2", "digest": "", "machine_id": null, "rests_on": [],
        "policy": builtin::policy(Builtin::Validator), "changes": changes, "refusals": [], "notes": [], "steps": [],
    });
    let mut came = Outcome::not_reached(target.clone());
    came.seen = Some(NOW);
    outcome(&mut came);
    let status = json!({
        "schema": "oomguard.status/1", "host": "t1", "memory_bytes": 1, "swappiness": 10, "unread": [],
        "swap": [{
            "path": "/swapfile", "size_bytes": 32u64 << 30, "used_bytes": 0, "priority": 1,
            "made_by": "oomguard", "after_boot": true,
        }],
        "processes": [{"pid": 1, "comm": "systemd", "score": 0, "right": true}],
    });
    let mut reply = Reply::default();
    reply.status = Some(serde_json::from_value(status).unwrap());
    reply.plan = Some(Box::new(PlanReport {
        plan: serde_json::from_value(plan).unwrap(),
        changes: changes.len(),
        refusals: Vec::new(),
        unfinished: None,
    }));
    reply.report = Some(Report::Check(CheckReport {
        schema: CHECK_SCHEMA.to_owned(),
        host: "t1".to_owned(),
        policy: "validator".to_owned(),
        fine: came.findings.is_empty(),
        findings: came.findings.clone(),
        refusals: Vec::new(),
        unread: Vec::new(),
        dies_first: None,
    }));
    kept.reply(&target, &reply).unwrap();
    kept.outcome(&came).unwrap();
}

fn document(kept: &StoredRun, title: &str) -> (String, Value) {
    let session = Session {
        title: title.to_owned(),
        now: NOW,
        occasion: None,
        works: of_run(kept),
        trials: Vec::new(),
    };
    let text = session.document().unwrap();
    let read = oomguard_spec::read("r.cspec", text.as_bytes()).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let said: Vec<_> = read.diagnostics().iter().cloned().chain(read.lint()).collect();
    assert!(said.is_empty(), "{said:#?}\n{text}");
    assert_eq!(read.to_strict_yaml(), text);
    let data = read.to_json();
    (text, data)
}

#[test]
fn hosts_applied_and_not_yet_applied_with_why() {
    let dir = tempfile::tempdir().unwrap();
    let names =
        ["root@t1.example.net", "t2.example.net", "t3.example.net", "t4.example.net", "t5.example.net"];
    let kept = begin(&dir, &names, Task::Apply);
    keep(&kept, 0, &[sysctl("60")], |came| {
        came.state = Came::Fine;
        came.ids = vec!["0001-20260123T133800Z".to_owned()];
    });
    keep(&kept, 1, &[], |came| came.state = Came::Fine);
    keep(&kept, 2, &[sysctl("30")], |came| {
        came.state = Came::Failed;
        came.failure = Some(Failure::new(Kind::DiskFull, "no room for the swap file"));
        came.findings = vec![finding("swap")];
    });
    kept.outcome(&{
        let mut off = Outcome::not_reached(kept.run.hosts[3].target.clone());
        off.state = Came::Failed;
        off.failure = Some(Failure::new(Kind::Unreachable, "Connection refused"));
        off
    })
    .unwrap();
    // Nothing is kept of the fifth: the run was stopped before.

    let states: Vec<State> = of_run(&kept).iter().map(|work| work.state).collect();
    assert_eq!(states, [State::Applied, State::AlreadySo, State::NotYet, State::NotYet, State::NotYet]);
    let (text, data) = document(&kept, "Swap for the testnet");
    assert_eq!(data["id"], "2026-01-23-swap-for-the-testnet");
    assert_eq!((&data["status"], &data["priority"]), (&"in_progress".into(), &"high".into()));
    assert_eq!(data["deliverables"]["hosts_applied"], json!(["t1.example.net", "t2.example.net"]));
    assert_eq!(
        data["deliverables"]["hosts_not_yet_applied"],
        json!(["t3.example.net", "t4.example.net", "t5.example.net"])
    );
    let per_host = &data["deliverables"]["per_host"];
    assert_eq!(per_host[0]["changes"], json!(["kernel: vm.swappiness from 60 to 10"]), "{text}");
    assert_eq!(per_host[1]["changes_to_come"], json!(["kernel: vm.swappiness from 30 to 10"]));
    let status = |host: &str| data["verification"][host]["status"].as_str().unwrap().to_owned();
    assert_eq!(
        ["t1", "t2", "t3", "t4", "t5"].map(status),
        ["operational", "operational", "failed", "unreachable", "not_yet_applied"]
    );
    assert_eq!(data["verification"]["t1"]["size"], "32 GiB");
    let results: Vec<&str> = data["testing"]["checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|check| check["result"].as_str().unwrap())
        .collect();
    assert_eq!(results, ["as expected", "as expected", "1 difference", "not run", "not run"]);
    let next = data["next_steps"].to_string();
    for step in ["no room for the swap file", "Connection refused", "Apply the policy on t5.example.net"] {
        assert!(next.contains(step), "{step}: {next}");
    }
    assert!(next.contains(&format!("oomguard fleet resume {}", kept.run.id)), "{next}");
    // The same run gives the same text: records can be compared.
    assert_eq!(document(&kept, "Swap for the testnet").0, text);
}

#[test]
fn a_run_that_only_looked_changed_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let kept = begin(&dir, &["t1"], Task::Plan);
    keep(&kept, 0, &[sysctl("60")], |came| {
        came.state = Came::Differs;
        came.changes = 1;
        came.findings = vec![finding("swap")];
    });
    let (text, data) = document(&kept, "A look");
    assert_eq!(data["verification"]["t1"]["status"], "not_yet_applied", "{text}");
    assert_eq!(data["files_modified"], json!([]));
    assert_eq!(data["status"], "in_progress");
}

#[test]
fn a_record_needs_a_title_and_something_to_record() {
    let empty =
        Session { title: "x".to_owned(), now: NOW, occasion: None, works: Vec::new(), trials: Vec::new() };
    assert!(matches!(empty.document(), Err(RecordError::Nothing)));
    assert!(matches!(Session { title: " \n".to_owned(), ..empty }.document(), Err(RecordError::Title(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever hosts, processes and people call things, the record is a document.
    #[test]
    fn any_text_is_only_text(title in "\\PC{1,60}|[a-z\u{0}-\u{7f}]{1,60}", comm in any::<String>(), said in any::<String>()) {
        prop_assume!(!title.trim().is_empty());
        let dir = tempfile::tempdir().unwrap();
        let kept = begin(&dir, &["t1"], Task::Apply);
        let score = Change::Score { pid: 1, start_time: 1, comm: comm.clone(), from: 0, to: -900, why: said.clone() };
        keep(&kept, 0, &[score], |came| {
            came.state = Came::Differs;
            came.ids = vec![said.clone()];
            came.findings = vec![finding(&comm)];
        });
        let (text, data) = document(&kept, &title);
        prop_assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{}", text);
        prop_assert_eq!(data["verification"]["t1"]["status"].as_str(), Some("differs"));
    }
}
