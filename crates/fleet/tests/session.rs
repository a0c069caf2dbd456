//! One host: the two round trips, and each way in which a host goes wrong.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // Helpers of tests are tests, too.

mod common;

use std::os::unix::fs::PermissionsExt;

use common::{Fleet, Notes};
use oomguard_fleet::failure::Kind;
use oomguard_fleet::job::Task;
use oomguard_fleet::outcome::{Outcome, State};

fn look(fleet: &Fleet, task: Task) -> (Vec<Outcome>, Vec<String>) {
    let kept = fleet.begin(task, 0);
    let mut notes = Notes::default();
    let outcomes = fleet.rollout(50, &Default::default()).look(&kept, &kept.run.hosts, &mut notes).unwrap();
    (outcomes, notes.lines)
}

#[test]
fn the_program_is_pushed_once_and_then_found() {
    let fleet = Fleet::new(&[("a", "good")]);
    let (outcomes, lines) = look(&fleet, Task::Check);
    assert_eq!(outcomes[0].state, State::Differs);
    assert_eq!(outcomes[0].findings[0].kind.id(), "no-swap");
    assert!(lines.iter().any(|line| line.starts_with("a Pushes")), "{lines:?}");
    let mut names: Vec<_> =
        std::fs::read_dir(fleet.host("a").join("lib")).unwrap().map(|e| e.unwrap().path()).collect();
    names.sort_by_key(|path| path.to_string_lossy().contains("agent"));
    assert_eq!(names.len(), 2, "{names:?}");
    assert_eq!(std::fs::read_to_string(&names[0]).unwrap(), common::program());
    assert_eq!(std::fs::read(&names[1]).unwrap(), common::AGENT);
    for name in &names {
        assert_eq!(name.metadata().unwrap().permissions().mode() & 0o7777, 0o755);
    }
    let arguments = fleet.lines("a", "arguments").concat();
    let agent = names[1].file_name().unwrap().to_str().unwrap();
    assert!(
        arguments.starts_with("remote --agent /") && arguments.ends_with(&format!("/lib/{agent}")),
        "{arguments}"
    );
    let (_, lines) = look(&fleet, Task::Check);
    assert!(!lines.iter().any(|line| line.starts_with("a Pushes")), "{lines:?}");
    // Somebody has changed one of them: it is not used, and both are sent again.
    for name in &names {
        std::fs::write(name, "#!/bin/sh\ntouch \"$HOSTDIR/wrong\"\n").unwrap();
        let (outcomes, lines) = look(&fleet, Task::Check);
        assert!(lines.iter().any(|line| line.starts_with("a Pushes")), "{lines:?}");
        assert_eq!((outcomes[0].state, fleet.has("a", "wrong")), (State::Differs, false));
    }
    assert_eq!(std::fs::read(&names[1]).unwrap(), common::AGENT);
    assert_eq!(std::fs::read_dir(fleet.host("a").join("lib")).unwrap().count(), 2, "nothing else is left");
    // A host is one ssh, whether the program was there or not.
    assert_eq!(fleet.lines("a", "ssh").len(), 4);
    let policy = fleet.lines("a", "ssh").concat();
    assert!(!policy.contains("swappiness") && !policy.contains("StrictHostKey"), "{policy}");
}

#[test]
fn every_failure_is_told_apart() {
    let fleet = Fleet::new(&[
        ("refused", "refused"),
        ("changed", "changed"),
        ("unknown", "unknown"),
        ("denied", "denied"),
        ("silent", "silent"),
        ("arch", "arch"),
        ("no-room", "no-room"),
        ("damaged", "damaged"),
        ("noisy", "noisy"),
        ("good", "good"),
    ]);
    let (outcomes, _) = look(&fleet, Task::Check);
    let kinds: Vec<_> = outcomes.iter().map(|outcome| outcome.failure.as_ref().map(|f| f.kind)).collect();
    let expected = [
        Some(Kind::Unreachable),
        Some(Kind::HostKeyChanged),
        Some(Kind::HostKeyUnknown),
        Some(Kind::PermissionDenied),
        Some(Kind::Timeout),
        Some(Kind::WrongArchitecture),
        Some(Kind::DiskFull),
        Some(Kind::ConnectionLost),
        None,
        None,
    ];
    assert_eq!(kinds, expected, "{outcomes:#?}");
    for name in ["no-room", "damaged"] {
        let left: Vec<_> = std::fs::read_dir(fleet.host(name).join("lib")).unwrap().collect();
        assert!(left.is_empty(), "{name}: {left:?}");
    }
}

#[test]
fn a_configuration_that_waives_host_keys_is_said_and_costs_no_connection() {
    let fleet = Fleet::new(&[("waived", "good"), ("asks", "good"), ("off", "refused")]);
    for (name, value) in [("waived", "false"), ("asks", "ask"), ("off", "false")] {
        let text = format!("host {name}\nstricthostkeychecking {value}\n");
        std::fs::write(fleet.host(name).join("config"), text).unwrap();
    }
    let (outcomes, _) = look(&fleet, Task::Check);
    let warned: Vec<_> = outcomes.iter().map(|outcome| outcome.warnings.concat()).collect();
    assert!(warned[0].contains("StrictHostKeyChecking no"), "{warned:?}");
    assert_eq!((warned[1].as_str(), &warned[2]), ("", &warned[0]));
    assert_eq!((outcomes[0].state, outcomes[1].state), (State::Differs, State::Differs));
    // A host that never answered was not seen, whatever ssh says of it.
    assert_eq!((outcomes[2].state, outcomes[2].seen), (State::Failed, None));
    assert_eq!(fleet.lines("waived", "ssh").len(), 1);
}

#[test]
fn an_answer_that_is_cut_is_a_lost_connection_and_another_one_is_odd() {
    let fleet = Fleet::new(&[("a", "good")]);
    let (outcomes, _) = look(&fleet, Task::Status);
    assert_eq!(outcomes[0].failure.as_ref().unwrap().kind, Kind::ConnectionLost);
    let (outcomes, _) = look(&fleet, Task::Incident { since: None, boot: None });
    assert_eq!(outcomes[0].failure.as_ref().unwrap().kind, Kind::OddAnswer);
}

#[test]
fn an_ordinary_user_looks_from_a_folder_of_its_own_and_changes_only_with_sudo() {
    let fleet = Fleet::new(&[("user", "user"), ("sudo", "sudo")]);
    let (outcomes, _) = look(&fleet, Task::Check);
    assert!(outcomes.iter().all(|outcome| outcome.state == State::Differs), "{outcomes:#?}");
    let own = fleet.host("user").join("home/.cache/oomguard");
    assert_eq!(own.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    assert!(!fleet.has("user", "lib") && fleet.has("sudo", "lib") && fleet.has("sudo", "sudo-used"));
    let kept = fleet.begin(Task::Rollback { to: None }, 0);
    let rollout = fleet.rollout(1, &Default::default());
    let outcomes = rollout.look(&kept, &kept.run.hosts[..1], &mut Notes::default()).unwrap();
    let failure = outcomes[0].failure.as_ref().unwrap();
    assert_eq!(failure.kind, Kind::NoSudo);
    assert!(failure.message.contains("user dev"), "{failure}");
}
