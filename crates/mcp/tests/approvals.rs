//! An approval is valid once, for 15 minutes, for one plan on one host.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // Helpers of tests are tests, too.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use oomguard_fleet::job::NamedPolicy;
use oomguard_mcp::approval::{
    PlanKind, Refused, StoredPlan, VALID_SECONDS, approve, command, consume, load, store,
};
use oomguard_mcp::state::{APPROVALS, StateDir};
use oomguard_spec::{Builtin, builtin};
use tempfile::TempDir;

const NOW: u64 = 1_800_000_000;

fn state() -> (TempDir, StateDir) {
    let dir = tempfile::tempdir().unwrap();
    let owner = std::fs::metadata(dir.path()).unwrap().uid();
    let folder = StateDir::open(&dir.path().join("state"), owner).unwrap();
    (dir, folder)
}

fn stored(folder: &StateDir, letter: char) -> StoredPlan {
    let plan = StoredPlan {
        id: String::from(letter).repeat(32),
        digest: format!("digest {letter}"),
        host: format!("host {letter}"),
        kind: PlanKind::Apply,
        policy: NamedPolicy { name: "ci".to_owned(), policy: builtin::policy(Builtin::Ci) },
        made: NOW,
        steps: vec!["one".to_owned()],
    };
    store(folder, &plan).unwrap();
    plan
}

#[test]
fn an_approval_is_valid_exactly_once() {
    let (_dir, folder) = state();
    let one = stored(&folder, 'a');
    assert_eq!(load(&folder, &one.id, NOW).unwrap(), one);
    let refused = consume(&folder, &one, &one.digest, NOW).unwrap_err();
    assert!(refused.to_string().contains(&command(&folder, &one.id)), "{refused}");
    approve(&folder, &one, NOW).unwrap();
    let other_digest = consume(&folder, &one, "digest b", NOW);
    assert!(matches!(other_digest, Err(Refused::Mismatch { .. })), "{other_digest:?}");
    consume(&folder, &one, &one.digest, NOW + VALID_SECONDS).unwrap();
    assert!(matches!(consume(&folder, &one, &one.digest, NOW), Err(Refused::Used)));
    assert!(matches!(approve(&folder, &one, NOW), Err(Refused::Used)), "a used plan was approved again");
}

#[test]
fn expired_foreign_and_accessible_approvals_are_discarded() {
    let (_dir, folder) = state();
    let (one, two) = (stored(&folder, 'a'), stored(&folder, 'b'));
    approve(&folder, &one, NOW).unwrap();
    assert!(matches!(
        consume(&folder, &one, &one.digest, NOW + VALID_SECONDS + 1),
        Err(Refused::Invalid { .. })
    ));
    assert!(
        matches!(consume(&folder, &one, &one.digest, NOW), Err(Refused::NotApproved { .. })),
        "an expired approval stays"
    );
    approve(&folder, &one, NOW + 100).unwrap();
    assert!(
        matches!(consume(&folder, &one, &one.digest, NOW), Err(Refused::Invalid { .. })),
        "of the future"
    );

    approve(&folder, &one, NOW).unwrap();
    std::fs::rename(folder.file(APPROVALS, &one.id), folder.file(APPROVALS, &two.id)).unwrap();
    assert!(
        matches!(consume(&folder, &two, &two.digest, NOW), Err(Refused::Invalid { .. })),
        "of another plan"
    );

    approve(&folder, &one, NOW).unwrap();
    let elsewhere = StoredPlan { host: "host c".to_owned(), ..one.clone() };
    assert!(
        matches!(consume(&folder, &elsewhere, &one.digest, NOW), Err(Refused::Invalid { .. })),
        "of another host"
    );

    approve(&folder, &one, NOW).unwrap();
    let mode = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(folder.file(APPROVALS, &one.id), mode).unwrap();
    assert!(
        matches!(consume(&folder, &one, &one.digest, NOW), Err(Refused::Invalid { .. })),
        "open to others"
    );

    approve(&folder, &one, NOW).unwrap();
    let path = folder.file(APPROVALS, &one.id);
    let other = folder.path().join("elsewhere");
    std::fs::rename(&path, &other).unwrap();
    std::os::unix::fs::symlink(&other, &path).unwrap();
    assert!(matches!(consume(&folder, &one, &one.digest, NOW), Err(Refused::Invalid { .. })), "a link");
}

#[test]
fn one_of_many_concurrent_calls_gets_the_approval() {
    let (_dir, folder) = state();
    let one = stored(&folder, 'a');
    approve(&folder, &one, NOW).unwrap();
    let taken: usize = std::thread::scope(|scope| {
        let hands: Vec<_> =
            (0..16).map(|_| scope.spawn(|| consume(&folder, &one, &one.digest, NOW).is_ok())).collect();
        hands.into_iter().filter_map(|hand| hand.join().ok()).filter(|taken| *taken).count()
    });
    assert_eq!(taken, 1);
}

#[test]
fn plan_ids_are_not_paths_and_plans_expire() {
    let (_dir, folder) = state();
    let one = stored(&folder, 'a');
    for id in ["", "../plans/x", "a", &"A".repeat(32), &"g".repeat(32), &format!("{}/", "a".repeat(31))] {
        assert!(matches!(load(&folder, id, NOW), Err(Refused::UnknownPlan(_))), "{id}");
    }
    assert!(matches!(load(&folder, &one.id, NOW + 25 * 3600), Err(Refused::UnknownPlan(_))));
}
