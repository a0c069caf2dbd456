//! Running protected processes, and how they ended.

use std::collections::BTreeMap;

use oomguard_converge::facts::Process;
use oomguard_converge::target_score::{Bound, target_score};
use oomguard_spec::policy::Policy;

use crate::event::{Ending, Event};
use oomguard_text::DisplayText;

/// The longest time between the end of a process and the kernel's line about its kill.
const KILL_LINE_DELAY_MS: u64 = 5_000;

/// A keeper that the policy protects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtectedProcess {
    /// Process id.
    pub pid: i32,
    /// Start time in clock ticks since boot: with the pid it identifies the process.
    pub start_time: u64,
    /// Command name.
    pub comm: DisplayText,
    /// systemd unit.
    pub unit: Option<DisplayText>,
    /// The policy's oom_score_adj for it.
    pub score: i32,
}

impl ProtectedProcess {
    /// `None` when the policy does not protect the process as a keeper.
    #[must_use]
    pub fn of(process: &Process, policy: &Policy) -> Option<Self> {
        match target_score(process, policy).bound {
            Bound::Exactly(wanted) if wanted < 0 => Some(Self {
                pid: process.pid,
                start_time: process.start_time,
                comm: DisplayText::new(&process.comm),
                unit: process.unit.as_deref().map(DisplayText::new),
                score: wanted,
            }),
            Bound::Exactly(_) | Bound::AtLeast(_) | Bound::Any => None,
        }
    }
}

/// How a process ended (the status of wait(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It exited with this status.
    Code(i32),
    /// This signal killed it.
    Signal(i32),
}

impl Exit {
    /// From `exit_code` of a PROC_EVENT_EXIT.
    #[must_use]
    pub fn from_status(status: u32) -> Self {
        match status & 0x7f {
            0 => Self::Code(((status >> 8) & 0xff) as i32),
            signal => Self::Signal(signal as i32),
        }
    }
}

/// The running protected processes.
#[derive(Clone, Debug, Default)]
pub struct Protected {
    living: BTreeMap<i32, ProtectedProcess>,
    /// Processes that have ended and that the OOM killer may have killed.
    ended: Vec<Ended>,
    /// OOM kills read before the end of the process.
    killed: Vec<(i32, u64)>,
}

#[derive(Clone, Debug)]
struct Ended {
    process: ProtectedProcess,
    exit: Option<Exit>,
    at_ms: u64,
}

impl Protected {
    /// Replaces the set with the result of a scan. Processes that the scan did not find have ended.
    pub fn set(&mut self, found: impl IntoIterator<Item = ProtectedProcess>, at_ms: u64) -> Vec<Event> {
        let found: BTreeMap<i32, ProtectedProcess> =
            found.into_iter().map(|process| (process.pid, process)).collect();
        let before = std::mem::replace(&mut self.living, found);
        let mut events = Vec::new();
        for (pid, process) in before {
            let same = self.living.get(&pid).is_some_and(|now| now.start_time == process.start_time);
            if !same {
                events.extend(self.ended(process, None, at_ms));
            }
        }
        events
    }

    /// Adds a process. An older one with the same pid has ended, see [`Protected::exited`].
    pub fn add(&mut self, process: ProtectedProcess, at_ms: u64) -> Option<Event> {
        let start_time = process.start_time;
        let before = self.living.insert(process.pid, process);
        self.ended(before.filter(|before| before.start_time != start_time)?, None, at_ms)
    }

    /// Pid and start time of each running process.
    pub fn living(&self) -> impl Iterator<Item = (i32, u64)> {
        self.living.values().map(|process| (process.pid, process.start_time))
    }

    /// Whether the process is running and protected.
    #[must_use]
    pub fn lives(&self, pid: i32, start_time: u64) -> bool {
        self.living.get(&pid).is_some_and(|process| process.start_time == start_time)
    }

    /// Number of running processes.
    #[must_use]
    pub fn count(&self) -> usize {
        self.living.len()
    }

    /// Records the end of a process; returns an event when it was protected and its ending is known. After SIGKILL or an
    /// unobserved exit, [`Protected::tick`] returns the event later: the kernel's line about a kill may follow.
    pub fn exited(&mut self, pid: i32, exit: Option<Exit>, at_ms: u64) -> Option<Event> {
        let process = self.living.remove(&pid)?;
        self.ended(process, exit, at_ms)
    }

    /// Records an OOM kill; returns an event when the process was protected and has ended already.
    pub fn oom_kill(&mut self, pid: i32, at_ms: u64) -> Option<Event> {
        if let Some(place) = self.ended.iter().position(|ended| ended.process.pid == pid) {
            return Some(died(self.ended.swap_remove(place).process, Ending::OomKilled));
        }
        if self.living.contains_key(&pid) {
            self.killed.push((pid, at_ms));
        }
        None
    }

    /// Returns the events of processes whose kill line did not come in time. Call it every second while
    /// [`Protected::is_waiting`].
    pub fn tick(&mut self, at_ms: u64) -> Vec<Event> {
        let is_over = |since: u64| at_ms.saturating_sub(since) >= KILL_LINE_DELAY_MS;
        // A killed process may take long to die while the host is thrashing.
        self.killed.retain(|(pid, since)| self.living.contains_key(pid) || !is_over(*since));
        let (over, waiting) =
            std::mem::take(&mut self.ended).into_iter().partition(|ended| is_over(ended.at_ms));
        self.ended = waiting;
        let over: Vec<Ended> = over;
        over.into_iter()
            .map(|ended| {
                let ending = ended.exit.map_or(Ending::Unknown, ending_of);
                died(ended.process, ending)
            })
            .collect()
    }

    /// Whether [`Protected::tick`] has events pending.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.ended.is_empty()
    }

    fn ended(&mut self, process: ProtectedProcess, exit: Option<Exit>, at_ms: u64) -> Option<Event> {
        if let Some(place) = self.killed.iter().position(|(pid, _)| *pid == process.pid) {
            self.killed.swap_remove(place);
            return Some(died(process, Ending::OomKilled));
        }
        match exit {
            Some(exit) if exit != Exit::Signal(9) => Some(died(process, ending_of(exit))),
            _ => {
                self.ended.push(Ended { process, exit, at_ms });
                None
            }
        }
    }
}

fn ending_of(exit: Exit) -> Ending {
    match exit {
        Exit::Code(code) => Ending::Exited(code),
        Exit::Signal(number) => Ending::Signal(number),
    }
}

fn died(process: ProtectedProcess, ending: Ending) -> Event {
    let ProtectedProcess { pid, comm, unit, score, .. } = process;
    Event::ProtectedProcessDied { pid, comm, unit, score, ending }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: i32, start_time: u64) -> ProtectedProcess {
        ProtectedProcess { pid, start_time, comm: "tmux: server".into(), unit: None, score: -800 }
    }

    fn endings(events: impl IntoIterator<Item = Event>) -> Vec<(i32, Ending)> {
        let one = |event| match event {
            Event::ProtectedProcessDied { pid, ending, .. } => (pid, ending),
            other => panic!("{other:?}"),
        };
        events.into_iter().map(one).collect()
    }

    fn two() -> Protected {
        let mut protected = Protected::default();
        assert_eq!(protected.set([process(5, 1), process(6, 1)], 0), []);
        protected
    }

    #[test]
    fn only_keepers_of_the_policy_are_protected() {
        let policy = oomguard_spec::builtin::policy(oomguard_spec::Builtin::Ci);
        let mut process = Process {
            pid: 800,
            ppid: 1,
            start_time: 5,
            comm: "tmux: server\n".to_owned(),
            uid: Some(1000),
            score: -800,
            cgroup: "/user.slice/user-1000.slice/session-3.scope".to_owned(),
            unit: Some("session-3.scope".to_owned()),
            unit_score: None,
            user: None,
            exe: None,
            under_keeper: false,
            keeper: Some(oomguard_converge::facts::KeeperKind::Multiplexer),
        };
        let found = ProtectedProcess::of(&process, &policy).unwrap();
        assert_eq!((found.pid, found.start_time, found.score), (800, 5, -800));
        assert_eq!(found.comm.as_str(), "tmux: server\\x0a");
        process.keeper = None;
        assert_eq!(ProtectedProcess::of(&process, &policy), None, "load, whatever its score");
        assert_eq!(ProtectedProcess::of(&process, &Policy::default()), None);
    }

    #[test]
    fn an_ordinary_exit_is_reported_at_once() {
        let mut protected = two();
        assert_eq!(endings(protected.exited(5, Some(Exit::from_status(0)), 10)), [(5, Ending::Exited(0))]);
        assert_eq!(endings(protected.exited(6, Some(Exit::from_status(15)), 10)), [(6, Ending::Signal(15))]);
        assert_eq!(protected.exited(7, Some(Exit::Code(0)), 10), None, "not protected");
        assert_eq!(protected.count(), 0);
        assert_eq!(Exit::from_status(3 << 8), Exit::Code(3));
        assert_eq!(Exit::from_status(0x80 | 11), Exit::Signal(11), "with a core dump");
    }

    #[test]
    fn a_reused_pid_means_that_the_process_ended() {
        let mut protected = two();
        assert_eq!((protected.add(process(5, 1), 10), protected.is_waiting()), (None, false), "the same one");
        assert_eq!((protected.add(process(5, 2), 10), protected.is_waiting()), (None, true));
        assert_eq!(endings(protected.oom_kill(5, 20)), [(5, Ending::OomKilled)], "the one of before");
        assert_eq!(protected.oom_kill(6, 20), None);
        assert_eq!(endings(protected.add(process(6, 2), 30)), [(6, Ending::OomKilled)]);
        assert_eq!(protected.count(), 2);
        assert_eq!(
            protected.exited(5, Some(Exit::Code(0)), 40).map(|event| endings([event])),
            Some(vec![(5, Ending::Exited(0))])
        );
    }

    #[test]
    fn an_oom_kill_is_reported_whether_the_exit_or_the_line_comes_first() {
        let mut protected = two();
        assert_eq!(protected.exited(5, Some(Exit::Signal(9)), 10), None, "who sent it is not known yet");
        assert!(protected.is_waiting());
        assert_eq!(endings(protected.oom_kill(5, 20)), [(5, Ending::OomKilled)]);
        assert_eq!(protected.oom_kill(6, 20), None);
        assert_eq!(endings(protected.exited(6, Some(Exit::Signal(9)), 30)), [(6, Ending::OomKilled)]);
        assert_eq!(protected.oom_kill(1234, 20), None);
        assert_eq!(protected.tick(100_000), []);
    }

    #[test]
    fn sigkill_without_a_kernel_line_is_a_signal() {
        let mut protected = two();
        protected.exited(5, Some(Exit::Signal(9)), 1000);
        assert_eq!(protected.tick(5_999), []);
        assert_eq!(endings(protected.tick(6_000)), [(5, Ending::Signal(9))]);
        assert!(!protected.is_waiting());
    }

    #[test]
    fn a_scan_detects_ended_processes() {
        let mut protected = two();
        assert_eq!(protected.set([process(6, 1)], 1000), []);
        assert_eq!(endings(protected.oom_kill(5, 2000)), [(5, Ending::OomKilled)]);
        assert_eq!(protected.set([process(6, 2)], 3000), [], "the number was given to another process");
        assert_eq!(endings(protected.tick(9000)), [(6, Ending::Unknown)]);
        assert_eq!(protected.count(), 1);
    }

    #[test]
    fn a_process_that_dies_late_was_still_oom_killed() {
        let mut protected = two();
        protected.oom_kill(5, 0);
        protected.tick(60_000);
        assert_eq!(endings(protected.exited(5, Some(Exit::Signal(9)), 90_000)), [(5, Ending::OomKilled)]);
        assert_eq!(protected.add(process(8, 3), 0), None);
        assert_eq!(protected.count(), 2);
    }
}
