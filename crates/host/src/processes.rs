//! The processes of a host, read with as few system calls as will do.

use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags, RawDir, SeekFrom};
use rustix::process::Signal;

use crate::error::{HostError, Result};
use crate::host::Host;

/// Room for the names that one call lists.
const NAMES: usize = 16 << 10;

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
    /// The process numbers that were there during the call, ascending. Not for two threads at once: the place in the listing
    /// is that of the open folder.
    ///
    /// # Errors
    /// When /proc cannot be listed.
    pub fn pids(&self) -> Result<Vec<i32>> {
        let fail = |e: rustix::io::Errno| HostError::file("list", "/proc", e);
        // On the stack: musl maps and unmaps memory for a buffer of this size.
        let mut names = [MaybeUninit::uninit(); NAMES];
        let mut pids = Vec::new();
        rustix::fs::seek(&self.dir, SeekFrom::Start(0)).map_err(fail)?;
        let mut entries = RawDir::new(&self.dir, &mut names);
        while let Some(entry) = entries.next() {
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
        match read_in(&self.dir, Name::of(pid, name).as_str(), buffer) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT | Errno::SRCH) => Ok(false),
            Err(e) => Err(HostError::file("read", &format!("/proc/{pid}/{name}"), e)),
        }
    }

    /// Sets the score of the process that has this number and this start time, and of no other: the open folder of a
    /// process never becomes that of a later one with its number. `false` when it has gone.
    ///
    /// A write with CAP_SYS_RESOURCE also sets the floor below which an unprivileged one may not go again
    /// (`fs/proc/base.c`, `__set_oom_adj`).
    ///
    /// # Errors
    /// When the kernel refuses, with the path.
    pub fn set_score(&self, pid: i32, start_time: u64, score: i32, buffer: &mut Vec<u8>) -> Result<bool> {
        use rustix::io::Errno;
        let fail = |e: Errno| HostError::file("write", &format!("/proc/{pid}/oom_score_adj"), e);
        let gone = |e: Errno| matches!(e, Errno::NOENT | Errno::SRCH);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = match rustix::fs::openat(&self.dir, pid.to_string(), flags, Mode::empty()) {
            Ok(folder) => folder,
            Err(e) if gone(e) => return Ok(false),
            Err(e) => return Err(fail(e)),
        };
        match read_in(&folder, "stat", buffer) {
            Ok(()) => {}
            Err(e) if gone(e) => return Ok(false),
            Err(e) => return Err(fail(e)),
        }
        if !crate::proc::stat::parse(buffer).is_ok_and(|stat| stat.start_time == start_time) {
            return Ok(false);
        }
        // The kernel takes what is written as a whole; a folder that stands for a machine must not keep old bytes.
        let flags = OFlags::WRONLY | OFlags::TRUNC | OFlags::CLOEXEC;
        let written = rustix::fs::openat(&folder, "oom_score_adj", flags, Mode::empty())
            .and_then(|file| rustix::io::write(&file, score.to_string().as_bytes()));
        match written {
            Ok(_) => Ok(true),
            Err(e) if gone(e) => Ok(false),
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

/// Reads a small file into a buffer, whose old bytes go.
fn read_in(dir: &OwnedFd, path: &str, buffer: &mut Vec<u8>) -> rustix::io::Result<()> {
    buffer.clear();
    let file = rustix::fs::openat(dir, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    // One page holds every file that is read here, but for very long command lines, which are cut.
    buffer.resize(4096, 0);
    let read = rustix::io::read(&file, buffer.as_mut_slice());
    buffer.truncate(read.unwrap_or(0));
    read.map(drop)
}

/// `PID/NAME` without an allocation: the guard makes one for every process that starts.
struct Name {
    bytes: [u8; 48],
    length: usize,
}

impl Name {
    fn of(pid: i32, name: &str) -> Self {
        use std::io::Write;
        let mut bytes = [0; 48];
        let room = bytes.len();
        let mut rest = bytes.as_mut_slice();
        // The names are those of this project, all short; a longer one would be no file of /proc.
        let written = write!(rest, "{pid}/{name}").is_ok();
        let length = if written { room - rest.len() } else { 0 };
        Self { bytes, length }
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.length]).unwrap_or("")
    }
}
