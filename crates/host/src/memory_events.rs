//! `memory.events` of a cgroup, with a descriptor to poll.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::error::{HostError, Result};
use crate::host::Host;
use crate::proc::memory_events::{MemoryEvents, parse};

/// An open `memory.events`. Poll its descriptor for `POLLPRI`, which stays set until the file is read.
#[derive(Debug)]
pub struct MemoryEventsFile {
    fd: OwnedFd,
    path: String,
}

impl MemoryEventsFile {
    /// Opens the events of a cgroup, such as `/user.slice`; `None` without such a cgroup or without cgroup v2.
    ///
    /// # Errors
    /// When it exists and cannot be opened.
    pub fn open(host: &Host, cgroup: &str) -> Result<Option<Self>> {
        let path = format!("/sys/fs/cgroup{}/memory.events", cgroup.trim_end_matches('/'));
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        match rustix::fs::open(host.real(&path), flags, Mode::empty()) {
            Ok(fd) => Ok(Some(Self { fd, path })),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(e) => Err(HostError::file("open", &path, e)),
        }
    }

    /// The current counters; `None` when the cgroup has been removed.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn read(&self) -> Result<Option<MemoryEvents>> {
        let mut buffer = [0; 1024];
        let len = match rustix::io::pread(&self.fd, &mut buffer, 0) {
            Ok(len) => len,
            Err(Errno::NODEV) => return Ok(None),
            Err(e) => return Err(HostError::file("read", &self.path, e)),
        };
        let events =
            parse(&buffer[..len]).map_err(|source| HostError::Content { path: self.path.clone(), source })?;
        Ok(Some(events))
    }
}

impl AsFd for MemoryEventsFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_reread_from_one_descriptor() {
        let dir = tempfile::tempdir().unwrap();
        let host = Host::folder(dir.path());
        assert!(MemoryEventsFile::open(&host, "/user.slice").unwrap().is_none());
        let folder = dir.path().join("sys/fs/cgroup/user.slice");
        std::fs::create_dir_all(&folder).unwrap();
        let write = |text: &str| std::fs::write(folder.join("memory.events"), text).unwrap();
        write("low 0\nhigh 3\nmax 0\noom 0\noom_kill 0\noom_group_kill 0\n");
        let file = MemoryEventsFile::open(&host, "/user.slice").unwrap().unwrap();
        assert_eq!(file.read().unwrap(), Some(MemoryEvents { high: 3, ..Default::default() }));
        write("low 0\nhigh 3\nmax 0\noom 1\noom_kill 2\nnew 9\n");
        let expected = MemoryEvents { high: 3, oom: 1, oom_kill: 2, ..Default::default() };
        assert_eq!(file.read().unwrap(), Some(expected));
        write("low 0\n");
        let error = file.read().unwrap_err().to_string();
        assert!(
            error.contains("/sys/fs/cgroup/user.slice/memory.events") && error.contains("oom_kill"),
            "{error}"
        );
    }
}
