//! What speaks against a drill, on folders that stand for hosts.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // Helpers of tests are tests, too.

use std::fs;
use std::path::Path;
use std::time::Duration;

use oomguard_converge::Facts;
use oomguard_drill::{Order, Scene, Scope, Work, refusals};
use oomguard_host::Host;
use oomguard_spec::size::Bytes;
use oomguard_spec::{Builtin, builtin};
use tempfile::TempDir;

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A host that a drill may be run on: 2 GiB available.
fn good() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    let memory = "MemTotal: 4194304 kB\nMemFree: 2097152 kB\nMemAvailable: 2097152 kB\nBuffers: 0 kB\nCached: 0 kB\n\
                  SwapTotal: 0 kB\nSwapFree: 0 kB\nSwapCached: 0 kB\n";
    write(root, "proc/meminfo", memory);
    write(root, "proc/sys/vm/panic_on_oom", "0\n");
    write(root, "proc/self/mountinfo", "30 1 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n");
    write(root, "sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids\n");
    write(root, "sys/fs/cgroup/user.slice/memory.max", "max\n");
    fs::create_dir_all(root.join("run/systemd/system")).unwrap();
    dir
}

fn order(scope: Scope, mib: u64) -> Order {
    Order {
        work: Work::Scene(Scene::Compile),
        scope,
        limit: Bytes(mib << 20),
        time: Duration::from_secs(60),
        keeper_score: None,
        program: "/usr/bin/oomguard".to_owned(),
    }
}

fn ids(dir: &TempDir, order: &Order) -> Vec<String> {
    let host = Host::folder(dir.path());
    let facts = Facts::read(&host, &builtin::policy(Builtin::Workstation)).unwrap();
    refusals(&host, &facts, order).into_iter().map(|refusal| refusal.id).collect()
}

/// What a host is refused for after a change.
#[track_caller]
fn refused(change: impl FnOnce(&Path), order: &Order, wanted: &[&str]) {
    let dir = good();
    change(dir.path());
    assert_eq!(ids(&dir, order), wanted);
}

#[test]
fn a_good_host_is_not_refused() {
    for scope in [Scope::Cgroup, Scope::Host] {
        assert_eq!(ids(&good(), &order(scope, 256)), [""; 0]);
    }
}

#[test]
fn each_reason_is_told() {
    let small = order(Scope::Cgroup, 128);
    refused(|root| write(root, "run/systemd/container", "lxc\n"), &small, &["container"]);
    refused(|root| fs::remove_dir_all(root.join("run/systemd")).unwrap(), &small, &["no-systemd"]);
    let v1 = "30 1 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
    refused(|root| write(root, "proc/self/mountinfo", v1), &small, &["no-cgroup-v2"]);
    let without = "cpuset cpu io pids\n";
    refused(
        |root| write(root, "sys/fs/cgroup/cgroup.controllers", without),
        &small,
        &["no-memory-controller"],
    );
    refused(
        |root| fs::create_dir_all(root.join("sys/fs/cgroup/user.slice/oomguard-drill-5.service")).unwrap(),
        &small,
        &["another-drill"],
    );
}

#[test]
fn a_kernel_that_panics_is_let_be() {
    let panics = |value: &'static str| move |root: &Path| write(root, "proc/sys/vm/panic_on_oom", value);
    refused(panics("2\n"), &order(Scope::Cgroup, 128), &["panic-on-oom"]);
    refused(panics("1\n"), &order(Scope::Cgroup, 128), &[]);
    refused(panics("1\n"), &order(Scope::Host, 128), &["panic-on-oom"]);
}

#[test]
fn a_drill_is_an_eighth_of_what_is_available_at_most() {
    let none = |_: &Path| {};
    refused(none, &order(Scope::Cgroup, 256), &[]);
    refused(none, &order(Scope::Cgroup, 257), &["no-room"]);
    refused(none, &order(Scope::Cgroup, 63), &["too-small"]);
    let short = "MemTotal: 4194304 kB\nMemFree: 400000 kB\nMemAvailable: 400000 kB\nBuffers: 0 kB\nCached: 0 kB\n\
                 SwapTotal: 0 kB\nSwapFree: 0 kB\nSwapCached: 0 kB\n";
    refused(|root| write(root, "proc/meminfo", short), &order(Scope::Cgroup, 48), &["no-room"]);
}

/// At the slice's own limit the kernel would choose among all sessions.
#[test]
fn a_slice_that_is_near_a_limit_of_its_own_is_let_be() {
    let limit = |used: u64| {
        move |root: &Path| {
            write(root, "sys/fs/cgroup/user.slice/memory.max", &format!("{}\n", 1_u64 << 30));
            write(root, "sys/fs/cgroup/user.slice/memory.current", &format!("{}\n", used << 20));
        }
    };
    refused(limit(700), &order(Scope::Cgroup, 128), &[]);
    refused(limit(800), &order(Scope::Cgroup, 128), &["slice-limit"]);
}
