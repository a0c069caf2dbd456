//! The live processes that matter to a policy: keepers, named services, and whatever is protected.

use oomguard_host::Host;
use oomguard_host::proc::{cgroup, oom_score_adj, stat, status, uptime};
use oomguard_host::processes::ProcDir;
use oomguard_spec::policy::Policy;
use serde::Serialize;

use super::Unread;
use super::units::{self, UnitScore};

/// For how long, in clock ticks, something in a manager's own scope may pass for a helper of the manager: 10 s.
const HELPER_TICKS: u64 = 10 * uptime::TICKS_PER_SECOND;

/// The processes that matter to a policy, and how many there are in all.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Processes {
    /// Those that matter, by number.
    pub list: Vec<Process>,
    /// All that were looked at.
    pub seen: usize,
    /// How many were hidden from this user, or gone before they could be read.
    pub unreadable: usize,
}

/// A live process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// Its parent's number.
    pub ppid: i32,
    /// When it started, in clock ticks since boot: with the number, this tells it from any other process.
    pub start_time: u64,
    /// Its name, at most 15 bytes.
    pub comm: String,
    /// Its user.
    pub uid: Option<u32>,
    /// Its oom_score_adj.
    pub score: i32,
    /// Its systemd cgroup.
    pub cgroup: String,
    /// The system's unit that it is in.
    pub unit: Option<String>,
    /// What that unit says about its score; read only for protected processes.
    pub unit_score: Option<UnitScore>,
    /// What kind of keeper it is by its looks.
    pub keeper: Option<KeeperKind>,
}

/// A process that others live in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeeperKind {
    /// `systemd --user`, with its PAM helper.
    UserManager,
    /// What a user manager has just started for itself (a generator, an executor), and that is gone in a moment.
    ManagerHelper,
    /// The server of a terminal multiplexer.
    Multiplexer,
    /// It looks like a multiplexer's server, but its program cannot be seen by this user.
    MultiplexerUnseen,
}

impl Process {
    /// Whether a user's session started it.
    #[must_use]
    pub fn in_user_slice(&self) -> bool {
        self.cgroup.starts_with("/user.slice/")
    }
}

pub(super) fn read(host: &Host, policy: &Policy, unread: &mut Vec<Unread>) -> Processes {
    let mut found = Processes::default();
    let (dir, pids) = match host.proc_dir().and_then(|dir| dir.pids().map(|pids| (dir, pids))) {
        Ok(listed) => listed,
        Err(e) => {
            unread.push(Unread::new("/proc", e, "which processes run and how they are protected"));
            return found;
        }
    };
    let scan = Scan::new(host, &dir, policy);
    let mut buffer = Vec::with_capacity(4096);
    for pid in pids {
        found.seen += 1;
        match scan.process(pid, &mut buffer, unread) {
            Seen::Matters(process) => found.list.push(*process),
            Seen::Ordinary => {}
            Seen::Unreadable => found.unreadable += 1,
        }
    }
    if found.seen <= 1 {
        unread.push(Unread::new(
            "/proc",
            "it shows no other processes (hidepid?)",
            "which processes are protected",
        ));
    }
    found
}

enum Seen {
    Matters(Box<Process>),
    Ordinary,
    Unreadable,
}

struct Scan<'a> {
    host: &'a Host,
    dir: &'a ProcDir,
    /// Lower than this, a process of a user is protected.
    lowest_ordinary: i32,
    policy: &'a Policy,
    names_services: bool,
    /// Clock ticks since boot.
    uptime: Option<u64>,
}

impl<'a> Scan<'a> {
    fn new(host: &'a Host, dir: &'a ProcDir, policy: &'a Policy) -> Self {
        let protection = policy.oom_protection.as_ref();
        let load = protection.map_or(0, |protection| protection.load.get());
        let names_services = protection.is_some_and(|p| !p.services.is_empty() || !p.expendable.is_empty());
        let uptime = host.read("/proc/uptime").ok().and_then(|bytes| uptime::parse(&bytes).ok());
        Self { host, dir, lowest_ordinary: load.max(0), policy, names_services, uptime }
    }

    /// Two small files tell that a process does not matter, as most do not.
    fn process(&self, pid: i32, buffer: &mut Vec<u8>, unread: &mut Vec<Unread>) -> Seen {
        if !self.dir.read(pid, "oom_score_adj", buffer).unwrap_or(false) {
            return Seen::Unreadable;
        }
        let Ok(score) = oom_score_adj::parse(buffer) else { return Seen::Unreadable };
        let protected = score < self.lowest_ordinary;
        if !protected && !self.names_services {
            if !self.dir.read(pid, "comm", buffer).unwrap_or(false) {
                return Seen::Unreadable;
            }
            if !may_be_keeper(buffer.trim_ascii_end()) {
                return Seen::Ordinary;
            }
        }
        let Some(process) = self.details(pid, score, buffer) else { return Seen::Unreadable };
        let Some(mut process) = process else { return Seen::Ordinary };
        let named = process.unit.as_deref().is_some_and(|unit| self.is_named(unit));
        if !protected && !named && process.keeper.is_none() {
            return Seen::Ordinary;
        }
        if protected && !process.in_user_slice() {
            process.unit_score =
                process.unit.as_deref().map(|unit| units::unit_score(self.host, unit, unread));
        }
        Seen::Matters(Box::new(process))
    }

    /// All that is known of a process: `None` when it is gone, `Some(None)` for a thread of the kernel.
    fn details(&self, pid: i32, score: i32, buffer: &mut Vec<u8>) -> Option<Option<Process>> {
        let mut read = |name| self.dir.read(pid, name, buffer).ok()?.then(|| buffer.clone());
        let stat = stat::parse(&read("stat")?).ok()?;
        if stat.is_kernel_thread() {
            return Some(None);
        }
        let membership = cgroup::parse(&read("cgroup")?).ok()?;
        let cgroup = membership.systemd_path().unwrap_or("/").to_owned();
        let uid = read("status").and_then(|bytes| status::parse_uid(&bytes).ok());
        let unit = cgroup::unit_of(&cgroup).map(str::to_owned);
        let mut process = Process {
            pid,
            ppid: stat.ppid,
            start_time: stat.start_time,
            comm: stat.comm,
            uid,
            score,
            cgroup,
            unit,
            unit_score: None,
            keeper: None,
        };
        process.keeper = self.keeper(&process, buffer);
        Some(Some(process))
    }

    fn keeper(&self, process: &Process, buffer: &mut Vec<u8>) -> Option<KeeperKind> {
        let manager = process.unit.as_deref().is_some_and(|unit| unit.starts_with("user@"));
        if manager && process.cgroup.ends_with("/init.scope") {
            return self.in_managers_scope(process);
        }
        let program = self.multiplexer(process, buffer)?;
        let Some(exe) = self.dir.exe(process.pid) else { return Some(KeeperKind::MultiplexerUnseen) };
        let exe = exe.trim_end_matches(" (deleted)");
        let is_it = exe.rsplit('/').next().is_some_and(|name| name.starts_with(program));
        // Anybody can call a process `tmux: server`; only root can put a program where it belongs to root.
        let trusted = self.dir.exe_is_owned_by(process.pid, self.host.trusted_uid()) == Some(true);
        (is_it && trusted).then_some(KeeperKind::Multiplexer)
    }

    /// The manager, its PAM helper, or what it runs for a moment. What stays longer was put there by the user.
    fn in_managers_scope(&self, process: &Process) -> Option<KeeperKind> {
        if matches!(process.comm.as_str(), "systemd" | "(sd-pam)") {
            return Some(KeeperKind::UserManager);
        }
        // Younger than the reading of the uptime: it has just started.
        let age = self.uptime?.saturating_sub(process.start_time);
        (age < HELPER_TICKS).then_some(KeeperKind::ManagerHelper)
    }

    /// The multiplexer whose server this process looks like.
    fn multiplexer(&self, process: &Process, buffer: &mut Vec<u8>) -> Option<&'static str> {
        match process.comm.as_str() {
            "tmux: server" => Some("tmux"),
            // The client has the same name; screen's server calls itself SCREEN in its command line.
            "screen" => self.command_line(process.pid, buffer)?.starts_with(b"SCREEN").then_some("screen"),
            "zellij" => {
                let line = self.command_line(process.pid, buffer)?;
                line.split(|byte| *byte == 0).any(|word| word == b"--server").then_some("zellij")
            }
            _ => None,
        }
    }

    fn command_line<'b>(&self, pid: i32, buffer: &'b mut Vec<u8>) -> Option<&'b [u8]> {
        self.dir.read(pid, "cmdline", buffer).ok()?.then_some(buffer.as_slice())
    }

    fn is_named(&self, unit: &str) -> bool {
        self.policy.oom_protection.as_ref().is_some_and(|protection| {
            protection
                .services
                .keys()
                .chain(protection.expendable.keys())
                .any(|pattern| pattern.matches(unit))
        })
    }
}

/// Whether a process of this name may be a keeper: a first look that costs little.
fn may_be_keeper(comm: &[u8]) -> bool {
    matches!(comm, b"systemd" | b"(sd-pam)" | b"tmux: server" | b"screen" | b"zellij")
}
