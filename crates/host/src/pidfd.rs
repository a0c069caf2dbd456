//! Waits for the exit of many processes with one descriptor: a pidfd of each (pidfd_open(2), Linux 5.3) in an epoll(7).

use std::collections::BTreeMap;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{Timespec, epoll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::error::{HostError, Result};
use crate::host::Host;

/// Each takes a file descriptor; the default limit of a service is 1,024.
const MAX_WATCHED: usize = 512;
/// Exits read with one system call.
const MAX_EVENTS: usize = 16;

/// Watched processes. Poll the descriptor for `POLLIN`.
#[derive(Debug)]
pub struct ExitWatch {
    epoll: OwnedFd,
    watched: BTreeMap<i32, OwnedFd>,
}

impl Host {
    /// An empty watch.
    ///
    /// # Errors
    /// When no file descriptor is left.
    pub fn exit_watch(&self) -> Result<ExitWatch> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)
            .map_err(|e| HostError::file("open", "an epoll of processes", e))?;
        Ok(ExitWatch { epoll, watched: BTreeMap::new() })
    }
}

impl ExitWatch {
    /// Watches for the exit of a process. `false` when it has exited, there are too many, or the kernel has no pidfds: then
    /// the caller must poll. The pid may have been reused before the call: the caller must check that afterwards.
    pub fn watch(&mut self, pid: i32) -> bool {
        // The pid may have been reused.
        self.unwatch(pid);
        if self.watched.len() >= MAX_WATCHED {
            return false;
        }
        let Some(number) = Pid::from_raw(pid.max(0)) else { return false };
        let Ok(fd) = pidfd_open(number, PidfdFlags::empty()) else { return false };
        let data = epoll::EventData::new_u64(u64::from(pid.unsigned_abs()));
        if epoll::add(&self.epoll, &fd, data, epoll::EventFlags::IN).is_err() {
            return false;
        }
        self.watched.insert(pid, fd);
        true
    }

    /// Whether a process is watched.
    #[must_use]
    pub fn watches(&self, pid: i32) -> bool {
        self.watched.contains_key(&pid)
    }

    /// Stops watching a process.
    pub fn unwatch(&mut self, pid: i32) {
        if let Some(fd) = self.watched.remove(&pid) {
            // Closing is not enough while a forked child before its exec holds a copy.
            let _ = epoll::delete(&self.epoll, &fd);
        }
    }

    /// The watched processes that have exited, zombies included. They are no longer watched.
    pub fn take_exited(&mut self) -> Vec<i32> {
        let mut ended = Vec::new();
        loop {
            let mut space = [MaybeUninit::<epoll::Event>::uninit(); MAX_EVENTS];
            let no_wait = Some(&Timespec { tv_sec: 0, tv_nsec: 0 });
            let Ok((events, _)) = epoll::wait(&self.epoll, &mut space, no_wait) else { return ended };
            for event in events.iter() {
                let Ok(pid) = i32::try_from(event.data.u64()) else { continue };
                self.unwatch(pid);
                ended.push(pid);
            }
            if events.len() < MAX_EVENTS {
                return ended;
            }
        }
    }
}

impl AsFd for ExitWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};
    use std::time::Duration;

    use super::*;
    use crate::wait::{Interest, wait};

    fn sleeper() -> Child {
        Command::new("sleep").arg("600").spawn().unwrap()
    }

    fn number(child: &Child) -> i32 {
        i32::try_from(child.id()).unwrap()
    }

    fn is_ready(exit_watch: &ExitWatch, time: Duration) -> bool {
        wait(&[(exit_watch.as_fd(), Interest::Readable)], Some(time)).unwrap() != 0
    }

    #[test]
    fn exits_are_reported_once() {
        let mut exit_watch = Host::live().exit_watch().unwrap();
        let mut children: Vec<Child> = (0..20).map(|_| sleeper()).collect();
        assert!(children.iter().all(|child| exit_watch.watch(number(child))));
        assert!(!is_ready(&exit_watch, Duration::ZERO));
        assert!(exit_watch.take_exited().is_empty());
        for child in &mut children[..18] {
            child.kill().unwrap();
        }
        let mut heard = Vec::new();
        while heard.len() < 18 {
            assert!(is_ready(&exit_watch, Duration::from_secs(30)), "only {heard:?}");
            heard.extend(exit_watch.take_exited());
        }
        heard.sort_unstable();
        let mut killed: Vec<i32> = children[..18].iter().map(number).collect();
        killed.sort_unstable();
        // Still zombies.
        assert_eq!(heard, killed);
        assert!(!exit_watch.watches(killed[0]) && exit_watch.watches(number(&children[19])));
        exit_watch.unwatch(number(&children[19]));
        children[19].kill().unwrap();
        children[19].wait().unwrap();
        assert!(exit_watch.take_exited().is_empty());
        for mut child in children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    #[test]
    fn an_exited_process_cannot_be_watched() {
        let mut exit_watch = Host::live().exit_watch().unwrap();
        let mut child = sleeper();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!exit_watch.watch(number(&child)));
        assert!(!exit_watch.watch(0) && !exit_watch.watch(-5));
    }
}
