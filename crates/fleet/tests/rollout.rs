//! Many hosts: preflight, waves, budget, health, Ctrl-C, resume.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // Helpers of tests are tests, too.

mod common;

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use common::{Fleet, Notes};
use oomguard_fleet::failure::Kind;
use oomguard_fleet::job::Task;
use oomguard_fleet::outcome::{Outcome, State};
use oomguard_fleet::run::{Member, StoredRun};
use oomguard_fleet::setup::Phase;
use oomguard_fleet::wave::Waves;

/// Preflight on all, then the change of those that need one; what stands in the folder afterwards.
fn apply(fleet: &Fleet, kept: &StoredRun, members: &[Member], notes: &mut Notes, forks: usize) -> Vec<State> {
    let stop =
        notes.stop_after.as_ref().map_or_else(Arc::<AtomicBool>::default, |(_, stop)| Arc::clone(stop));
    let rollout = fleet.rollout(forks, &stop);
    let mut quiet = Notes::default();
    let outcomes = rollout.preflight(kept, members, &mut quiet).unwrap();
    let todo = |outcome: &Outcome| outcome.failure.is_none() && outcome.must_change();
    let pairs = members.iter().zip(&outcomes);
    let members: Vec<Member> = pairs.filter(|(_, o)| todo(o)).map(|(m, _)| m.clone()).collect();
    let waves: Waves = kept.run.waves.parse().unwrap();
    rollout.change(kept, &members, &waves, notes).unwrap();
    rollout.end(&members).unwrap();
    kept.outcomes().iter().map(|outcome| outcome.state).collect()
}

#[test]
fn the_others_are_done_and_resume_finishes() {
    let fleet = Fleet::new(&[
        ("t1", "good"),
        ("off", "refused"),
        ("full", "full"),
        ("t2", "good"),
        ("lost", "lost"),
        ("box", "container"),
        ("done", "good"),
    ]);
    std::fs::write(fleet.host("done").join("applied"), "").unwrap();
    let kept = fleet.begin(Task::Apply, 1);
    let mut notes = Notes::default();
    let states = apply(&fleet, &kept, &kept.run.hosts, &mut notes, 50);
    use State::{Failed, Fine};
    assert_eq!(states, [Fine, Failed, Failed, Fine, Failed, Failed, Fine], "{:?}", notes.lines);
    let kinds: Vec<_> = kept.outcomes().into_iter().filter_map(|o| o.failure).map(|f| f.kind).collect();
    assert_eq!(kinds, [Kind::Unreachable, Kind::DiskFull, Kind::ConnectionLost, Kind::Refused]);
    assert_eq!(notes.lines[0], "wave 1/2 1");
    assert!(notes.lines.iter().any(|line| line == "t1 Health"));
    // Nothing was to be done there: one ssh, and no change.
    assert_eq!(fleet.lines("done", "ssh").len(), 1);
    assert!(!fleet.has("full", "applied") && !fleet.has("box", "applied"));
    // The health of a changed host is looked at over a new connection.
    assert!(fleet.lines("t1", "ssh")[2].contains("ControlPath=none"), "{:?}", fleet.lines("t1", "ssh"));

    for (name, mode) in [("off", "good"), ("full", "good"), ("lost", "good"), ("box", "good")] {
        fleet.set(name, mode);
    }
    let again = fleet.runs().open(&kept.run.id).unwrap();
    let unfinished = again.unfinished();
    assert_eq!(unfinished.len(), 4);
    let states = apply(&fleet, &again, &unfinished, &mut Notes::default(), 50);
    assert!(states.iter().all(|state| *state == Fine), "{states:?}");
    let lost = &again.outcomes()[4];
    assert_eq!(lost.recovered.as_deref(), Some("20260101-1"));
    assert_eq!(fleet.lines("t1", "ssh").len(), 3, "a host that was done is not asked again");
    assert!(again.unfinished().is_empty());
}

#[test]
fn the_canary_stops_it_and_a_budget_lets_it_go_on() {
    for (budget, reached) in [(0, false), (1, true)] {
        let fleet = Fleet::new(&[("canary", "breaks"), ("b", "good"), ("c", "good")]);
        let kept = fleet.begin(Task::Apply, budget);
        let states = apply(&fleet, &kept, &kept.run.hosts, &mut Notes::default(), 50);
        let others = if reached { State::Fine } else { State::NotReached };
        assert_eq!(states, [State::Failed, others, others]);
        assert_eq!(fleet.has("b", "applied"), reached);
        let left: usize = if reached { 1 } else { 3 };
        assert_eq!(kept.unfinished().len(), left);
    }
}

#[test]
fn a_host_that_is_not_well_after_its_change_is_red() {
    let fleet = Fleet::new(&[("canary", "sick"), ("b", "good")]);
    let kept = fleet.begin(Task::Apply, 0);
    let states = apply(&fleet, &kept, &kept.run.hosts, &mut Notes::default(), 50);
    assert_eq!(states, [State::Failed, State::NotReached]);
    let failure = kept.outcomes()[0].failure.clone().unwrap();
    assert_eq!(failure.kind, Kind::NotHealthy);
    assert!(failure.message.contains("no-swap"), "{failure}");
}

#[test]
fn ctrl_c_finishes_the_hosts_in_hand() {
    let names = [("a", "slow"), ("b", "slow"), ("c", "slow"), ("d", "slow"), ("e", "slow")];
    let fleet = Fleet::new(&names);
    let kept = fleet.begin(Task::Apply, 0);
    let mut notes = Notes { stop_after: Some((2, Arc::default())), ..Notes::default() };
    let states = apply(&fleet, &kept, &kept.run.hosts, &mut notes, 2);
    let fine = states.iter().filter(|state| **state == State::Fine).count();
    // One in the first wave; the flag is set by the second, while the third is in hand.
    assert_eq!(fine, 3, "{states:?} {:?}", notes.lines);
    assert_eq!(states.iter().filter(|state| **state == State::NotReached).count(), 2);
    assert_eq!(kept.unfinished().len(), 2);
}

#[test]
fn a_run_is_private_whole_and_found_again() {
    let fleet = Fleet::new(&[("a", "good")]);
    let first = fleet.begin(Task::Check, 0);
    let second = fleet.begin(Task::Check, 0);
    assert_eq!(fleet.runs().ids().unwrap(), [first.run.id.clone(), second.run.id.clone()]);
    assert_eq!(second.run.id, format!("{}-2", first.run.id));
    let rollout = fleet.rollout(1, &Arc::default());
    rollout.look(&first, &first.run.hosts, &mut Notes::default()).unwrap();
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    let host = first.folder().join("hosts/a");
    for folder in [first.folder(), &host] {
        assert_eq!(mode(folder), 0o700);
    }
    for file in ["status.json", "report.json", "result.json"] {
        assert_eq!(mode(&host.join(file)), 0o600, "{file}");
    }
    for id in ["", "..", "../x", "nope", "20260109T230640Z-9"] {
        assert!(fleet.runs().open(id).is_err(), "{id}");
    }
    std::fs::write(host.join("result.json"), "{").unwrap();
    assert_eq!(first.outcomes()[0].state, State::NotReached, "a damaged result is asked again");
    std::fs::write(first.folder().join("run.json"), "{}").unwrap();
    assert!(fleet.runs().open(&first.run.id).is_err());
}

#[test]
fn a_rollback_to_an_apply_undoes_it_where_it_is_and_says_where_it_is_not() {
    let fleet = Fleet::new(&[("a", "good"), ("never", "good"), ("b", "good")]);
    for name in ["a", "b"] {
        std::fs::write(fleet.host(name).join("applied"), "").unwrap();
    }
    let to = Some("20260101-1".to_owned());
    let kept = fleet.begin(Task::Rollback { to }, 1);
    let rollout = fleet.rollout(1, &Default::default());
    let outcomes =
        rollout.change(&kept, &kept.run.hosts, &"1,100%".parse().unwrap(), &mut Notes::default()).unwrap();
    assert_eq!(outcomes[0].ids, ["20260101-1"]);
    let failure = outcomes[1].failure.as_ref().unwrap();
    assert_eq!((failure.kind, outcomes[2].state), (Kind::Failed, State::Fine));
    assert!(failure.message.contains("no apply 20260101-1"), "{failure}");
    assert!(!fleet.has("a", "applied") && !fleet.has("b", "applied"));
    assert!(fleet.lines("b", "jobs")[0].contains("{\"rollback\":{\"to\":\"20260101-1\"}}"));
}

#[test]
fn a_setup_is_looked_at_changed_and_verified_and_nothing_is_changed_twice() {
    let fleet = Fleet::new(&[("fresh", "good"), ("done", "good"), ("sick", "sick"), ("user", "user")]);
    std::fs::write(fleet.host("done").join("applied"), "").unwrap();
    let kept = fleet.begin(Task::Setup { phase: Phase::Change }, 4);
    let mut notes = Notes::default();
    let states = apply(&fleet, &kept, &kept.run.hosts, &mut notes, 1);
    assert_eq!(states, [State::Fine, State::Fine, State::Failed, State::Failed]);
    let of = |name: &str| -> Vec<&str> {
        let lines = notes.lines.iter().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        lines.filter(|line| line.starts_with("Setup") || line.starts_with("Step")).collect()
    };
    let said = of("fresh");
    assert!(said[0].contains("Install") && said[1].contains("part_of: Some(Swap)"), "{said:?}");
    // From another host, so not raw; the blanks of a table stay.
    assert!(said[2].contains("Status") && said[2].contains("\"  \\\\x1b[2Jswap\""), "{said:?}");
    assert!(of("done").is_empty(), "{:?}", notes.lines);
    let outcomes = kept.outcomes();
    assert_eq!(outcomes[2].failure.as_ref().unwrap().kind, Kind::NotHealthy);
    assert_eq!(outcomes[3].failure.as_ref().unwrap().kind, Kind::NoSudo);
    // Preflight and change over one connection, which is kept; the look afterwards over another.
    let jobs = |name: &str| fleet.lines(name, "jobs").len();
    assert_eq!((jobs("fresh"), jobs("done"), jobs("user")), (3, 1, 1));
    // What has failed is asked again, by the same run.
    fleet.set("sick", "good");
    fleet.set("user", "good");
    std::fs::write(fleet.host("user").join("bin/id"), "#!/bin/sh\necho 0\n").unwrap();
    let states = apply(&fleet, &kept, &kept.unfinished(), &mut Notes::default(), 2);
    assert_eq!(states, [State::Fine; 4]);
}
