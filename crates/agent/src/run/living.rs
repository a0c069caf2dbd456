//! Whether the protected processes live: the kernel tells when one ends, and where it cannot, each is looked at.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use oomguard_host::pidfd::ExitWatch;
use oomguard_host::proc::stat;
use oomguard_host::processes::ProcDir;
use oomguard_host::{Host, HostError};

use super::millis;
use crate::event::Event;
use crate::protected::{Protected, ProtectedProcess};

/// The protected processes that live. The connector's filter leaves out the ends of processes, of which a build has
/// thousands; there are few protected ones, so each is watched by itself.
pub(super) struct Living {
    proc: ProcDir,
    buffer: Vec<u8>,
    /// `None` where there is no file descriptor for it.
    exits: Option<ExitWatch>,
    protected: Protected,
}

impl Living {
    pub(super) fn new(host: &Host) -> Result<Self, HostError> {
        let exits = host.exit_watch().ok();
        Ok(Self { proc: host.proc_dir()?, buffer: Vec::new(), exits, protected: Protected::default() })
    }

    /// What is readable when one has ended.
    pub(super) fn source(&self) -> Option<BorrowedFd<'_>> {
        self.exits.as_ref().map(AsFd::as_fd)
    }

    /// How many live.
    pub(super) fn count(&self) -> i64 {
        i64::try_from(self.protected.count()).unwrap_or(i64::MAX)
    }

    /// Whether one has ended, and how is not known yet: then [`Living::look`] tells a few seconds later.
    pub(super) fn is_waiting(&self) -> bool {
        self.protected.is_waiting()
    }

    /// Whether the kernel tells of the end of each: none is more than can be watched.
    pub(super) fn all_are_watched(&self) -> bool {
        self.protected.living().all(|(pid, _)| self.is_watched(pid))
    }

    fn is_watched(&self, pid: i32) -> bool {
        self.exits.as_ref().is_some_and(|exits| exits.watches(pid))
    }

    /// Takes one that was seen to be protected.
    pub(super) fn add(&mut self, process: ProtectedProcess, now: Duration) -> Vec<Event> {
        let (pid, start_time) = (process.pid, process.start_time);
        if self.protected.lives(pid, start_time) && self.is_watched(pid) {
            return Vec::new();
        }
        let mut events = Vec::from_iter(self.protected.add(process, millis(now)));
        if let Some(exits) = &mut self.exits {
            exits.watch(pid);
        }
        if !self.is_there(pid, start_time) {
            // It ended between the look at it and the watch, which may be on another process with its number.
            events.extend(self.gone(pid, now));
        }
        events
    }

    /// Takes in the ends that the kernel told of.
    pub(super) fn hear(&mut self, now: Duration) -> Vec<Event> {
        let ended = self.exits.as_mut().map(ExitWatch::take_exited).unwrap_or_default();
        ended.into_iter().filter_map(|pid| self.gone(pid, now)).collect()
    }

    /// Looks at those that are not watched, and tells of those whose way to end nobody has told of by now.
    pub(super) fn look(&mut self, now: Duration) -> Vec<Event> {
        let mut events = self.hear(now);
        let unwatched: Vec<_> = self.protected.living().filter(|(pid, _)| !self.is_watched(*pid)).collect();
        for (pid, start_time) in unwatched {
            if !self.is_there(pid, start_time) {
                events.extend(self.gone(pid, now));
            }
        }
        events.extend(self.protected.tick(millis(now)));
        events
    }

    /// The kernel said that it killed a process.
    pub(super) fn oom_kill(&mut self, pid: i32, now: Duration) -> Option<Event> {
        self.protected.oom_kill(pid, millis(now))
    }

    fn gone(&mut self, pid: i32, now: Duration) -> Option<Event> {
        if let Some(exits) = &mut self.exits {
            exits.unwatch(pid);
        }
        self.protected.exited(pid, None, millis(now))
    }

    fn is_there(&mut self, pid: i32, start_time: u64) -> bool {
        // What cannot be read, for want of a file descriptor or of memory, is not known to be gone.
        let Ok(read) = self.proc.read(pid, "stat", &mut self.buffer) else { return true };
        let stat = read.then(|| stat::parse(&self.buffer).ok()).flatten();
        // A zombie has ended: its memory is gone.
        stat.is_some_and(|stat| stat.start_time == start_time && stat.state != 'Z')
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;
    use crate::event::Ending;

    const LATER: Duration = Duration::from_secs(60);

    fn protected(child: &Child) -> ProtectedProcess {
        let pid = i32::try_from(child.id()).unwrap();
        let mut bytes = Vec::new();
        assert!(Host::live().proc_dir().unwrap().read(pid, "stat", &mut bytes).unwrap());
        let start_time = stat::parse(&bytes).unwrap().start_time;
        ProtectedProcess { pid, start_time, comm: "sleep".into(), unit: None, score: -800 }
    }

    fn sleeper() -> Child {
        Command::new("sleep").arg("600").spawn().unwrap()
    }

    fn ended(events: &[Event]) -> Vec<(i32, Ending)> {
        let one = |event: &Event| match event {
            Event::ProtectedProcessDied { pid, ending, .. } => (*pid, ending.clone()),
            other => panic!("{other:?}"),
        };
        events.iter().map(one).collect()
    }

    fn kill(mut child: Child) {
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn an_end_is_heard_of_or_seen_where_nobody_tells() {
        for told in [true, false] {
            let mut living = Living::new(&Host::live()).unwrap();
            if !told {
                living.exits = None;
            }
            assert_eq!(living.source().is_some(), told);
            let (first, second) = (sleeper(), sleeper());
            let (one, two) = (protected(&first), protected(&second));
            for process in [&one, &two, &one] {
                assert_eq!(living.add(process.clone(), Duration::ZERO), []);
            }
            assert_eq!(living.all_are_watched(), told);
            assert_eq!((living.look(Duration::ZERO), living.count()), (Vec::new(), 2));
            kill(first);
            let heard = living.hear(Duration::ZERO);
            assert_eq!((heard, living.count()), (Vec::new(), if told { 1 } else { 2 }));
            // Who sent the signal may still be told.
            assert_eq!((living.look(Duration::ZERO), living.count()), (Vec::new(), 1));
            assert!(living.is_waiting());
            assert_eq!(ended(&living.look(LATER)), [(one.pid, Ending::Unknown)]);
            kill(second);
            assert_eq!(living.oom_kill(two.pid, LATER), None);
            assert_eq!(ended(&living.look(LATER)), [(two.pid, Ending::OomKilled)]);
            assert_eq!(living.count(), 0);
        }
    }

    #[test]
    fn who_ended_before_it_could_be_watched_is_gone() {
        let mut living = Living::new(&Host::live()).unwrap();
        let child = sleeper();
        let mut process = protected(&child);
        // The number is another's by now.
        process.start_time -= 1;
        assert_eq!(living.add(process.clone(), Duration::ZERO), []);
        assert_eq!(living.count(), 0);
        assert_eq!(ended(&living.look(LATER)), [(process.pid, Ending::Unknown)]);
        kill(child);
        assert_eq!(living.look(LATER), []);
    }

    #[test]
    fn who_is_gone_already_is_not_taken_for_a_living_one() {
        let mut living = Living::new(&Host::live()).unwrap();
        let child = sleeper();
        let process = protected(&child);
        kill(child);
        assert_eq!(living.add(process.clone(), Duration::ZERO), []);
        assert_eq!((living.count(), living.all_are_watched()), (0, true));
        assert_eq!(ended(&living.look(LATER)), [(process.pid, Ending::Unknown)]);
    }
}
