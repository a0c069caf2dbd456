//! The processes of a host, read with as few system calls as will do.

use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags};
use rustix::process::Signal;

use crate::error::{HostError, Result};
use crate::host::Host;

/// An open /proc.
#[derive(Debug)]
pub struct ProcDir {
    dir: OwnedFd,
}

impl Host {
    /// Opens /proc.
    ///
    /// # Errors
    /// When it is not there.
    pub fn proc_dir(&self) -> Result<ProcDir> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = rustix::fs::open(self.real("/proc"), flags, Mode::empty())
            .map_err(|e| HostError::file("open", "/proc", e))?;
        Ok(ProcDir { dir })
    }

    /// Asks a process to read its configuration again (SIGHUP), the way `systemctl --user daemon-reload` does.
    ///
    /// # Errors
    /// When the process is gone or may not be signalled. A host that is a folder signals nobody.
    pub fn hang_up(&self, pid: i32) -> Result<()> {
        if !self.is_live() {
            return Ok(());
        }
        let path = format!("/proc/{pid}");
        let target = rustix::process::Pid::from_raw(pid)
            .ok_or_else(|| HostError::file("signal", &path, rustix::io::Errno::SRCH))?;
        rustix::process::kill_process(target, Signal::HUP).map_err(|e| HostError::file("signal", &path, e))
    }
}

impl ProcDir {
    /// The process numbers that were there during the call, ascending.
    ///
    /// # Errors
    /// When /proc cannot be listed.
    pub fn pids(&self) -> Result<Vec<i32>> {
        let fail = |e: rustix::io::Errno| HostError::file("list", "/proc", e);
        let mut pids = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.dir).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let name = entry.file_name().to_bytes();
            if name.first().is_some_and(u8::is_ascii_digit)
                && let Some(pid) = std::str::from_utf8(name).ok().and_then(|text| text.parse().ok())
            {
                pids.push(pid);
            }
        }
        pids.sort_unstable();
        Ok(pids)
    }

    /// Reads a file of a process into `buffer`, whose old bytes go. `false` when the process is gone or hidden.
    ///
    /// # Errors
    /// When the kernel refuses for another reason; with the path.
    pub fn read(&self, pid: i32, name: &str, buffer: &mut Vec<u8>) -> Result<bool> {
        use rustix::io::Errno;
        buffer.clear();
        let path = format!("{pid}/{name}");
        let fail = |e: Errno| HostError::file("read", &format!("/proc/{path}"), e);
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&self.dir, &path, flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT | Errno::SRCH) => return Ok(false),
            Err(e) => return Err(fail(e)),
        };
        // One page holds every file that is read here, but for very long command lines, which are cut.
        buffer.resize(4096, 0);
        match rustix::io::read(&file, buffer.as_mut_slice()) {
            Ok(len) => {
                buffer.truncate(len);
                Ok(true)
            }
            Err(Errno::SRCH) => {
                buffer.clear();
                Ok(false)
            }
            Err(e) => Err(fail(e)),
        }
    }

    /// The program that a process runs, as /proc/PID/exe links to it; `None` when this user may not see it.
    #[must_use]
    pub fn exe(&self, pid: i32) -> Option<String> {
        let target = rustix::fs::readlinkat(&self.dir, format!("{pid}/exe"), Vec::new()).ok()?;
        Some(target.to_string_lossy().into_owned())
    }

    /// The owner of the program that a process runs, when nobody else may write to it (group and others).
    /// It looks at the open program itself, so a name in another mount namespace does not fool it.
    #[must_use]
    pub fn exe_owner(&self, pid: i32) -> Option<u32> {
        let stat = rustix::fs::statat(&self.dir, format!("{pid}/exe"), rustix::fs::AtFlags::empty()).ok()?;
        (stat.st_mode & 0o022 == 0).then_some(stat.st_uid)
    }
}
