//! What check, plan, apply and rollback do on one host, on a folder that stands for it.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // Helpers of tests are tests, too.

mod fixture;

use fixture::{FSTAB, Fixture, MIB, StopAfter, policy};
use oomguard_converge::apply::{ApplyError, Outcome, Session};
use oomguard_converge::change::Change;
use oomguard_converge::finding::Severity;
use oomguard_converge::history::{self, State};
use oomguard_converge::rollback::Rollback;
use oomguard_converge::{Facts, Finding, Plan, findings, layout};
use oomguard_spec::policy::Policy;

fn apply(fixture: &Fixture, policy: &Policy) -> Result<Outcome, ApplyError> {
    Session::open(&fixture.host, policy, "test")?.apply(&mut StopAfter(0))
}

fn check(fixture: &Fixture, policy: &Policy) -> Vec<Finding> {
    findings(policy, &Facts::read(&fixture.host, policy).unwrap())
}

fn plan(fixture: &Fixture, policy: &Policy) -> Plan {
    Plan::make(policy, &Facts::read(&fixture.host, policy).unwrap())
}

fn ids(found: &[Finding]) -> Vec<&str> {
    found.iter().map(|finding| finding.kind.id()).collect()
}

fn refused(fixture: &Fixture, policy: &Policy) -> Vec<String> {
    match apply(fixture, policy) {
        Err(ApplyError::Refused(refusals)) => refusals.into_iter().map(|refusal| refusal.id).collect(),
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn a_fresh_host_becomes_as_the_policy_says() {
    let fixture = Fixture::new();
    let policy = policy(4);
    let found = check(&fixture, &policy);
    assert!(ids(&found).contains(&"no-swap"), "{found:#?}");
    assert!(found.is_sorted_by_key(|finding| finding.severity));

    let outcome = apply(&fixture, &policy).unwrap();
    assert_eq!(outcome.left, []);
    assert_eq!(fixture.read("/etc/fstab"), format!("{FSTAB}\n/swapfile none swap sw,nofail,pri=10 0 0\n"));
    assert_eq!(fixture.real("/swapfile").metadata().unwrap().len(), 4 * MIB);
    assert_eq!(fixture.read("/proc/sys/vm/swappiness"), "10");
    assert_eq!([700, 701, 800, 801].map(|pid| fixture.score(pid)), [-900, -900, -800, 0]);
    assert!(fixture.read(layout::USER_LOAD).contains("DefaultOOMScoreAdjust=0"));
    assert!(
        fixture.read("/etc/systemd/system/ci-job@.service.d/50-oomguard.conf").contains("OOMScoreAdjust=500")
    );
    assert_eq!(fixture.read("/commands.log"), "systemctl daemon-reload\n");
}

#[test]
fn before_systemd_250_the_load_is_set_by_a_drop_in_for_all_user_services() {
    let fixture = Fixture::new();
    std::fs::remove_file(fixture.real("/usr/lib/systemd/libsystemd-shared-252.so")).unwrap();
    fixture.write("/usr/lib/systemd/libsystemd-shared-247.so", "");
    assert_eq!(apply(&fixture, &policy(4)).unwrap().left, []);
    assert!(
        fixture.read(layout::USER_LOAD_OLD).ends_with("[Service]\nOOMPolicy=continue\nOOMScoreAdjust=0\n")
    );
    assert!(!fixture.exists(layout::USER_LOAD));
    assert!(
        !fixture.read(layout::USER_MANAGER).contains("ManagedOOMPreference"),
        "systemd 247 does not know it"
    );
}

#[test]
fn protection_that_nobody_declared_is_found_and_taken_off_in_sessions_only() {
    let fixture = Fixture::new();
    apply(&fixture, &policy(4)).unwrap();
    fixture.process(900, 801, "rustc", -800, "/user.slice/user-1000.slice/session-3.scope");
    fixture.process(901, 1, "sshd", -1000, "/system.slice/ssh.service");
    fixture.process(902, 901, "helper", -1000, "/system.slice/ssh.service");
    fixture.process(903, 1, "adnet", -900, "/system.slice/adnet.service");
    fixture.process(904, 903, "adnet-worker", -950, "/system.slice/adnet.service");
    let found = check(&fixture, &policy(4));
    let said: Vec<(&str, &str)> =
        found.iter().map(|finding| (finding.kind.id(), finding.subject.as_str())).collect();
    assert_eq!(
        said,
        [
            ("protection-leak", "rustc (pid 900)"),
            ("protection-leak", "adnet-worker (pid 904)"),
            ("undeclared-protection", "helper (pid 902)")
        ]
    );
    assert_eq!(found[2].severity, Severity::Advice);
    apply(&fixture, &policy(4)).unwrap();
    assert_eq!([900, 901, 902, 903, 904].map(|pid| fixture.score(pid)), [0, -1000, -1000, -900, -900]);
}

#[test]
fn a_process_that_only_calls_itself_tmux_is_no_keeper() {
    let fixture = Fixture::new();
    fixture.process(850, 801, "tmux: server", 0, "/user.slice/user-1000.slice/session-3.scope");
    fixture.write("/home/dev/tmux", "");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(fixture.real("/home/dev/tmux"), open).unwrap();
    std::os::unix::fs::symlink(fixture.real("/home/dev/tmux"), fixture.real("/proc/850/exe")).unwrap();
    apply(&fixture, &policy(4)).unwrap();
    assert_eq!(fixture.score(850), 0);
    assert_eq!(fixture.score(800), -800);
}

#[test]
fn what_a_user_manager_runs_for_a_moment_is_neither_keeper_nor_leak_and_what_stays_is_load() {
    let fixture = Fixture::new();
    apply(&fixture, &policy(4)).unwrap();
    // It started 19.1 s after the boot.
    let scope = "/user.slice/user-1000.slice/user@1000.service/init.scope";
    fixture.process(910, 700, "30-systemd-envi", -900, scope);
    fixture.write("/proc/uptime", "28.00 10.00\n");
    assert_eq!(check(&fixture, &policy(4)), []);
    fixture.write("/proc/uptime", "30.00 10.00\n");
    assert_eq!(ids(&check(&fixture, &policy(4))), ["protection-leak"]);
}

#[test]
fn a_swap_of_somebody_else_is_adopted_and_never_touched() {
    let fixture = Fixture::new();
    fixture.write("/swap.img", &"\0".repeat(8 << 20));
    fixture.write("/proc/swaps", "Filename Type Size Used Priority\n/swap.img file 8188 0 -2\n");
    let outcome = apply(&fixture, &policy(4)).unwrap();
    assert_eq!(outcome.left, []);
    assert!(!fixture.exists("/swapfile"));
    assert!(fixture.read("/etc/fstab").ends_with("\n/swap.img none swap sw,nofail 0 0\n"));
    Rollback::open(&fixture.host, None).unwrap().run(&mut StopAfter(0)).unwrap();
    assert!(fixture.exists("/swap.img"));
    assert!(fixture.read("/proc/swaps").contains("/swap.img"));
    assert_eq!(fixture.read("/etc/fstab"), FSTAB);
}

#[test]
fn a_foreign_swap_that_is_too_small_gets_ours_beside_it() {
    let fixture = Fixture::new();
    fixture.write("/swapfile", "somebody's");
    fixture.write("/proc/swaps", "Filename Type Size Used Priority\n/swapfile file 1020 0 -2\n");
    apply(&fixture, &policy(4)).unwrap();
    assert_eq!(fixture.read("/swapfile"), "somebody's");
    let ours = fixture.real("/swapfile.2").metadata().unwrap().len();
    assert_eq!(ours, 4 * MIB - 1020 * 1024);
}

#[test]
fn fstab_lines_that_nobody_can_mend_are_said_and_kept() {
    let fixture = Fixture::new();
    let lines = "/dev/vda / ext4 defaults 0 1\n/gone.img none swap sw 0 0\n/gone.img none swap sw 0 0\n";
    fixture.write("/etc/fstab", lines);
    let outcome = apply(&fixture, &policy(4)).unwrap();
    assert_eq!(ids(&outcome.left), ["fstab-duplicate", "fstab-missing-swap", "fstab-missing-swap"]);
    assert!(outcome.left.iter().all(|finding| finding.fix.is_none()));
    assert!(fixture.read("/etc/fstab").starts_with(lines));
}

#[test]
fn a_sysctl_file_that_wins_is_said_and_kept() {
    let fixture = Fixture::new();
    fixture.write("/etc/sysctl.d/zz-site.conf", "vm.swappiness=60\n");
    let outcome = apply(&fixture, &policy(4)).unwrap();
    assert_eq!(ids(&outcome.left), ["swappiness-not-persistent"]);
    assert!(outcome.left[0].is.contains("/etc/sysctl.d/zz-site.conf:1"), "{:?}", outcome.left);
    assert_eq!(fixture.read("/etc/sysctl.d/zz-site.conf"), "vm.swappiness=60\n");
}

#[test]
fn every_reason_to_refuse_is_said_at_once_and_nothing_is_changed() {
    let fixture = Fixture::new();
    fixture.write("/swapfile", "somebody's");
    fixture.write("/var/lib/kubelet/config.yaml", "kind: KubeletConfiguration\n");
    fixture.write("/proc/self/mountinfo", "22 1 254:0 / / rw - zfs rpool/root rw\n");
    let before = fixture.tree();
    assert_eq!(refused(&fixture, &policy(4)), ["occupied", "file-system", "kubelet"]);
    assert_eq!(fixture.tree(), before);
    assert!(history::list(&fixture.host).unwrap().is_empty());
}

#[test]
fn a_place_that_others_may_write_or_that_is_a_link_is_refused() {
    let fixture = Fixture::new();
    let mut policy = policy(4);
    let Some(swap) = policy.swap.as_mut() else { unreachable!() };
    swap.file = "/data/swapfile".to_owned();
    std::fs::create_dir(fixture.real("/data")).unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(fixture.real("/data"), open).unwrap();
    assert_eq!(refused(&fixture, &policy), ["untrusted-path"]);
    std::fs::remove_dir(fixture.real("/data")).unwrap();
    std::os::unix::fs::symlink("etc", fixture.real("/data")).unwrap();
    assert_eq!(refused(&fixture, &policy), ["untrusted-path"]);
}

#[test]
fn shrinking_is_refused_when_memory_would_not_hold_it() {
    let fixture = Fixture::new();
    apply(&fixture, &policy(8)).unwrap();
    fixture.set_used("/swapfile", 6 * 1024);
    fixture.set_available(2 * 1024);
    assert_eq!(refused(&fixture, &policy(2)), ["no-room"]);
    fixture.set_available(40 * 1024);
    assert_eq!(apply(&fixture, &policy(2)).unwrap().left, []);
    assert!(!fixture.exists("/swapfile"));
    assert_eq!(fixture.real("/swapfile.2").metadata().unwrap().len(), 2 * MIB);
}

#[test]
fn a_saved_plan_is_refused_when_the_host_has_changed() {
    let fixture = Fixture::new();
    let saved = Plan::from_json(plan(&fixture, &policy(4)).to_json().as_bytes()).unwrap();
    let session = Session::open(&fixture.host, &saved.policy, "test").unwrap();
    session.expect(&saved).unwrap();
    drop(session);
    fixture.write("/etc/fstab", "/dev/vda / ext4 defaults 0 1\n");
    let session = Session::open(&fixture.host, &saved.policy, "test").unwrap();
    assert!(matches!(session.expect(&saved), Err(ApplyError::HostChanged { .. })));
}

#[test]
fn a_plan_that_somebody_edited_is_refused() {
    let fixture = Fixture::new();
    let json = plan(&fixture, &policy(4)).to_json().replace("pri=10", "pri=11");
    assert!(Plan::from_json(json.as_bytes()).is_err());
}

#[test]
fn a_second_apply_at_the_same_time_is_told_who_is_at_it() {
    let fixture = Fixture::new();
    let first = Session::open(&fixture.host, &policy(4), "test").unwrap();
    match Session::open(&fixture.host, &policy(4), "test") {
        Err(ApplyError::Locked { pid }) => assert_eq!(pid, std::process::id().to_string()),
        other => panic!("{other:?}"),
    }
    drop(first);
    Session::open(&fixture.host, &policy(4), "test").unwrap();
}

#[test]
fn an_fstab_that_findmnt_refuses_is_not_put_in_place() {
    let fixture = Fixture::new();
    let mut policy = policy(4);
    let Some(swap) = policy.swap.as_mut() else { unreachable!() };
    swap.file = "/BROKEN".to_owned();
    let error = apply(&fixture, &policy).unwrap_err();
    assert!(error.to_string().contains("findmnt does not accept"), "{error}");
    assert_eq!(fixture.read("/etc/fstab"), FSTAB);
    Rollback::open(&fixture.host, None).unwrap().run(&mut StopAfter(0)).unwrap();
    assert!(!fixture.exists("/BROKEN"));
}

#[test]
fn a_rollback_does_not_lose_what_somebody_changed_since() {
    let fixture = Fixture::new();
    apply(&fixture, &policy(4)).unwrap();
    let theirs = fixture.read("/etc/fstab") + "tmpfs /tmp tmpfs defaults 0 0\n";
    fixture.write("/etc/fstab", &theirs);
    let error = Rollback::open(&fixture.host, None).unwrap().run(&mut StopAfter(0)).unwrap_err();
    assert!(
        matches!(error, ApplyError::Refused(ref refusals) if refusals[0].id == "changed-since"),
        "{error:?}"
    );
    assert_eq!(fixture.read("/etc/fstab"), theirs);
}

#[test]
fn a_rollback_to_an_earlier_apply_undoes_all_since() {
    let fixture = Fixture::new();
    let before = fixture.tree();
    apply(&fixture, &policy(2)).unwrap();
    apply(&fixture, &policy(4)).unwrap();
    apply(&fixture, &policy(6)).unwrap();
    let first = history::list(&fixture.host).unwrap()[0].record.id.clone();
    Rollback::open(&fixture.host, Some(&first)).unwrap().run(&mut StopAfter(0)).unwrap();
    assert_eq!(fixture.tree(), before);
    assert!(history::list(&fixture.host).unwrap().iter().all(|entry| entry.state == State::RolledBack));
}

#[test]
fn a_part_that_the_policy_does_not_mention_is_left_alone() {
    let fixture = Fixture::new();
    let only_swappiness = Policy { swap: None, oom_protection: None, ..policy(4) };
    apply(&fixture, &only_swappiness).unwrap();
    assert_eq!(fixture.read("/etc/fstab"), FSTAB);
    assert_eq!(fixture.score(800), 0);
    assert!(!fixture.exists(layout::USER_MANAGER));
}

#[test]
fn a_service_that_the_policy_forgets_loses_its_drop_in() {
    let fixture = Fixture::new();
    apply(&fixture, &policy(4)).unwrap();
    let mut smaller = policy(4);
    let Some(protection) = smaller.oom_protection.as_mut() else { unreachable!() };
    protection.services.clear();
    assert_eq!(apply(&fixture, &smaller).unwrap().left, []);
    assert!(!fixture.exists("/etc/systemd/system/adnet.service.d/50-oomguard.conf"));
}

#[test]
fn in_a_container_swap_is_refused_and_checked_all_the_same() {
    let fixture = Fixture::new();
    fixture.write("/run/systemd/container", "lxc\n");
    let found = check(&fixture, &policy(4));
    assert!(ids(&found).contains(&"swap-of-the-host"), "{found:#?}");
    assert!(ids(&found).contains(&"user-manager-unprotected"));
    assert_eq!(refused(&fixture, &policy(4)), ["container"]);
}

#[test]
fn what_cannot_be_read_is_named_and_nothing_is_guessed_from_it() {
    let fixture = Fixture::new();
    std::fs::remove_file(fixture.real("/proc/swaps")).unwrap();
    let facts = Facts::read(&fixture.host, &policy(4)).unwrap();
    assert!(facts.unread.iter().any(|unread| unread.what == "/proc/swaps"), "{:?}", facts.unread);
    let plan = Plan::make(&policy(4), &facts);
    assert_eq!(plan.refusals[0].id, "swap-not-known");
    assert!(!plan.changes.iter().any(|change| matches!(change, Change::SwapCreate { .. })));
}

#[test]
fn zram_does_not_count_as_swap_on_disk() {
    let fixture = Fixture::new();
    fixture.write("/proc/swaps", "Filename Type Size Used Priority\n/dev/zram0 partition 65536 0 100\n");
    assert!(ids(&check(&fixture, &policy(4))).contains(&"no-swap"));
}
