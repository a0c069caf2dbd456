//! Watches the protected processes: the kernel reports their exits (pidfds), and where it cannot, they are polled.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use oomguard_host::pidfd::ExitWatch;
use oomguard_host::proc::stat;
use oomguard_host::processes::ProcDir;
use oomguard_host::{Host, HostError};

use super::millis;
use crate::event::Event;
use crate::protected::{Protected, ProtectedProcess};

/// The running protected processes. The connector's filter drops exit events, of which a build causes thousands; there are
/// few protected processes, so each has a pidfd.
pub(super) struct ProcessWatch {
    proc: ProcDir,
    buffer: Vec<u8>,
    /// `None` if no file descriptor was left for it.
    exits: Option<ExitWatch>,
    protected: Protected,
}

impl ProcessWatch {
    pub(super) fn new(host: &Host) -> Result<Self, HostError> {
        let exits = host.exit_watch().ok();
        Ok(Self { proc: host.proc_dir()?, buffer: Vec::new(), exits, protected: Protected::default() })
    }

    /// Readable when one has exited.
    pub(super) fn source(&self) -> Option<BorrowedFd<'_>> {
        self.exits.as_ref().map(AsFd::as_fd)
    }

    /// How many are running.
    pub(super) fn count(&self) -> i64 {
        i64::try_from(self.protected.count()).unwrap_or(i64::MAX)
    }

    /// Whether the cause of an exit is not known yet: [`Self::check`] reports it a few seconds later.
    pub(super) fn awaits_cause(&self) -> bool {
        self.protected.is_waiting()
    }

    /// Whether the kernel reports the exit of each: there are not more than can be watched.
    pub(super) fn all_are_watched(&self) -> bool {
        self.protected.living().all(|(pid, _)| self.is_watched(pid))
    }

    fn is_watched(&self, pid: i32) -> bool {
        self.exits.as_ref().is_some_and(|exits| exits.watches(pid))
    }

    /// Adds a process that was seen to be protected.
    pub(super) fn add(&mut self, process: ProtectedProcess, now: Duration) -> Vec<Event> {
        let (pid, start_time) = (process.pid, process.start_time);
        if self.protected.lives(pid, start_time) && self.is_watched(pid) {
            return Vec::new();
        }
        let mut events = Vec::from_iter(self.protected.add(process, millis(now)));
        if let Some(exits) = &mut self.exits {
            exits.watch(pid);
        }
        if !self.is_running(pid, start_time) {
            // It exited before it was watched; the pidfd may be of another process with its number.
            events.extend(self.exited(pid, now));
        }
        events
    }

    /// Reads the exits that the kernel has reported.
    pub(super) fn read_exits(&mut self, now: Duration) -> Vec<Event> {
        let ended = self.exits.as_mut().map(ExitWatch::take_exited).unwrap_or_default();
        ended.into_iter().filter_map(|pid| self.exited(pid, now)).collect()
    }

    /// Checks the processes that have no pidfd, and reports exits whose cause did not become known in time.
    pub(super) fn check(&mut self, now: Duration) -> Vec<Event> {
        let mut events = self.read_exits(now);
        let unwatched: Vec<_> = self.protected.living().filter(|(pid, _)| !self.is_watched(*pid)).collect();
        for (pid, start_time) in unwatched {
            if !self.is_running(pid, start_time) {
                events.extend(self.exited(pid, now));
            }
        }
        events.extend(self.protected.tick(millis(now)));
        events
    }

    /// The kernel reported that it killed a process.
    pub(super) fn oom_kill(&mut self, pid: i32, now: Duration) -> Option<Event> {
        self.protected.oom_kill(pid, millis(now))
    }

    fn exited(&mut self, pid: i32, now: Duration) -> Option<Event> {
        if let Some(exits) = &mut self.exits {
            exits.unwatch(pid);
        }
        self.protected.exited(pid, None, millis(now))
    }

    fn is_running(&mut self, pid: i32, start_time: u64) -> bool {
        // A process that cannot be read, because a file descriptor or memory is missing, is not known to have exited.
        let Ok(read) = self.proc.read(pid, "stat", &mut self.buffer) else { return true };
        let stat = read.then(|| stat::parse(&self.buffer).ok()).flatten();
        // A zombie has exited: its memory is free.
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
    fn an_exit_is_reported_by_pidfd_or_found_by_polling() {
        for reported in [true, false] {
            let mut watch = ProcessWatch::new(&Host::live()).unwrap();
            if !reported {
                watch.exits = None;
            }
            assert_eq!(watch.source().is_some(), reported);
            let (first, second) = (sleeper(), sleeper());
            let (one, two) = (protected(&first), protected(&second));
            for process in [&one, &two, &one] {
                assert_eq!(watch.add(process.clone(), Duration::ZERO), []);
            }
            assert_eq!(watch.all_are_watched(), reported);
            assert_eq!((watch.check(Duration::ZERO), watch.count()), (Vec::new(), 2));
            kill(first);
            let exited = watch.read_exits(Duration::ZERO);
            assert_eq!((exited, watch.count()), (Vec::new(), if reported { 1 } else { 2 }));
            // The cause may still become known.
            assert_eq!((watch.check(Duration::ZERO), watch.count()), (Vec::new(), 1));
            assert!(watch.awaits_cause());
            assert_eq!(ended(&watch.check(LATER)), [(one.pid, Ending::Unknown)]);
            kill(second);
            assert_eq!(watch.oom_kill(two.pid, LATER), None);
            assert_eq!(ended(&watch.check(LATER)), [(two.pid, Ending::OomKilled)]);
            assert_eq!(watch.count(), 0);
        }
    }

    #[test]
    fn a_process_that_exits_before_it_is_watched_is_reported() {
        let mut watch = ProcessWatch::new(&Host::live()).unwrap();
        let child = sleeper();
        let mut process = protected(&child);
        // Another process has the number now.
        process.start_time -= 1;
        assert_eq!(watch.add(process.clone(), Duration::ZERO), []);
        assert_eq!(watch.count(), 0);
        assert_eq!(ended(&watch.check(LATER)), [(process.pid, Ending::Unknown)]);
        kill(child);
        assert_eq!(watch.check(LATER), []);
    }

    #[test]
    fn an_exited_process_is_not_counted_as_running() {
        let mut watch = ProcessWatch::new(&Host::live()).unwrap();
        let child = sleeper();
        let process = protected(&child);
        kill(child);
        assert_eq!(watch.add(process.clone(), Duration::ZERO), []);
        assert_eq!((watch.count(), watch.all_are_watched()), (0, true));
        assert_eq!(ended(&watch.check(LATER)), [(process.pid, Ending::Unknown)]);
    }
}
