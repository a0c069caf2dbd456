//! What the guard does about processes that start, on a folder that stands for a host.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // Helpers of tests are tests, too.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use oomguard_agent::guard::{Act, ActKind, Guard, Witness};
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
struct Told(Vec<(ActKind, i32, i32)>);

impl Witness for Told {
    fn acted(&mut self, act: &Act) {
        self.0.push((act.kind, act.process.pid, act.to));
    }

    fn failed(&mut self, process: &Process, error: &HostError) {
        panic!("{}: {error}", process.pid);
    }
}

fn after(guard: &mut Guard, events: &[ProcEvent]) -> Vec<(ActKind, i32, i32)> {
    let mut told = Told::default();
    events.iter().for_each(|event| guard.hear(event));
    guard.act(&mut told);
    told.0
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
fn what_a_protected_server_starts_gives_its_protection_back_with_what_it_forked_meanwhile() {
    let machine = Machine::new();
    let mut guard = Guard::new(&machine.host(), &policy()).unwrap();
    machine.process(900, 800, "bash", -800, SESSION);
    machine.process(901, 900, "bash", -800, SESSION);
    fs::create_dir_all(machine.dir.path().join("proc/900/task/900")).unwrap();
    fs::write(machine.dir.path().join("proc/900/task/900/children"), "901 ").unwrap();
    let done = after(&mut guard, &[exec(900)]);
    assert_eq!(done, [(ActKind::Unleaked, 900, 0), (ActKind::Unleaked, 901, 0)]);
    assert_eq!([800, 900, 901].map(|pid| machine.score(pid)), [-800, 0, 0]);
    assert_eq!((guard.counts().unleaked(), guard.counts().events()), (2, 1));
    assert_eq!(after(&mut guard, &[exec(900), exec(901)]), []);
}

#[test]
fn a_server_is_protected_when_it_takes_its_name_and_only_if_it_is_one() {
    let machine = Machine::new();
    let mut guard = Guard::new(&machine.host(), &policy()).unwrap();
    machine.process(900, 1, "tmux: server", 0, SESSION);
    machine.runs_tmux(900);
    machine.process(901, 1, "tmux: server", 0, SESSION);
    fs::write(machine.dir.path().join("own"), "").unwrap();
    symlink(machine.dir.path().join("own"), machine.dir.path().join("proc/901/exe")).unwrap();
    let done = after(&mut guard, &[name(900, 900, "tmux: server"), name(901, 901, "tmux: server")]);
    assert_eq!(done, [(ActKind::Protected, 900, -800)]);
    assert_eq!(machine.score(901), 0);
}

#[test]
fn names_of_threads_and_names_that_no_keeper_has_are_passed_over() {
    let machine = Machine::new();
    let mut guard = Guard::new(&machine.host(), &policy()).unwrap();
    machine.process(900, 801, "worker", -500, SESSION);
    assert_eq!(after(&mut guard, &[name(900, 901, "tmux: server"), name(900, 900, "worker")]), []);
    assert_eq!(guard.counts().events(), 2);
}

#[test]
fn a_process_that_has_gone_or_was_replaced_is_left_alone() {
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

/// The floor below which its user cannot go is raised by a write, though the score stays what it is.
#[test]
fn what_a_user_manager_starts_is_written_once_more() {
    let machine = Machine::new();
    let mut guard = Guard::new(&machine.host(), &policy()).unwrap();
    guard.rescan(&mut Told::default());
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
fn outside_sessions_and_named_services_nothing_is_touched() {
    let machine = Machine::new();
    let mut guard = Guard::new(&machine.host(), &policy()).unwrap();
    machine.process(900, 1, "sshd", -1000, "/system.slice/ssh.service");
    machine.process(901, 900, "helper", -1000, "/system.slice/ssh.service");
    machine.process(902, 1, "ci", 0, "/system.slice/ci-job@1.service");
    let mut told = Told::default();
    guard.rescan(&mut told);
    assert_eq!(told.0, [(ActKind::Unleaked, 902, 500)]);
    assert_eq!(after(&mut guard, &[exec(901)]), []);
    assert_eq!([900, 901].map(|pid| machine.score(pid)), [-1000, -1000]);
}

#[test]
fn lost_events_and_a_new_policy_ask_for_a_look_at_all() {
    let machine = Machine::new();
    let mut guard = Guard::new(&machine.host(), &policy()).unwrap();
    assert_eq!(guard.recheck_due(), None);
    guard.lost();
    assert!(guard.recheck_due().is_some());
    guard.rescan(&mut Told::default());
    assert_eq!((guard.recheck_due(), guard.counts().lost_events(), guard.counts().rescans()), (None, 1, 1));
    let mut other = policy();
    other.oom_protection.as_mut().unwrap().tmux_sessions = oomguard_spec::score::Score::new(-500);
    guard.set_policy(&other).unwrap();
    assert!(guard.recheck_due().is_some());
    let mut told = Told::default();
    guard.rescan(&mut told);
    assert_eq!(told.0, [(ActKind::Unleaked, 800, -500)]);
}

/// Names make events, so between two looks at everything only the scores are read; what is known is looked at in full.
#[test]
fn a_look_again_finds_scores_that_changed_and_leaves_threads_of_the_kernel_alone() {
    let machine = Machine::new();
    machine.process(900, 801, "cc", 0, SESSION);
    machine.process(950, 2, "kworker/0:1", 0, "/");
    let stat = machine.dir.path().join("proc/950/stat");
    let thread = fs::read_to_string(&stat).unwrap().replace(" 4194560 ", " 2129984 ");
    fs::write(&stat, thread).unwrap();
    let mut guard = Guard::new(&machine.host(), &policy()).unwrap();
    guard.look_again(&mut Told::default());

    // By themselves, without an event: a load that protects itself, and a keeper that lost its score.
    machine.set_score(900, -300);
    machine.set_score(800, 0);
    // Nothing of a thread of the kernel is read: this one would be a leak.
    machine.process(950, 801, "cc", -300, SESSION);
    let mut told = Told::default();
    guard.look_again(&mut told);
    assert_eq!(told.0, [(ActKind::Protected, 800, -800), (ActKind::Unleaked, 900, 0)]);
    assert_eq!(machine.score(950), -300);
    // Its number is another's now, as the exec tells.
    assert_eq!(after(&mut guard, &[exec(950)]), [(ActKind::Unleaked, 950, 0)]);
}

/// Whatever events have missed is found within thirty looks.
#[test]
fn now_and_then_a_look_again_looks_at_everything() {
    let machine = Machine::new();
    let mut guard = Guard::new(&machine.host(), &policy()).unwrap();
    guard.look_again(&mut Told::default());
    machine.process(900, 1, "tmux: server", 0, SESSION);
    machine.runs_tmux(900);
    let mut told = Told::default();
    for _ in 0..60 {
        assert_eq!(told.0, []);
        guard.look_again(&mut told);
    }
    assert_eq!(told.0, [(ActKind::Protected, 900, -800)]);
}

/// Its server is a fork of the client, without an exec and without a new name of its own.
#[test]
fn a_start_of_screen_asks_for_a_look_at_all_soon_after() {
    let machine = Machine::new();
    let host = machine.host();
    let mut guard = Guard::new(&host, &policy()).unwrap();
    machine.process(900, 801, "screen", 0, SESSION);
    fs::write(machine.dir.path().join("proc/900/cmdline"), "screen\0-S\0x\0").unwrap();
    let before = host.tick();
    assert_eq!(after(&mut guard, &[exec(900)]), []);
    let due = guard.recheck_due().unwrap();
    assert!(due > before && due - before < std::time::Duration::from_millis(500));
}

/// Before systemd 254 a user manager starts in the service's own cgroup, and its user may put anything there.
#[test]
fn a_user_manager_that_starts_keeps_its_score_and_what_only_stands_in_its_place_does_not() {
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
    assert_eq!(done, [(ActKind::Unleaked, 903, 0), (ActKind::Unleaked, 902, 0)]);
}
