//! A policy is applied to a fresh Debian, survives a reboot, and is rolled back byte for byte.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // Helpers of tests are tests, too.

mod host;

use host::{boot, etc, found, ok, run, score, session_scores, session_with_tmux, strays};
use oomguard_lab::{HostSpec, Release};

fn from_fresh_to_protected_and_back(release: Release) {
    let mut vm = boot(&HostSpec::new(release));
    let session = session_with_tmux(&vm);
    let before = etc(&vm);
    let scores_before = session_scores(&vm);
    run(&vm, "oomguard check --role ci").exits(2).says("sudo oomguard apply --role ci");
    found(&vm, "--role ci").exits(2).says("no-swap");
    run(&vm, "runuser -u dev -- oomguard check --role ci").exits(2);
    assert_eq!(etc(&vm), before, "check changed something");
    let asked = "printf 'n\\n' | script -qec 'oomguard apply --role ci' /dev/null";
    run(&vm, asked).exits(1).says("Apply these changes? [y/N]").says("Nothing was changed");
    run(&vm, "oomguard apply --role ci </dev/null").exits(64).says("use --yes");
    run(&vm, "oomguard plan --role ci -o /root/plan.json").exits(2);
    ok(&vm, "sysctl -qw vm.swappiness=61");
    run(&vm, "oomguard apply /root/plan.json --yes")
        .exits(1)
        .says("the host has changed since this plan was made");
    ok(&vm, "sysctl -qw vm.swappiness=60");
    assert_eq!(etc(&vm), before, "what was refused changed something");

    run(&vm, "oomguard apply --role ci --yes")
        .exits(0)
        .says("OK: this host")
        .says("swapon --show")
        .says("/swapfile");
    assert_eq!(session_scores(&vm), [-900, -800, 0], "live, right after the apply");
    let files = ok(&vm, "stat -c '%n %Y %i' $(find /etc -name '*oomguard*' -type f) /etc/fstab /swapfile");
    let reloads = "journalctl -b -t systemd --grep 'Reloading' -q | wc -l";
    let reloaded = ok(&vm, reloads);
    run(&vm, "oomguard apply --role ci --yes").exits(0).says("Nothing to change");
    assert_eq!(
        ok(&vm, "stat -c '%n %Y %i' $(find /etc -name '*oomguard*' -type f) /etc/fstab /swapfile"),
        files
    );
    assert_eq!(ok(&vm, reloads), reloaded, "a unit was reloaded for nothing");

    drop(session);
    vm.reboot().unwrap();
    run(&vm, "oomguard check --role ci").exits(0).says("OK: this host matches the policy.");
    assert_eq!(
        ok(&vm, "swapon --show=NAME,SIZE,PRIO --noheadings").split_whitespace().collect::<Vec<_>>(),
        ["/swapfile", "16G", "10"]
    );
    run(&vm, "findmnt --verify").exits(0);
    assert_eq!(ok(&vm, "sysctl -n vm.swappiness").trim(), "10");

    let session = session_with_tmux(&vm);
    assert_eq!(score(&vm, "-u dev -x systemd"), -900, "a user manager after the boot");
    vm.run_as("dev", "XDG_RUNTIME_DIR=/run/user/$(id -u) systemd-run --user --unit load sleep 300").unwrap();
    assert_eq!(score(&vm, "-u dev -x sleep"), 0, "a service of the user does not inherit");
    // The agent has protected the tmux server at its start and resets what a new pane inherits.
    assert_eq!(session_scores(&vm), [-900, -800, 0]);
    vm.run_as("dev", "tmux new-window -d -t work 'sleep 301'").unwrap();
    ok(&vm, "until pgrep -u dev -f 'sleep 301' >/dev/null; do sleep 0.2; done; sleep 0.5");
    assert_eq!(score(&vm, "-u dev -f 'sleep 301'"), 0);
    run(&vm, "oomguard check --role ci").exits(0).says("OK: this host");
    // Without the agent, check finds the missing agent, the unprotected server and the leak; apply fixes all of them.
    ok(&vm, "systemctl stop oomguard-agent");
    found(&vm, "--role ci").exits(2).says("agent-not-running");
    vm.run_as("dev", "tmux new-window -d -t work 'sleep 302'; tmux -L other new-session -d -s other")
        .unwrap();
    ok(&vm, "until pgrep -u dev -f 'sleep 302' >/dev/null; do sleep 0.2; done; sleep 0.5");
    found(&vm, "--role ci")
        .exits(2)
        .says("keeper-unprotected | tmux: server")
        .says("protection-leak | sleep");
    run(&vm, "oomguard apply --role ci --yes").exits(0);
    run(&vm, "oomguard check --role ci").exits(0).says("OK: this host");
    assert_eq!(score(&vm, "-u dev -f 'sleep 302'"), 0);
    vm.run_as("dev", "tmux -L other kill-server").unwrap();
    run(&vm, "oomguard status --role ci")
        .exits(0)
        .says("/swapfile")
        .says("99-zz-oomguard.conf")
        .says("tmux: server");
    drop(session);

    let first = ok(&vm, "oomguard history list | head -1 | cut -d' ' -f1");
    run(&vm, &format!("oomguard rollback --to {} --yes", first.trim())).exits(0);
    assert_eq!(etc(&vm), before, "after the rollback");
    assert_eq!(ok(&vm, "swapon --show --noheadings"), "");
    run(&vm, "test ! -e /swapfile").exits(0);
    assert_eq!(ok(&vm, "sysctl -n vm.swappiness").trim(), "60");
    assert_eq!(strays(&vm), "");
    vm.reboot().unwrap();
    let session = session_with_tmux(&vm);
    assert_eq!(session_scores(&vm), scores_before, "after the rollback and a reboot");
    drop(session);
}

#[test]
fn debian_11() {
    from_fresh_to_protected_and_back(Release::Bullseye);
}

#[test]
fn debian_12() {
    from_fresh_to_protected_and_back(Release::Bookworm);
}

#[test]
fn debian_13() {
    from_fresh_to_protected_and_back(Release::Trixie);
}
