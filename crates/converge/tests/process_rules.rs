//! Keepers that a rule names: by program, name, user and cgroup, in sessions and outside.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // Helpers of tests are tests, too.

mod fixture;

use std::os::unix::fs::{PermissionsExt, symlink};

use fixture::{Fixture, StopAfter, policy};
use oomguard_converge::apply::Session;
use oomguard_converge::{Facts, FindingKind, findings};
use oomguard_spec::policy::{Policy, ProcessRule};
use oomguard_spec::score::Score;

const SESSION: &str = "/user.slice/user-1000.slice/session-3.scope";

fn rule(exe: Option<&str>, command: Option<&str>, user: Option<&str>, score: i32) -> ProcessRule {
    let text = |part: Option<&str>| part.map(str::to_owned);
    let score = Score::new(score).unwrap();
    ProcessRule { exe: text(exe), command: text(command), user: text(user), cgroup: None, score }
}

fn with(rules: Vec<ProcessRule>) -> Policy {
    let mut policy = policy(4);
    policy.oom_protection.as_mut().unwrap().processes = rules;
    policy
}

/// A program, and a process that runs it. The fixture's paths are links to real ones, so rules name those.
fn runs(fixture: &Fixture, pid: i32, program: &str, mode: u32) -> String {
    fixture.write(program, "");
    let real = fixture.real(program);
    std::fs::set_permissions(&real, std::fs::Permissions::from_mode(mode)).unwrap();
    symlink(&real, fixture.real(&format!("/proc/{pid}/exe"))).unwrap();
    real.display().to_string()
}

fn apply(fixture: &Fixture, policy: &Policy) {
    let left = Session::open(&fixture.host, policy, "test").unwrap().apply(&mut StopAfter(0)).unwrap().left;
    assert!(left.iter().all(|finding| !finding.severity.differs()), "{left:#?}");
}

#[test]
fn a_program_of_root_s_is_a_keeper_and_a_writable_one_is_not() {
    let fixture = Fixture::new();
    for pid in [900, 901] {
        fixture.process(pid, 801, "hub", 0, SESSION);
    }
    let program = runs(&fixture, 900, "/usr/bin/hub", 0o755);
    runs(&fixture, 901, "/home/dev/hub", 0o777);
    let other = fixture.real("/home/dev/hub").display().to_string();
    let policy = with(vec![rule(Some(&program), None, None, -700), rule(Some(&other), None, None, -700)]);
    let found = findings(&policy, &Facts::read(&fixture.host, &policy).unwrap());
    let named: Vec<&str> = found
        .iter()
        .filter(|f| f.kind == FindingKind::KeeperUnprotected)
        .map(|f| f.subject.as_str())
        .collect();
    assert!(named.contains(&"hub (pid 900)") && !named.contains(&"hub (pid 901)"), "{named:?}");
    apply(&fixture, &policy);
    assert_eq!([900, 901].map(|pid| fixture.score(pid)), [-700, 0]);
}

#[test]
fn name_and_user_must_both_fit_and_the_first_rule_decides() {
    let fixture = Fixture::new();
    fixture.write("/etc/passwd", "root:x:0:0::/:/bin/sh\nbuild:x:1000:1000::/:/bin/sh\n");
    fixture.process(900, 801, "hub", 0, SESSION);
    let rules = vec![
        rule(None, Some("hub"), Some("root"), -500),
        rule(None, Some("hub"), Some("build"), -600),
        rule(None, Some("hub"), Some("1000"), -700),
    ];
    apply(&fixture, &with(rules));
    assert_eq!(fixture.score(900), -600);
}

#[test]
fn a_rule_comes_before_what_a_process_looks_like() {
    let fixture = Fixture::new();
    apply(&fixture, &with(vec![rule(None, Some("tmux: server"), Some("1000"), -500)]));
    assert_eq!(fixture.score(800), -500);
}

#[test]
fn by_cgroup_everything_there_is_named_and_nothing_beside_it() {
    let fixture = Fixture::new();
    fixture.process(900, 1, "a", 0, "/system.slice/hub.service");
    fixture.process(901, 900, "b", 0, "/system.slice/hub.service/sub");
    fixture.process(902, 1, "c", 0, "/system.slice/hub.service2");
    let mut by_cgroup = rule(None, None, None, -500);
    by_cgroup.cgroup = Some("/system.slice/hub.service".to_owned());
    apply(&fixture, &with(vec![by_cgroup]));
    assert_eq!([900, 901, 902].map(|pid| fixture.score(pid)), [-500, -500, 0]);
}

/// Outside of user.slice nothing is touched but what the policy names: a rule that fits names it, and what such a
/// keeper starts gives back what it inherited.
#[test]
fn outside_sessions_a_named_process_is_protected_and_its_children_are_not() {
    let fixture = Fixture::new();
    fixture.process(900, 1, "hub", 0, "/system.slice/hub.service");
    fixture.process(901, 900, "sh", -800, "/system.slice/hub.service");
    fixture.process(902, 901, "rustc", -800, "/system.slice/hub.service");
    fixture.process(903, 1, "other", -800, "/system.slice/other.service");
    fixture.process(904, 903, "helper", -800, "/system.slice/other.service");
    apply(&fixture, &with(vec![rule(None, Some("hub"), None, -800)]));
    assert_eq!([900, 901, 902, 903, 904].map(|pid| fixture.score(pid)), [-800, 0, 0, -800, -800]);
}

#[test]
fn a_rule_that_makes_expendable_leaves_what_is_more_so() {
    let fixture = Fixture::new();
    fixture.process(900, 801, "job", 100, SESSION);
    fixture.process(901, 801, "job", 900, SESSION);
    apply(&fixture, &with(vec![rule(None, Some("job"), None, 500)]));
    assert_eq!([900, 901].map(|pid| fixture.score(pid)), [500, 900]);
}

/// An ordinary user does not see which program another user's process runs: nothing is held against it then.
#[test]
fn a_program_that_cannot_be_seen_is_no_finding() {
    let fixture = Fixture::new();
    fixture.process(900, 801, "hub", -700, SESSION);
    let policy = with(vec![rule(Some("/usr/bin/hub"), Some("hub"), None, -700)]);
    let found = findings(&policy, &Facts::read(&fixture.host, &policy).unwrap());
    assert!(found.iter().all(|finding| !finding.subject.contains("900")), "{found:#?}");
}
