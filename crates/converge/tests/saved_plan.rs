//! What a saved plan depends on: the changes and the facts that they rest on, and no sentence.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // Helpers of tests are tests, too.

mod fixture;

use std::collections::BTreeSet;

use fixture::{Fixture, StopAfter, policy, policy_with_agent};
use oomguard_converge::apply::{ApplyError, Session};
use oomguard_converge::change::{Change, ChangeKey};
use oomguard_converge::{Decisions, Facts, Plan, findings_of, layout};
use oomguard_spec::policy::Policy;
use serde_json::Value;

fn plan(fixture: &Fixture, policy: &Policy) -> Plan {
    Plan::make(policy, &Facts::read(&fixture.host, policy).unwrap())
}

fn apply(fixture: &Fixture, policy: &Policy) {
    Session::open(&fixture.host, policy, "test").unwrap().apply(&mut StopAfter(0)).unwrap();
}

/// Replaces every sentence of a plan; gives the names of the fields that had one.
fn reword(value: &mut Value, field: &str, reworded: &mut BTreeSet<String>) {
    match value {
        Value::String(text) if ["why", "reason", "advice", "notes", "steps"].contains(&field) => {
            *text = format!("in other words: {}", text.to_uppercase());
            reworded.insert(field.to_owned());
        }
        Value::Array(items) => items.iter_mut().for_each(|item| reword(item, field, reworded)),
        Value::Object(fields) => {
            fields.iter_mut().for_each(|(name, value)| reword(value, name, reworded));
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The same plan, as a version of oomguard with other words has it.
fn reworded(plan: &Plan, fields: &[&str]) -> Vec<u8> {
    let (mut json, mut names) = (serde_json::to_value(plan).unwrap(), BTreeSet::new());
    reword(&mut json, "", &mut names);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(names, fields, "the sentences that this plan has");
    serde_json::to_vec(&json).unwrap()
}

#[test]
fn saved_plan_survives_a_changed_sentence() {
    let fixture = Fixture::with_program();
    let policy = policy(4);
    let made = plan(&fixture, &policy);
    let saved = Plan::from_json(&reworded(&made, &["notes", "steps", "why"])).unwrap();
    assert_eq!(saved.digest, made.digest);
    assert_ne!(saved.changes, made.changes, "nothing was reworded");
    assert_eq!(saved.steps, made.steps, "the steps are in the words of the version that reads the plan");
    let session = Session::open(&fixture.host, &saved.policy, "test").unwrap();
    session.expect(&saved).unwrap();
    assert_eq!(session.apply(&mut StopAfter(0)).unwrap().left, []);
}

#[test]
fn refused_plan_survives_a_changed_sentence() {
    let fixture = Fixture::new();
    fixture.write("/swapfile", "somebody's");
    let made = plan(&fixture, &policy(4));
    assert_eq!(made.refusals.len(), 1);
    let saved = Plan::from_json(&reworded(&made, &["advice", "notes", "reason", "steps", "why"])).unwrap();
    assert_eq!(saved.digest, made.digest);
}

#[test]
fn changed_fact_changes_the_digest() {
    type Harm = fn(&Fixture);
    let facts: [(&str, Harm); 8] = [
        ("fstab", |f| f.write("/etc/fstab", "/dev/vda / ext4 defaults 0 1\n")),
        ("swappiness", |f| f.write("/proc/sys/vm/swappiness", "50\n")),
        ("a score", |f| f.write("/proc/800/oom_score_adj", "100\n")),
        ("a file of ours", |f| f.write(layout::SYSCTL, "vm.swappiness = 9\n")),
        ("the machine", |f| f.write("/etc/machine-id", "ffffffffffffffffffffffffffffffff\n")),
        ("the program", |f| f.set_program("version 2")),
        // These are in no change.
        ("the link at boot", |f| {
            std::fs::create_dir_all(f.real(layout::AGENT_WANTS).parent().unwrap()).unwrap();
            std::os::unix::fs::symlink("/elsewhere.service", f.real(layout::AGENT_WANTS)).unwrap();
        }),
        ("the swap that is on", |f| {
            f.write("/proc/swaps", "Filename Type Size Used Priority\n/dev/vdb partition 64 0 -2\n");
        }),
    ];
    let policy = policy_with_agent(4);
    for (name, harm) in facts {
        let fixture = Fixture::with_program();
        let saved = plan(&fixture, &policy);
        assert_eq!(plan(&fixture, &policy).digest, saved.digest, "the same facts");
        harm(&fixture);
        assert_ne!(plan(&fixture, &policy).digest, saved.digest, "{name}");
        let session = Session::open(&fixture.host, &policy, "test").unwrap();
        assert!(matches!(session.expect(&saved), Err(ApplyError::HostChanged { .. })), "{name}");
    }
}

/// The change is the same, `AgentStart`, and rests on another fact.
#[test]
fn changed_policy_of_the_running_agent_changes_the_digest() {
    let fixture = Fixture::with_program();
    let policy = policy_with_agent(4);
    apply(&fixture, &policy);
    fixture.write(layout::AGENT_POLICY_DIGEST, "0\n");
    let first = plan(&fixture, &policy);
    fixture.write(layout::AGENT_POLICY_DIGEST, "1\n");
    let second = plan(&fixture, &policy);
    assert_eq!((&first.changes, &first.changes), (&second.changes, &vec![Change::AgentStart]));
    assert_ne!(first.digest, second.digest);
}

#[test]
fn changed_data_is_refused() {
    let fixture = Fixture::new();
    let json = plan(&fixture, &policy(4)).to_json();
    for (from, to) in
        [("pri=10", "pri=11"), ("\"to\": -800", "\"to\": -900"), ("0123456789abcdef", "0123456789abcdee")]
    {
        assert!(json.contains(from), "{from}");
        assert!(Plan::from_json(json.replace(from, to).as_bytes()).is_err(), "{from}");
    }
}

/// A finding refers to its fix by key, and the plan of the same decisions has that change.
#[test]
fn every_fix_refers_to_changes_of_the_plan() {
    type Harm = fn(&Fixture);
    let harms: [(&str, Harm); 9] = [
        ("fresh", |_| {}),
        ("leak", |f| {
            apply(f, &policy_with_agent(4));
            f.process(900, 801, "rustc", -800, "/user.slice/user-1000.slice/session-3.scope");
        }),
        ("agent stopped", |f| {
            apply(f, &policy_with_agent(4));
            std::fs::remove_dir_all(f.real("/proc/990")).unwrap();
        }),
        ("agent not enabled", |f| {
            apply(f, &policy_with_agent(4));
            std::fs::remove_file(f.real(layout::AGENT_WANTS)).unwrap();
        }),
        ("another program", |f| {
            apply(f, &policy_with_agent(4));
            f.set_program("version 2");
        }),
        ("grown", |f| apply(f, &policy_with_agent(2))),
        ("edited files", |f| {
            apply(f, &policy_with_agent(4));
            f.write(layout::USER_MANAGER, "[Service]\nOOMScoreAdjust=-900\n");
            f.write("/etc/fstab", "/dev/vda / ext4 defaults 0 1\n");
        }),
        ("stale file", |f| {
            apply(f, &policy_with_agent(4));
            f.write("/etc/systemd/system/old.service.d/50-oomguard.conf", "[Service]\nOOMScoreAdjust=5\n");
        }),
        ("swap off", |f| {
            apply(f, &policy_with_agent(4));
            f.write("/proc/swaps", "Filename Type Size Used Priority\n");
        }),
    ];
    for (name, harm) in harms {
        let fixture = Fixture::with_program();
        harm(&fixture);
        let policy = policy_with_agent(4);
        let facts = Facts::read(&fixture.host, &policy).unwrap();
        let decisions = Decisions::of(&policy, &facts);
        let changes: Vec<ChangeKey> = Plan::of(&decisions).changes.iter().map(Change::key).collect();
        let found = findings_of(&decisions);
        assert!(found.iter().any(|finding| finding.fix.is_some()), "{name}: no finding has a fix");
        for finding in found {
            assert_eq!(finding.fix.is_some(), !finding.changes.is_empty(), "{name}: {finding:#?}");
            for key in &finding.changes {
                assert!(changes.contains(key), "{name}: {finding:#?} is not fixed by {changes:#?}");
            }
        }
    }
}
