//! Looking at single processes: what of /proc is read to tell whether one matters, and what it should be.

use oomguard_host::proc::{cgroup, oom_score_adj, stat, status, uptime};
use oomguard_host::processes::ProcDir;
use oomguard_host::{Host, passwd};
use oomguard_spec::policy::{Policy, Protection};

use super::process::{KeeperKind, Process, Program};
use super::process_rules;
use super::units;
use super::unread::Unread;

/// How many ancestors of a process are looked at. No real line of processes is longer.
const GENERATIONS: usize = 64;

/// For how long, in clock ticks, something in a manager's own scope may pass for a helper of the manager: 10 s.
const HELPER_TICKS: u64 = 10 * uptime::TICKS_PER_SECOND;

/// An open /proc, and what a policy asks of processes. It can be kept: the guard looks at each process as it starts.
#[derive(Debug)]
pub struct ProcessReader {
    host: Host,
    dir: ProcDir,
    policy: Policy,
    /// Lower than this, a process of a user is protected.
    lowest_ordinary: i32,
    /// Whether the policy names services or processes, so that any process may matter.
    names_any: bool,
    users: Vec<(String, u32)>,
    /// Whether the units of protected daemons are read, for what they say. That takes many files.
    reads_units: bool,
}

/// What a look at a process comes to.
#[derive(Debug)]
pub enum Relevance {
    /// It is a keeper, or named, or protected.
    Relevant(Box<Process>),
    /// The policy has nothing to say about it.
    Irrelevant,
    /// It is gone, or hidden from this user.
    Unreadable,
}

impl ProcessReader {
    /// Opens /proc for a policy.
    ///
    /// # Errors
    /// When it is not there.
    pub fn open(host: &Host, policy: &Policy) -> oomguard_host::Result<Self> {
        let protection = policy.oom_protection.as_ref();
        let load = protection.map_or(0, |protection| protection.load.get());
        let rules = protection.is_some_and(|p| !p.processes.is_empty());
        let services = protection.is_some_and(|p| !p.services.is_empty() || !p.expendable.is_empty());
        let users = if rules { host.read("/etc/passwd").unwrap_or_default() } else { Vec::new() };
        Ok(Self {
            host: host.clone(),
            dir: host.proc_dir()?,
            policy: policy.clone(),
            lowest_ordinary: load.max(0),
            names_any: rules || services,
            users: passwd::users(&users),
            reads_units: true,
        })
    }

    /// The same, without reading the units of daemons that are not to be touched anyway.
    #[must_use]
    pub fn without_daemon_units(mut self) -> Self {
        self.reads_units = false;
        self
    }

    /// The policy that it looks for.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The open /proc.
    #[must_use]
    pub fn dir(&self) -> &ProcDir {
        &self.dir
    }

    /// The processes that are there, ascending.
    ///
    /// # Errors
    /// When /proc cannot be listed.
    pub fn pids(&self) -> oomguard_host::Result<Vec<i32>> {
        self.dir.pids()
    }

    /// A score lower than this is protection for a process of a user.
    #[must_use]
    pub fn lowest_ordinary(&self) -> i32 {
        self.lowest_ordinary
    }

    /// Whether a process of this name may be a keeper: a first look that costs little.
    #[must_use]
    pub fn may_be_keeper(&self, comm: &[u8]) -> bool {
        matches!(comm, b"systemd" | b"(sd-pam)" | b"tmux: server" | b"screen" | b"zellij")
            || self.rules().iter().any(|rule| match (&rule.command, &rule.exe) {
                (Some(command), _) => command.as_bytes() == comm,
                // A program may call itself what it likes, so its name excludes nothing.
                (None, _) => true,
            })
    }

    fn rules(&self) -> &[oomguard_spec::policy::ProcessRule] {
        self.policy.oom_protection.as_ref().map_or(&[], |protection| &protection.processes)
    }

    /// Looks at one process. Two small files tell that it does not matter, as most do not.
    pub fn process(&self, pid: i32, buffer: &mut Vec<u8>, unread: &mut Vec<Unread>) -> Relevance {
        if !self.dir.read(pid, "oom_score_adj", buffer).unwrap_or(false) {
            return Relevance::Unreadable;
        }
        let Ok(score) = oom_score_adj::parse(buffer) else { return Relevance::Unreadable };
        let protected = score < self.lowest_ordinary;
        if !protected && !self.names_any {
            if !self.dir.read(pid, "comm", buffer).unwrap_or(false) {
                return Relevance::Unreadable;
            }
            if !self.may_be_keeper(buffer.trim_ascii_end()) {
                return Relevance::Irrelevant;
            }
        }
        let Some(process) = self.details(pid, score, buffer) else { return Relevance::Unreadable };
        let Some(mut process) = process else { return Relevance::Irrelevant };
        let named = process.unit.as_deref().is_some_and(|unit| self.is_named(unit))
            || self
                .protection()
                .is_some_and(|protection| process_rules::first_match(&process, protection).is_some());
        if !protected && !named && process.keeper.is_none() {
            return Relevance::Irrelevant;
        }
        if protected && !process.in_user_slice() {
            process.under_keeper = !named && self.has_keeper_above(&process, buffer);
            if self.reads_units || process.under_keeper {
                process.unit_score =
                    process.unit.as_deref().map(|unit| units::unit_score(&self.host, unit, unread));
            }
        }
        Relevance::Relevant(Box::new(process))
    }

    fn protection(&self) -> Option<&Protection> {
        self.policy.oom_protection.as_ref()
    }

    fn has_keeper_above(&self, process: &Process, buffer: &mut Vec<u8>) -> bool {
        let Some(protection) = self.protection().filter(|protection| !protection.processes.is_empty()) else {
            return false;
        };
        let mut above = process.ppid;
        for _ in 0..GENERATIONS {
            if above <= 1 {
                return false;
            }
            let Some(Some(parent)) = self.details(above, 0, buffer) else { return false };
            if process_rules::first_match(&parent, protection).is_some() {
                return true;
            }
            above = parent.ppid;
        }
        false
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
            user: None,
            exe: None,
            under_keeper: false,
        };
        if !self.rules().is_empty() {
            process.user = uid.and_then(|uid| self.user(uid));
            process.exe = self.program(&process);
        }
        process.keeper = self.keeper(&process, buffer);
        Some(Some(process))
    }

    fn user(&self, uid: u32) -> Option<String> {
        self.users.iter().find(|(_, number)| *number == uid).map(|(name, _)| name.clone())
    }

    fn program(&self, process: &Process) -> Option<Program> {
        let path = self.exe_path(process.pid)?;
        let owner = self.dir.exe_owner(process.pid);
        let roots = owner == Some(self.host.trusted_uid());
        Some(Program { path, roots, own: owner.is_some() && owner == process.uid })
    }

    fn exe_path(&self, pid: i32) -> Option<String> {
        let exe = self.dir.exe(pid)?;
        Some(exe.trim_end_matches(" (deleted)").to_owned())
    }

    fn keeper(&self, process: &Process, buffer: &mut Vec<u8>) -> Option<KeeperKind> {
        if let Some(unit) = process.unit.as_deref().filter(|unit| unit.starts_with("user@"))
            && in_managers_scope(process, unit)
        {
            return self.of_manager(process);
        }
        let program = self.multiplexer(process, buffer)?;
        let Some(exe) = self.exe_path(process.pid) else { return Some(KeeperKind::MultiplexerUnseen) };
        let is_it = exe.rsplit('/').next().is_some_and(|name| name.starts_with(program));
        // Anybody can call a process `tmux: server`; only root can put a program where it belongs to root.
        let trusted = self.dir.exe_owner(process.pid) == Some(self.host.trusted_uid());
        (is_it && trusted).then_some(KeeperKind::Multiplexer)
    }

    /// `systemd --user`, its PAM helper, or what it runs for a moment: by its place, and by its name and program, because
    /// that place belongs to its user, who could put anything there. What stays longer was put there by the user.
    fn of_manager(&self, process: &Process) -> Option<KeeperKind> {
        let named = matches!(process.comm.as_str(), "systemd" | "(sd-pam)");
        // Who may not see the program goes by the place and name alone; that user changes nothing.
        let is_systemd = self.exe_path(process.pid).is_none_or(|exe| {
            exe.rsplit('/').next().is_some_and(|name| name.starts_with("systemd"))
                && self.dir.exe_owner(process.pid) == Some(self.host.trusted_uid())
        });
        if named && is_systemd {
            return Some(KeeperKind::UserManager);
        }
        let uptime = uptime::parse(&self.host.read("/proc/uptime").ok()?).ok()?;
        (uptime.saturating_sub(process.start_time) < HELPER_TICKS).then_some(KeeperKind::ManagerHelper)
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
        self.protection().is_some_and(|protection| {
            protection
                .services
                .keys()
                .chain(protection.expendable.keys())
                .any(|pattern| pattern.matches(unit))
        })
    }
}

/// Whether a process is in the cgroup of a user manager itself: init.scope, and before systemd 254 at first the service's
/// own cgroup, from which the manager moves itself.
fn in_managers_scope(process: &Process, unit: &str) -> bool {
    let place = process.cgroup.strip_suffix("/init.scope").unwrap_or(&process.cgroup);
    place.strip_suffix(unit).is_some_and(|above| above.ends_with('/'))
}
