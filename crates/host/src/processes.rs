//! The processes of a host, read with few system calls.

use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags, RawDir, SeekFrom};
use rustix::process::Signal;

use crate::error::{HostError, Result};
use crate::host::Host;

/// Buffer for the names of one getdents(2) call.
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
    /// When it cannot be opened.
    pub fn proc_dir(&self) -> Result<ProcDir> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = rustix::fs::open(self.real("/proc"), flags, Mode::empty())
            .map_err(|e| HostError::file("open", "/proc", e))?;
        Ok(ProcDir { dir })
    }

    /// Sends SIGHUP, which makes a user manager reload like `systemctl --user daemon-reload`. Does nothing in a folder.
    ///
    /// # Errors
    /// When the process has exited or may not be signalled.
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
    /// The pids of all processes, ascending. Not for two threads at once: they share the position in the directory.
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

    /// Reads a file of a process into `buffer`. `false` when the process has exited or is hidden.
    ///
    /// # Errors
    /// When the read fails for another reason.
    pub fn read(&self, pid: i32, name: &str, buffer: &mut Vec<u8>) -> Result<bool> {
        use rustix::io::Errno;
        match read_in(&self.dir, Name::of(pid, name).as_str(), buffer) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT | Errno::SRCH) => Ok(false),
            Err(e) => Err(HostError::file("read", &format!("/proc/{pid}/{name}"), e)),
        }
    }

    /// Sets the oom_score_adj of the process with this pid and start time. An open /proc/PID never becomes that of a later
    /// process with the same pid. `false` when the process has exited.
    ///
    /// A write with CAP_SYS_RESOURCE also sets the floor for later unprivileged writes (`fs/proc/base.c`, `__set_oom_adj`).
    ///
    /// # Errors
    /// When the kernel refuses.
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
        // TRUNC is for a folder that stands for a machine; the kernel ignores it.
        let flags = OFlags::WRONLY | OFlags::TRUNC | OFlags::CLOEXEC;
        let written = rustix::fs::openat(&folder, "oom_score_adj", flags, Mode::empty())
            .and_then(|file| rustix::io::write(&file, score.to_string().as_bytes()));
        match written {
            Ok(_) => Ok(true),
            Err(e) if gone(e) => Ok(false),
            Err(e) => Err(fail(e)),
        }
    }

    /// The target of /proc/PID/exe; `None` when this user may not read it.
    #[must_use]
    pub fn exe(&self, pid: i32) -> Option<String> {
        let target = rustix::fs::readlinkat(&self.dir, format!("{pid}/exe"), Vec::new()).ok()?;
        Some(target.to_string_lossy().into_owned())
    }

    /// The owner of a process's program, unless group or others may write to it. Follows /proc/PID/exe to the open file, so
    /// that paths in another mount namespace do not matter.
    #[must_use]
    pub fn exe_owner(&self, pid: i32) -> Option<u32> {
        let stat = rustix::fs::statat(&self.dir, format!("{pid}/exe"), rustix::fs::AtFlags::empty()).ok()?;
        (stat.st_mode & 0o022 == 0).then_some(stat.st_uid)
    }
}

/// Replaces the content of `buffer` with that of a small file.
fn read_in(dir: &OwnedFd, path: &str, buffer: &mut Vec<u8>) -> rustix::io::Result<()> {
    buffer.clear();
    let file = rustix::fs::openat(dir, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    // One page holds every file that is read here; very long command lines are cut.
    buffer.resize(4096, 0);
    let read = rustix::io::read(&file, buffer.as_mut_slice());
    buffer.truncate(read.unwrap_or(0));
    read.map(drop)
}

/// `PID/NAME` without an allocation: the guard needs one for every process that starts.
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
        // Longer than any name of a file in /proc.
        let written = write!(rest, "{pid}/{name}").is_ok();
        let length = if written { room - rest.len() } else { 0 };
        Self { bytes, length }
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.length]).unwrap_or("")
    }
}
