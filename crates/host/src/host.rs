//! A machine, or a folder that stands for one.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The search path for programs on a live machine. Never the caller's PATH: this runs as root.
const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A machine: files below a root, programs on a path, a clock.
#[derive(Clone, Debug)]
pub struct Host {
    root: PathBuf,
    programs: Option<OsString>,
    trusted_uid: u32,
    clock: Clock,
    current_exe: Option<PathBuf>,
    agent_program: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug)]
enum Clock {
    System,
    Fixed(u64),
}

impl Host {
    /// The machine this runs on.
    #[must_use]
    pub fn live() -> Self {
        Self {
            root: PathBuf::from("/"),
            programs: Some(SYSTEM_PATH.into()),
            trusted_uid: 0,
            clock: Clock::System,
            // Stays valid when an update replaces the file.
            current_exe: Some(PathBuf::from("/proc/self/exe")),
            agent_program: None,
        }
    }

    /// A folder that stands for a machine. It runs no programs.
    ///
    /// Files of the current user are trusted like those of root on a live machine, so that tests need no root.
    #[must_use]
    pub fn folder(root: &Path) -> Self {
        let trusted_uid = rustix::process::geteuid().as_raw();
        Self {
            root: root.to_path_buf(),
            programs: None,
            trusted_uid,
            clock: Clock::System,
            current_exe: None,
            agent_program: None,
        }
    }

    /// Searches programs on `path` (as in `PATH`).
    #[must_use]
    pub fn with_programs(mut self, path: impl Into<OsString>) -> Self {
        self.programs = Some(path.into());
        self
    }

    /// Stops the clock at `seconds` since 1970.
    #[must_use]
    pub fn with_fixed_clock(mut self, seconds: u64) -> Self {
        self.clock = Clock::Fixed(seconds);
        self
    }

    /// Takes a file as the running program.
    #[must_use]
    pub fn with_current_exe(mut self, path: &Path) -> Self {
        self.current_exe = Some(path.to_path_buf());
        self
    }

    /// The same host, with the agent's program in this file and nowhere else.
    #[must_use]
    pub fn with_agent_program(mut self, path: &Path) -> Self {
        self.agent_program = Some(path.to_path_buf());
        self
    }

    pub(crate) fn agent_program(&self) -> Option<&Path> {
        self.agent_program.as_deref()
    }

    pub(crate) fn current_exe(&self) -> Option<&Path> {
        self.current_exe.as_deref()
    }

    /// Whether this is a machine and not a folder.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.root == Path::new("/")
    }

    /// Whether `pid` is this process; never in a folder.
    #[must_use]
    pub fn is_self(&self, pid: i32) -> bool {
        self.is_live() && u32::try_from(pid).is_ok_and(|pid| pid == std::process::id())
    }

    /// The page size in bytes, the unit of the counters in /proc/vmstat.
    #[must_use]
    pub fn page_size(&self) -> u64 {
        rustix::param::page_size() as u64
    }

    /// The only user whose files and folders are trusted: root on a live machine.
    #[must_use]
    pub fn trusted_uid(&self) -> u32 {
        self.trusted_uid
    }

    /// Whether this process may change the host.
    #[must_use]
    pub fn may_change(&self) -> bool {
        rustix::process::geteuid().as_raw() == self.trusted_uid
    }

    /// The path of a host's file for this process.
    #[must_use]
    pub fn real(&self, path: &str) -> PathBuf {
        if self.is_live() { PathBuf::from(path) } else { self.root.join(path.trim_start_matches('/')) }
    }

    /// The time of [`Host::with_fixed_clock`].
    pub(crate) fn fixed_clock(&self) -> Option<u64> {
        match self.clock {
            Clock::Fixed(seconds) => Some(seconds),
            Clock::System => None,
        }
    }

    pub(crate) fn programs(&self) -> Option<&OsString> {
        self.programs.as_ref()
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }
}
