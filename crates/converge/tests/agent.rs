//! The agent as apply installs it, check judges it and rollback takes it away.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // Helpers of tests are tests, too.

mod fixture;

use fixture::{Fixture, StopAfter, policy, policy_with_agent};
use oomguard_converge::apply::{ApplyError, Session};
use oomguard_converge::rollback::Rollback;
use oomguard_converge::{Facts, Finding, FindingKind, findings, layout};
use oomguard_host::files::sha256;
use oomguard_spec::policy::Policy;

fn apply(fixture: &Fixture, policy: &Policy) -> Vec<Finding> {
    Session::open(&fixture.host, policy, "test").unwrap().apply(&mut StopAfter(0)).unwrap().left
}

fn roll_back(fixture: &Fixture) {
    Rollback::open(&fixture.host, None).unwrap().run(&mut StopAfter(0)).unwrap();
}

fn ids(fixture: &Fixture, policy: &Policy) -> Vec<String> {
    let facts = Facts::read(&fixture.host, policy).unwrap();
    findings(policy, &facts).into_iter().map(|finding| finding.kind.to_string()).collect()
}

fn commands(fixture: &Fixture) -> Vec<String> {
    fixture.read("/commands.log").lines().map(str::to_owned).collect()
}

#[test]
fn apply_installs_enables_and_starts_it_and_rollback_takes_it_all_away() {
    let fixture = Fixture::with_program();
    let (before, policy) = (fixture.tree(), policy_with_agent(4));
    assert!(ids(&fixture, &policy).contains(&"agent-missing".to_owned()));
    assert_eq!(apply(&fixture, &policy), []);
    let program = layout::agent_program(&sha256(b"version 1"));
    assert_eq!(fixture.read(&program), "version 1");
    let unit = fixture.read(layout::AGENT_UNIT);
    assert!(unit.contains(&format!("ExecStart={program}\n")), "{unit}");
    assert_eq!(
        std::fs::read_link(fixture.real(layout::AGENT_WANTS)).unwrap().to_str(),
        Some(layout::AGENT_UNIT)
    );
    let saved = oomguard_spec::read("saved", fixture.read(layout::AGENT_POLICY).as_bytes()).unwrap();
    assert_eq!(saved.policy(None).unwrap(), policy, "the agent reads what was applied");
    assert_eq!(commands(&fixture), ["systemctl daemon-reload", "systemctl restart oomguard-agent.service"]);

    roll_back(&fixture);
    assert_eq!(fixture.tree(), before);
    assert_eq!(commands(&fixture)[2..], ["systemctl stop oomguard-agent.service", "systemctl daemon-reload"]);
}

#[test]
fn what_is_wrong_with_it_is_found_and_mended() {
    type Harm = fn(&Fixture);
    let harms: [(&str, Harm); 6] = [
        ("agent-not-running", |f| std::fs::remove_dir_all(f.real("/proc/990")).unwrap()),
        ("agent-not-enabled", |f| std::fs::remove_file(f.real(layout::AGENT_WANTS)).unwrap()),
        ("agent-other-policy", |f| f.write(layout::AGENT_POLICY_DIGEST, "0\n")),
        ("agent-program-differs", |f| f.set_program("version 2")),
        ("agent-program-differs", |f| {
            f.write(&layout::agent_program(&sha256(b"version 1")), "version !");
        }),
        ("own-file-differs", |f| f.write(layout::AGENT_UNIT, "[Service]\nExecStart=/bin/true\n")),
    ];
    let policy = policy_with_agent(4);
    for (id, harm) in harms {
        let fixture = Fixture::with_program();
        apply(&fixture, &policy);
        harm(&fixture);
        assert_eq!(ids(&fixture, &policy), [id]);
        assert_eq!(apply(&fixture, &policy), [], "{id}");
        let session = Session::open(&fixture.host, &policy, "test").unwrap();
        assert_eq!(session.plan().steps, [""; 0], "{id}");
    }
}

#[test]
fn a_new_policy_is_written_and_the_agent_started_anew() {
    let fixture = Fixture::with_program();
    apply(&fixture, &policy_with_agent(4));
    let next = Policy { swappiness: Some(20), ..policy_with_agent(4) };
    assert_eq!(apply(&fixture, &next), []);
    assert_eq!(commands(&fixture)[2..], ["systemctl restart oomguard-agent.service"], "no unit has changed");
}

#[test]
fn an_update_is_undone_by_the_old_unit_and_its_program_is_still_there() {
    let fixture = Fixture::with_program();
    apply(&fixture, &policy_with_agent(4));
    let old = fixture.tree();
    fixture.set_program("version 2");
    assert_eq!(apply(&fixture, &policy_with_agent(4)), []);
    assert!(fixture.exists(&layout::agent_program(&sha256(b"version 2"))));
    roll_back(&fixture);
    assert_eq!(fixture.tree(), old);
}

#[test]
fn a_policy_without_it_stops_it_and_one_that_does_not_speak_of_it_leaves_it_alone() {
    let fixture = Fixture::with_program();
    apply(&fixture, &policy_with_agent(4));
    let silent = Policy { oom_protection: None, ..policy_with_agent(4) };
    assert_eq!(apply(&fixture, &silent), []);
    assert!(fixture.exists(layout::AGENT_UNIT));
    assert_eq!(apply(&fixture, &policy(4)), []);
    assert!(!fixture.exists(layout::AGENT_UNIT) && !fixture.exists(layout::AGENT_WANTS));
    assert_eq!(commands(&fixture)[2..], ["systemctl stop oomguard-agent.service", "systemctl daemon-reload"]);
    roll_back(&fixture);
    assert!(fixture.exists(layout::AGENT_UNIT) && fixture.exists("/proc/990"), "back, and running");
}

#[test]
fn without_its_program_the_agent_is_missed_and_apply_refuses_to_install_another() {
    let fixture = Fixture::with_program();
    let (before, policy) = (fixture.tree(), policy_with_agent(4));
    fixture.remove_program();
    let facts = Facts::read(&fixture.host, &policy).unwrap();
    assert_eq!(facts.agent.program, None);
    let unread: Vec<_> = facts.unread.iter().map(|unread| unread.why.clone()).collect();
    assert!(
        unread.iter().any(|why| why.starts_with("not found at ") && why.ends_with("/program")),
        "{unread:?}"
    );
    let found = findings(&policy, &facts);
    let missing = found.iter().find(|finding| finding.kind == FindingKind::AgentMissing).unwrap();
    assert!(missing.fix.is_none() && missing.advice.as_ref().unwrap().contains("/program"), "{missing:?}");
    let session = Session::open(&fixture.host, &policy, "test").unwrap();
    assert_eq!(session.plan().refusals[0].id, "agent-program-missing");
    assert!(matches!(session.apply(&mut StopAfter(0)), Err(ApplyError::Refused(_))));
    assert_eq!(fixture.tree(), before);
    // Whoever wants no agent needs no program.
    let no_agent = fixture::policy(4);
    Session::open(&fixture.host, &no_agent, "test").unwrap().apply(&mut StopAfter(0)).unwrap();
}

#[test]
fn an_agent_that_runs_goes_on_where_its_program_is_not_beside_the_command() {
    let fixture = Fixture::with_program();
    apply(&fixture, &policy_with_agent(4));
    fixture.remove_program();
    let old = fixture.tree();
    assert_eq!(ids(&fixture, &policy_with_agent(4)), [""; 0]);
    roll_back(&fixture);
    assert!(old.contains_key(layout::AGENT_UNIT) && !fixture.exists(layout::AGENT_UNIT));
}

#[test]
fn without_systemd_or_a_known_program_there_is_no_agent() {
    let fixture = Fixture::with_program();
    std::fs::remove_file(fixture.real("/usr/lib/systemd/libsystemd-shared-252.so")).unwrap();
    assert!(!ids(&fixture, &policy_with_agent(4)).iter().any(|id| id.starts_with("agent")));
    let fixture = Fixture::with_program();
    let folder = oomguard_host::Host::folder(&fixture.root());
    let facts = Facts::read(&folder, &policy_with_agent(4)).unwrap();
    assert!(
        !findings(&policy_with_agent(4), &facts).iter().any(|finding| finding.kind.id().starts_with("agent"))
    );
}

#[test]
fn a_host_that_systemd_does_not_run_gets_the_files_and_no_start() {
    let fixture = Fixture::with_program();
    std::fs::remove_dir_all(fixture.real("/run/systemd")).unwrap();
    assert_eq!(apply(&fixture, &policy_with_agent(4)), []);
    assert!(fixture.exists(layout::AGENT_UNIT) && !fixture.exists("/commands.log"));
}
