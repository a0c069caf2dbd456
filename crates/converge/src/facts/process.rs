//! A live process as a policy sees it.

use serde::Serialize;

use super::units::UnitScore;

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
    /// The name of its user in /etc/passwd; looked up only for policies with process rules.
    pub user: Option<String>,
    /// The program that it runs; read only for policies with process rules, and seen only by root for others.
    pub exe: Option<Program>,
    /// Whether a process that a rule names is among those that started it, so that its protection may come from there.
    /// Looked for only outside user.slice.
    pub under_keeper: bool,
}

/// The program that a process runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Program {
    /// Its path, as /proc/PID/exe links to it, without ` (deleted)`.
    pub path: String,
    /// It is root's, and nobody else may write to it.
    pub roots: bool,
    /// It is the process's own user's, and nobody else may write to it.
    pub own: bool,
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
