//! An apply and a rollback that are cut after every single step, on a folder that stands for a host.
//!
//! The steps come from the plan itself, so a new step is covered without anyone remembering it.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // Helpers of tests are tests, too.

mod fixture;

use fixture::{Fixture, StopAfter, policy, policy_with_agent};
use oomguard_converge::apply::{ApplyError, Session};
use oomguard_converge::rollback::Rollback;
use oomguard_converge::{Facts, Plan, findings};
use oomguard_spec::policy::Policy;

fn apply(fixture: &Fixture, policy: &Policy, stop_after: usize) -> Result<(), ApplyError> {
    Session::open(&fixture.host, policy, "test")?.apply(&mut StopAfter(stop_after)).map(drop)
}

fn roll_back(fixture: &Fixture, stop_after: usize) -> Result<(), ApplyError> {
    Rollback::open(&fixture.host, None)?.run(&mut StopAfter(stop_after)).map(drop)
}

fn differing(fixture: &Fixture, policy: &Policy) -> Vec<String> {
    let facts = Facts::read(&fixture.host, policy).unwrap();
    let found = findings(policy, &facts).into_iter().filter(|finding| finding.severity.differs());
    found.map(|finding| format!("{} {}: {}", finding.kind, finding.subject, finding.is)).collect()
}

fn strays(fixture: &Fixture) -> Vec<String> {
    fixture.tree().into_keys().filter(|path| path.contains("oomguard-new")).collect()
}

/// A scene: a host made so by some applies, and the policy that is applied to it next.
struct Scene {
    prepare: fn(&Fixture),
    next: Policy,
}

impl Scene {
    fn host(&self) -> Fixture {
        let fixture = Fixture::with_program();
        (self.prepare)(&fixture);
        fixture
    }

    fn steps(&self) -> usize {
        let fixture = self.host();
        let facts = Facts::read(&fixture.host, &self.next).unwrap();
        Plan::make(&self.next, &facts).steps.len()
    }
}

/// No swap: what the agent adds is all that is looked at.
fn agent_alone(swappiness: u8) -> Policy {
    Policy { swap: None, swappiness: Some(swappiness), ..policy_with_agent(4) }
}

fn scenes() -> Vec<(&'static str, Scene)> {
    vec![
        ("fresh", Scene { prepare: |_| {}, next: policy(4) }),
        ("grow", Scene { prepare: |fixture| apply(fixture, &policy(2), 0).unwrap(), next: policy(4) }),
        ("agent", Scene { prepare: |_| {}, next: agent_alone(10) }),
        (
            "agent-update",
            Scene {
                prepare: |fixture| {
                    apply(fixture, &agent_alone(10), 0).unwrap();
                    fixture.set_program("version 2");
                },
                next: agent_alone(20),
            },
        ),
        (
            "agent-goes",
            Scene {
                prepare: |fixture| apply(fixture, &agent_alone(10), 0).unwrap(),
                next: Policy { agent: Some(false), ..agent_alone(10) },
            },
        ),
        ("shrink", Scene { prepare: |fixture| apply(fixture, &policy(4), 0).unwrap(), next: policy(2) }),
    ]
}

#[test]
fn a_cut_apply_is_finished_by_a_rerun_and_undone_by_one_rollback() {
    for (name, scene) in scenes() {
        let steps = scene.steps();
        assert!(steps > 4, "{name} has only {steps} steps");
        for cut in 1..=steps {
            let fixture = scene.host();
            let before = fixture.tree();
            assert!(
                matches!(apply(&fixture, &scene.next, cut), Err(ApplyError::Stopped { .. })),
                "{name} {cut}"
            );
            apply(&fixture, &scene.next, 0).unwrap();
            assert_eq!(differing(&fixture, &scene.next), [""; 0], "{name}, cut after step {cut}");
            assert_eq!(strays(&fixture), [""; 0], "{name}, cut after step {cut}");
            roll_back(&fixture, 0).unwrap();
            assert_eq!(fixture.tree(), before, "{name}, cut after step {cut}, rolled back");
        }
    }
}

#[test]
fn a_cut_apply_can_be_undone_at_once() {
    for (name, scene) in scenes() {
        for cut in 1..=scene.steps() {
            let fixture = scene.host();
            let before = fixture.tree();
            assert!(apply(&fixture, &scene.next, cut).is_err());
            roll_back(&fixture, 0).unwrap();
            assert_eq!(fixture.tree(), before, "{name}, cut after step {cut}");
        }
    }
}

#[test]
fn a_cut_rollback_is_finished_by_the_next_one_or_by_an_apply() {
    for (name, scene) in scenes() {
        let mut cut = 1;
        loop {
            let fixture = scene.host();
            let before = fixture.tree();
            apply(&fixture, &scene.next, 0).unwrap();
            if roll_back(&fixture, cut).is_ok() {
                break;
            }
            roll_back(&fixture, 0).unwrap();
            assert_eq!(fixture.tree(), before, "{name}, rollback cut after step {cut}");

            let fixture = scene.host();
            apply(&fixture, &scene.next, 0).unwrap();
            assert!(roll_back(&fixture, cut).is_err());
            apply(&fixture, &scene.next, 0).unwrap();
            assert_eq!(differing(&fixture, &scene.next), [""; 0], "{name}, rollback cut after step {cut}");
            assert_eq!(strays(&fixture), [""; 0]);
            cut += 1;
        }
        assert!(cut > 6, "{name}: a rollback of only {cut} steps");
    }
}

#[test]
fn applying_twice_changes_nothing() {
    let fixture = Fixture::with_program();
    let policy = policy_with_agent(4);
    apply(&fixture, &policy, 0).unwrap();
    let (tree, commands) = (fixture.tree(), fixture.read("/commands.log"));
    let session = Session::open(&fixture.host, &policy, "test").unwrap();
    assert_eq!(session.plan().steps, [""; 0]);
    assert_eq!(session.apply(&mut StopAfter(0)).unwrap().id, None);
    assert_eq!(fixture.tree(), tree);
    assert_eq!(fixture.read("/commands.log"), commands, "a unit was reloaded for nothing");
}
