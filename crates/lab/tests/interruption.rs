//! Applies that are killed or lose power after each step. The steps come from the plan.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // Helpers of tests are tests, too.

mod host;

use host::{Walk, boot, etc, ok, run, steps, strays};
use oomguard_lab::{HostSpec, Release, Vm};

const APPLY: &str = "apply --role ci";

#[test]
fn apply_killed_after_any_step_is_finished_by_a_rerun_and_rolled_back() {
    let vm = boot(&HostSpec::new(Release::Trixie));
    let before = etc(&vm);
    let total = steps(&vm, "--role ci");
    for step in 1..=total {
        let mut walk = Walk::start(&vm, APPLY);
        assert_eq!(walk.total, total);
        walk.to(step);
        walk.kill(&vm);
        run(&vm, "oomguard apply --role ci --yes").exits(0).says("interrupted");
        run(&vm, "oomguard check --role ci").exits(0);
        assert_eq!(strays(&vm), "", "killed after step {step}");
        run(&vm, "oomguard rollback --yes").exits(0);
        assert_eq!(etc(&vm), before, "killed after step {step}, rolled back");
        assert_eq!(
            ok(&vm, "swapon --show --noheadings; ls -a / | grep swap; true"),
            "",
            "killed after step {step}"
        );
    }
}

#[test]
fn rollback_killed_after_any_step_is_finished_by_the_next() {
    let mut vm = boot(&HostSpec::new(Release::Bookworm));
    let before = etc(&vm);
    run(&vm, "oomguard apply --role ci --yes").exits(0);
    vm.save("applied").unwrap();
    let mut step = 1;
    loop {
        vm.load("applied").unwrap();
        let mut walk = Walk::start(&vm, "rollback");
        let total = walk.total;
        walk.to(step);
        walk.kill(&vm);
        run(&vm, "oomguard rollback --yes").exits(0);
        assert_eq!(etc(&vm), before, "killed after step {step}");
        assert_eq!(strays(&vm), "");
        if step == total {
            break;
        }
        step += 1;
    }
    assert!(step > 8, "a rollback of only {step} steps");
}

/// Every `stride`th step from `first` on, so that two hosts share the work.
fn power_cut(release: Release, first: usize, stride: usize) {
    let mut vm = boot(&HostSpec::new(release));
    let total = steps(&vm, "--role ci");
    assert!(total > 8, "only {total} steps");
    vm.save("fresh").unwrap();
    for step in (first..=total).step_by(stride) {
        vm.load("fresh").unwrap();
        let mut walk = Walk::start(&vm, APPLY);
        assert_eq!(walk.total, total);
        walk.to(step);
        vm.power_cut();
        drop(walk);
        vm.power_on().unwrap();
        boots_well(&vm, step);
        run(&vm, "oomguard apply --role ci --yes").exits(0).says("interrupted").says("OK: this host");
        run(&vm, "oomguard check --role ci").exits(0);
        assert_eq!(strays(&vm), "", "power cut after step {step}");
        run(&vm, "findmnt --verify").exits(0);
        if step + stride > total {
            // Once is enough: every later host is in the state of a complete apply.
            vm.power_cut();
            vm.power_on().unwrap();
            run(&vm, "oomguard check --role ci").exits(0);
        }
        assert_eq!(ok(&vm, "swapon --show=SIZE --noheadings").trim(), "16G", "power cut after step {step}");
    }
}

/// The host is not in emergency mode, and everything that fstab names exists.
fn boots_well(vm: &Vm, step: usize) {
    let state = run(vm, "systemctl is-system-running --wait").text;
    assert!(matches!(state.trim(), "running" | "degraded"), "power cut after step {step}: {state}");
    let failed = ok(vm, "systemctl list-units --failed --plain --no-legend '*.swap' '*.mount'");
    assert_eq!(failed, "", "power cut after step {step}");
}

#[test]
fn host_boots_after_a_power_cut_after_any_odd_step() {
    power_cut(Release::Bookworm, 1, 2);
}

#[test]
fn host_boots_after_a_power_cut_after_any_even_step() {
    power_cut(Release::Trixie, 2, 2);
}

#[test]
fn concurrent_apply_is_refused() {
    let vm = boot(&HostSpec::new(Release::Bullseye));
    let mut first = Walk::start(&vm, APPLY);
    first.to(3);
    run(&vm, "oomguard apply --role ci --yes").exits(1).says("another oomguard (pid");
    run(&vm, "oomguard rollback --yes").exits(1).says("another oomguard (pid");
    first.to_end(3);
    run(&vm, "oomguard check --role ci").exits(0);
}
