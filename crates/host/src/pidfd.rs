//! Hearing of the ends of processes, of many by one source: a pidfd of each (pidfd_open(2), Linux 5.3) in one epoll(7).

use std::collections::BTreeMap;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{Timespec, epoll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::error::{HostError, Result};
use crate::host::Host;

/// Each takes a file descriptor, of which a service has 1,024 where nobody says otherwise.
const MAX_WATCHED: usize = 512;
/// So many ends are taken with one system call.
const MAX_EVENTS: usize = 16;

/// The processes whose end is waited for. Poll its descriptor for `POLLIN`.
#[derive(Debug)]
pub struct ExitWatch {
    epoll: OwnedFd,
    watched: BTreeMap<i32, OwnedFd>,
}

impl Host {
    /// Watches for nobody yet.
    ///
    /// # Errors
    /// When this process has no file descriptor left.
    pub fn exit_watch(&self) -> Result<ExitWatch> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)
            .map_err(|e| HostError::file("open", "an epoll of processes", e))?;
        Ok(ExitWatch { epoll, watched: BTreeMap::new() })
    }
}

impl ExitWatch {
    /// Watches for the end of a process. `false`: it is gone, there are too many, or the kernel does not offer it; then somebody
    /// has to look. Which process it was that had this number is for the caller to see, after this.
    pub fn watch(&mut self, pid: i32) -> bool {
        // A number that is watched already may have been given to another process.
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

    /// Whether the end of a process is watched for.
    #[must_use]
    pub fn watches(&self, pid: i32) -> bool {
        self.watched.contains_key(&pid)
    }

    /// No longer watches for the end of a process.
    pub fn unwatch(&mut self, pid: i32) {
        if let Some(fd) = self.watched.remove(&pid) {
            // Closing it would do, were there never a child of ours that has not called exec yet and holds a copy.
            let _ = epoll::delete(&self.epoll, &fd);
        }
    }

    /// Those that have ended since the last call; they are not watched any more. A zombie has ended.
    pub fn take_exited(&mut self) -> Vec<i32> {
        let mut ended = Vec::new();
        loop {
            let mut space = [MaybeUninit::<epoll::Event>::uninit(); MAX_EVENTS];
            let at_once = Some(&Timespec { tv_sec: 0, tv_nsec: 0 });
            let Ok((events, _)) = epoll::wait(&self.epoll, &mut space, at_once) else { return ended };
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
    fn of_many_those_that_end_are_heard_of_once() {
        let mut exit_watch = Host::live().exit_watch().unwrap();
        let mut children: Vec<Child> = (0..20).map(|_| sleeper()).collect();
        assert!(children.iter().all(|child| exit_watch.watch(number(child))));
        assert!(!is_ready(&exit_watch, Duration::ZERO));
        assert_eq!(exit_watch.take_exited(), []);
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
        // They are zombies still.
        assert_eq!(heard, killed);
        assert!(!exit_watch.watches(killed[0]) && exit_watch.watches(number(&children[19])));
        exit_watch.unwatch(number(&children[19]));
        children[19].kill().unwrap();
        children[19].wait().unwrap();
        assert_eq!(exit_watch.take_exited(), []);
        for mut child in children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    #[test]
    fn who_is_gone_cannot_be_watched() {
        let mut exit_watch = Host::live().exit_watch().unwrap();
        let mut child = sleeper();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!exit_watch.watch(number(&child)));
        assert!(!exit_watch.watch(0) && !exit_watch.watch(-5));
    }
}
