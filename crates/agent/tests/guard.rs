//! The guard on processes that start, on a folder that stands for a host.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // Helpers of tests are tests, too.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use oomguard_agent::guard::{ChangeKind, Guard, Observer, ScoreChange};
use oomguard_converge::facts::Process;
use oomguard_host::proc_event::ProcEvent;
use oomguard_host::{Host, HostError};
use oomguard_spec::policy::Policy;
use oomguard_spec::{Builtin, builtin};
use tempfile::TempDir;

const SESSION: &str = "/user.slice/user-1000.slice/session-3.scope";
const MANAGER: &str = "/user.slice/user-1000.slice/user@1000.service/init.scope";

/// A /proc with a user manager (700), a tmux server (800) and a shell in its pane (801).
struct Machine {
    dir: TempDir,
}

impl Machine {
    fn new() -> Self {
        let machine = Self { dir: tempfile::tempdir().unwrap() };
        fs::write(machine.dir.path().join("tmux"), "").unwrap();
        fs::set_permissions(machine.dir.path().join("tmux"), fs::Permissions::from_mode(0o755)).unwrap();
        machine.process(700, 1, "systemd", -900, MANAGER);
        machine.process(800, 1, "tmux: server", -800, SESSION);
        machine.runs_tmux(800);
        machine.process(801, 800, "bash", 0, SESSION);
        machine
    }

    fn host(&self) -> Host {
        Host::folder(self.dir.path())
    }

    fn runs_tmux(&self, pid: i32) {
        symlink(self.dir.path().join("tmux"), self.dir.path().join(format!("proc/{pid}/exe"))).unwrap();
    }

    fn process(&self, pid: i32, ppid: i32, comm: &str, score: i32, cgroup: &str) {
        let dir = self.dir.path().join(format!("proc/{pid}"));
        fs::create_dir_all(&dir).unwrap();
        let stat =
            format!("{pid} ({comm}) S {ppid} 1 1 0 -1 4194560 0 0 0 0 1 1 0 0 20 0 1 0 {} 1 5 0", 1000 + pid);
        for (name, text) in [
            ("stat", stat),
            ("comm", format!("{comm}\n")),
            ("status", "Uid:\t1000\t1000\t1000\t1000\n".to_owned()),
            ("cgroup", format!("0::{cgroup}\n")),
            ("oom_score_adj", format!("{score}\n")),
        ] {
            fs::write(dir.join(name), text).unwrap();
        }
    }

    fn set_score(&self, pid: i32, score: i32) {
        fs::write(self.dir.path().join(format!("proc/{pid}/oom_score_adj")), format!("{score}\n")).unwrap();
    }

    fn score(&self, pid: i32) -> i32 {
        let path = self.dir.path().join(format!("proc/{pid}/oom_score_adj"));
        fs::read_to_string(path).unwrap().trim().parse().unwrap()
    }

    fn written(&self, pid: i32) -> std::time::SystemTime {
        let path = self.dir.path().join(format!("proc/{pid}/oom_score_adj"));
        path.metadata().unwrap().modified().unwrap()
    }
}

fn policy() -> Policy {
    builtin::policy(Builtin::Ci)
}

#[derive(Default)]
struct Changes(Vec<(ChangeKind, i32, i32)>);

impl Observer for Changes {
    fn changed(&mut self, change: &ScoreChange) {
        self.0.push((change.kind, change.process.pid, change.to));
    }

    fn failed(&mut self, process: &Process, error: &HostError) {
        panic!("{}: {error}", process.pid);
    }
}

fn after(guard: &mut Guard, events: &[ProcEvent]) -> Vec<(ChangeKind, i32, i32)> {
    let mut changes = Changes::default();
    events.iter().for_each(|event| guard.queue_event(event));
    guard.handle_queue(&mut changes);
    changes.0
}

fn exec(process: i32) -> ProcEvent {
    ProcEvent::Exec { process }
}

fn name(process: i32, thread: i32, name: &str) -> ProcEvent {
    let mut comm = [0; 16];
    comm[..name.len()].copy_from_slice(name.as_bytes());
    ProcEvent::Name { thread, process, comm }
}

#[test]
fn a_child_of_a_protected_server_loses_the_inherited_protection_with_its_own_children() {
    let machine = Machine::new();
    let mut guard = Guard::new(&machine.host(), &policy()).unwrap();
    machine.process(900, 800, "bash", -800, SESSION);
    machine.process(901, 900, "bash", -800, SESSION);
    fs::create_dir_all(machine.dir.path().join("proc/900/task/900")).unwrap();
    fs::write(machine.dir.path().join("proc/900/task/900/children"), "901 ").unwrap();
    let done = after(&mut guard, &[exec(900)]);
    assert_eq!(done, [(ChangeKind::Unleaked, 900, 0), (ChangeKind::Unleaked, 901, 0)]);
    assert_eq!([800, 900, 901].map(|pid| machine.score(pid)), [-800, 0, 0]);
    assert_eq!((guard.counts().unleaked(), guard.counts().events()), (2, 1));
    assert_eq!(after(&mut guard, &[exec(900), exec(901)]), []);
}

#[test]
fn a_tmux_server_is_protected_at_its_rename_and_an_impostor_is_not() {
    let machine = Machine::new();
    let mut guard = Guard::new(&machine.host(), &policy()).unwrap();
    machine.process(900, 1, "tmux: server", 0, SESSION);
    machine.runs_tmux(900);
    machine.process(901, 1, "tmux: server", 0, SESSION);
    fs::write(machine.dir.path().join("own"), "").unwrap();
    symlink(machine.dir.path().join("own"), machine.dir.path().join("proc/901/exe")).unwrap();
    let done = after(&mut guard, &[name(900, 900, "tmux: server"), name(901, 901, "tmux: server")]);
    assert_eq!(done, [(ChangeKind::Protected, 900, -800)]);
    assert_eq!(machine.score(901), 0);
}

#[test]
fn renames_of_threads_and_of_ordinary_processes_are_ignored() {
    let machine = Machine::new();
    let mut guard = Guard::new(&machine.host(), &policy()).unwrap();
    machine.process(900, 801, "worker", -500, SESSION);
    assert_eq!(after(&mut guard, &[name(900, 901, "tmux: server"), name(900, 900, "worker")]), []);
    assert_eq!(guard.counts().events(), 2);
}

#[test]
fn a_process_that_exited_or_whose_number_was_reused_is_not_written() {
    let machine = Machine::new();
    let mut guard = Guard::new(&machine.host(), &policy()).unwrap();
    assert_eq!(after(&mut guard, &[exec(12345)]), []);
    machine.process(900, 801, "old", -500, SESSION);
    let dir = machine.host().proc_dir().unwrap();
    assert!(!dir.set_score(900, 7, 0, &mut Vec::new()).unwrap(), "it started at another time");
    assert_eq!(machine.score(900), -500);
    assert!(dir.set_score(900, 1900, 0, &mut Vec::new()).unwrap());
    assert_eq!(machine.score(900), 0);
}

/// A write raises the floor below which the user cannot set the score, although the score stays the same.
#[test]
fn the_floor_of_a_user_managers_child_is_raised() {
    let machine = Machine::new();
    let mut guard = Guard::new(&machine.host(), &policy()).unwrap();
    guard.scan_all(&mut Changes::default());
    machine.process(
        900,
        700,
        "job",
        100,
        "/user.slice/user-1000.slice/user@1000.service/app.slice/job.service",
    );
    machine.process(901, 801, "cc", 0, SESSION);
    let (job, cc) = (machine.written(900), machine.written(901));
    std::thread::sleep(std::time::Duration::from_millis(20));
    assert_eq!(after(&mut guard, &[exec(900), exec(901)]), []);
    assert_eq!((machine.score(900), guard.counts().floors()), (100, 1));
    assert!(machine.written(900) > job && machine.written(901) == cc, "ordinary processes are not written");
}

#[test]
fn processes_outside_sessions_and_named_services_are_not_changed() {
    let machine = Machine::new();
    let mut guard = Guard::new(&machine.host(), &policy()).unwrap();
    machine.process(900, 1, "sshd", -1000, "/system.slice/ssh.service");
    machine.process(901, 900, "helper", -1000, "/system.slice/ssh.service");
    machine.process(902, 1, "ci", 0, "/system.slice/ci-job@1.service");
    let mut changes = Changes::default();
    guard.scan_all(&mut changes);
    assert_eq!(changes.0, [(ChangeKind::Unleaked, 902, 500)]);
    assert_eq!(after(&mut guard, &[exec(901)]), []);
    assert_eq!([900, 901].map(|pid| machine.score(pid)), [-1000, -1000]);
}

#[test]
fn lost_events_and_a_new_policy_cause_a_full_scan() {
    let machine = Machine::new();
    let mut guard = Guard::new(&machine.host(), &policy()).unwrap();
    assert_eq!(guard.rescan_due(), None);
    guard.events_lost();
    assert!(guard.rescan_due().is_some());
    guard.scan_all(&mut Changes::default());
    assert_eq!((guard.rescan_due(), guard.counts().lost_events(), guard.counts().rescans()), (None, 1, 1));
    let mut other = policy();
    other.oom_protection.as_mut().unwrap().tmux_sessions = oomguard_spec::score::Score::new(-500);
    guard.set_policy(&other).unwrap();
    assert!(guard.rescan_due().is_some());
    let mut changes = Changes::default();
    guard.scan_all(&mut changes);
    assert_eq!(changes.0, [(ChangeKind::Unleaked, 800, -500)]);
}

/// Renames cause events, so between two full scans only scores are read.
#[test]
fn a_scan_of_scores_finds_changed_ones_and_skips_kernel_threads() {
    let machine = Machine::new();
    machine.process(900, 801, "cc", 0, SESSION);
    machine.process(950, 2, "kworker/0:1", 0, "/");
    let stat = machine.dir.path().join("proc/950/stat");
    let thread = fs::read_to_string(&stat).unwrap().replace(" 4194560 ", " 2129984 ");
    fs::write(&stat, thread).unwrap();
    let mut guard = Guard::new(&machine.host(), &policy()).unwrap();
    guard.scan_scores(&mut Changes::default());

    // Without an event: a load that protects itself, and a keeper that lost its score.
    machine.set_score(900, -300);
    machine.set_score(800, 0);
    // Kernel threads are not read: this one would be a leak.
    machine.process(950, 801, "cc", -300, SESSION);
    let mut changes = Changes::default();
    guard.scan_scores(&mut changes);
    assert_eq!(changes.0, [(ChangeKind::Protected, 800, -800), (ChangeKind::Unleaked, 900, 0)]);
    assert_eq!(machine.score(950), -300);
    // The exec shows that the number was reused.
    assert_eq!(after(&mut guard, &[exec(950)]), [(ChangeKind::Unleaked, 950, 0)]);
}

/// A full scan finds what events have missed.
#[test]
fn every_sixtieth_scan_is_a_full_scan() {
    let machine = Machine::new();
    let mut guard = Guard::new(&machine.host(), &policy()).unwrap();
    guard.scan_scores(&mut Changes::default());
    machine.process(900, 1, "tmux: server", 0, SESSION);
    machine.runs_tmux(900);
    let mut changes = Changes::default();
    for _ in 0..60 {
        assert_eq!(changes.0, []);
        guard.scan_scores(&mut changes);
    }
    assert_eq!(changes.0, [(ChangeKind::Protected, 900, -800)]);
}

/// Its server is a fork of the client, without an exec and without a new name of its own.
#[test]
fn a_start_of_screen_causes_a_full_scan_soon_after() {
    let machine = Machine::new();
    let host = machine.host();
    let mut guard = Guard::new(&host, &policy()).unwrap();
    machine.process(900, 801, "screen", 0, SESSION);
    fs::write(machine.dir.path().join("proc/900/cmdline"), "screen\0-S\0x\0").unwrap();
    let before = host.tick();
    assert_eq!(after(&mut guard, &[exec(900)]), []);
    let due = guard.rescan_due().unwrap();
    assert!(due > before && due - before < std::time::Duration::from_millis(500));
}

/// Before systemd 254 a user manager starts in the service's own cgroup, and its user may put anything there.
#[test]
fn a_starting_user_manager_keeps_its_score_and_an_impostor_does_not() {
    let machine = Machine::new();
    let mut guard = Guard::new(&machine.host(), &policy()).unwrap();
    let service = "/user.slice/user-1001.slice/user@1001.service";
    for (pid, program, cgroup) in [
        (900, "systemd", service.to_owned()),
        (901, "systemd", format!("{service}/init.scope")),
        (902, "cc", format!("{service}/init.scope")),
        (903, "systemd", format!("{service}/app.slice/x.service")),
    ] {
        machine.process(pid, 1, "systemd", -900, &cgroup);
        let path = machine.dir.path().join(program);
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        symlink(&path, machine.dir.path().join(format!("proc/{pid}/exe"))).unwrap();
    }
    let done = after(&mut guard, &[exec(900), exec(901), exec(902), exec(903)]);
    assert_eq!(done, [(ChangeKind::Unleaked, 903, 0), (ChangeKind::Unleaked, 902, 0)]);
}
