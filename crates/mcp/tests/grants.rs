//! A grant is good once, for 15 minutes, for one plan on one host.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // Helpers of tests are tests, too.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use oomguard_fleet::job::NamedPolicy;
use oomguard_mcp::grant::{GOOD_FOR, Kind, Refused, Waiting, command, give, keep, plan, take};
use oomguard_mcp::state::Folder;
use oomguard_spec::{Builtin, builtin};
use tempfile::TempDir;

const NOW: u64 = 1_800_000_000;

fn state() -> (TempDir, Folder) {
    let dir = tempfile::tempdir().unwrap();
    let owner = std::fs::metadata(dir.path()).unwrap().uid();
    let folder = Folder::open(&dir.path().join("state"), owner).unwrap();
    (dir, folder)
}

fn waiting(folder: &Folder, letter: char) -> Waiting {
    let plan = Waiting {
        id: String::from(letter).repeat(32),
        digest: format!("digest {letter}"),
        host: format!("host {letter}"),
        kind: Kind::Apply,
        policy: NamedPolicy { name: "ci".to_owned(), policy: builtin::policy(Builtin::Ci) },
        made: NOW,
        steps: vec!["one".to_owned()],
    };
    keep(folder, &plan).unwrap();
    plan
}

#[test]
fn without_a_grant_nothing_and_with_one_once() {
    let (_dir, folder) = state();
    let one = waiting(&folder, 'a');
    assert_eq!(plan(&folder, &one.id, NOW).unwrap(), one);
    let refused = take(&folder, &one, &one.digest, NOW).unwrap_err();
    assert!(refused.to_string().contains(&command(&folder, &one.id)), "{refused}");
    give(&folder, &one, NOW).unwrap();
    let other_digest = take(&folder, &one, "digest b", NOW);
    assert!(matches!(other_digest, Err(Refused::Other { .. })), "{other_digest:?}");
    take(&folder, &one, &one.digest, NOW + GOOD_FOR).unwrap();
    assert!(matches!(take(&folder, &one, &one.digest, NOW), Err(Refused::Used)));
    assert!(matches!(give(&folder, &one, NOW), Err(Refused::Used)), "a used plan cannot be granted again");
}

#[test]
fn an_old_foreign_or_open_grant_is_void() {
    let (_dir, folder) = state();
    let (one, two) = (waiting(&folder, 'a'), waiting(&folder, 'b'));
    give(&folder, &one, NOW).unwrap();
    assert!(matches!(take(&folder, &one, &one.digest, NOW + GOOD_FOR + 1), Err(Refused::Void { .. })));
    assert!(matches!(take(&folder, &one, &one.digest, NOW), Err(Refused::NoGrant { .. })), "it is gone");
    give(&folder, &one, NOW + 100).unwrap();
    assert!(matches!(take(&folder, &one, &one.digest, NOW), Err(Refused::Void { .. })), "of the future");

    give(&folder, &one, NOW).unwrap();
    std::fs::rename(folder.file("grants", &one.id), folder.file("grants", &two.id)).unwrap();
    assert!(matches!(take(&folder, &two, &two.digest, NOW), Err(Refused::Void { .. })), "of another plan");

    give(&folder, &one, NOW).unwrap();
    let elsewhere = Waiting { host: "host c".to_owned(), ..one.clone() };
    assert!(
        matches!(take(&folder, &elsewhere, &one.digest, NOW), Err(Refused::Void { .. })),
        "of another host"
    );

    give(&folder, &one, NOW).unwrap();
    let mode = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(folder.file("grants", &one.id), mode).unwrap();
    assert!(matches!(take(&folder, &one, &one.digest, NOW), Err(Refused::Void { .. })), "open to others");

    give(&folder, &one, NOW).unwrap();
    let path = folder.file("grants", &one.id);
    let other = folder.path().join("elsewhere");
    std::fs::rename(&path, &other).unwrap();
    std::os::unix::fs::symlink(&other, &path).unwrap();
    assert!(matches!(take(&folder, &one, &one.digest, NOW), Err(Refused::Void { .. })), "a link");
}

#[test]
fn of_many_at_once_one_has_it() {
    let (_dir, folder) = state();
    let one = waiting(&folder, 'a');
    give(&folder, &one, NOW).unwrap();
    let taken: usize = std::thread::scope(|scope| {
        let hands: Vec<_> =
            (0..16).map(|_| scope.spawn(|| take(&folder, &one, &one.digest, NOW).is_ok())).collect();
        hands.into_iter().filter_map(|hand| hand.join().ok()).filter(|taken| *taken).count()
    });
    assert_eq!(taken, 1);
}

#[test]
fn names_of_plans_are_no_paths_and_plans_grow_old() {
    let (_dir, folder) = state();
    let one = waiting(&folder, 'a');
    for id in ["", "../plans/x", "a", &"A".repeat(32), &"g".repeat(32), &format!("{}/", "a".repeat(31))] {
        assert!(matches!(plan(&folder, id, NOW), Err(Refused::NoPlan(_))), "{id}");
    }
    assert!(matches!(plan(&folder, &one.id, NOW + 25 * 3600), Err(Refused::NoPlan(_))));
}
