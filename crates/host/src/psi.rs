//! PSI triggers on memory pressure (kernel `Documentation/accounting/psi.rst`, "Monitoring for pressure thresholds").

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::error::{HostError, Result};
use crate::host::Host;

const PATH: &str = "/proc/pressure/memory";

/// Which tasks must be stalled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// At least one task.
    Some,
    /// All non-idle tasks at once.
    Full,
}

/// A stall threshold within a time window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// Which tasks must be stalled.
    pub waiting: Waiting,
    /// Stall time in microseconds.
    pub stall_us: u32,
    /// Window in microseconds, 500,000 to 10,000,000.
    pub window_us: u32,
}

impl Trigger {
    /// The line to write, with the NUL byte that the kernel requires.
    #[must_use]
    pub fn line(&self) -> Vec<u8> {
        let waiting = match self.waiting {
            Waiting::Some => "some",
            Waiting::Full => "full",
        };
        format!("{waiting} {} {}\0", self.stall_us, self.window_us).into_bytes()
    }
}

/// An armed trigger. Poll its descriptor for `POLLPRI`: each event is one crossing, at most one per window, with nothing to
/// read. `POLLERR` means that the trigger is gone.
#[derive(Debug)]
pub struct PsiTrigger {
    fd: OwnedFd,
}

impl PsiTrigger {
    /// Arms a trigger on the machine's memory pressure; dropping the value disarms it.
    ///
    /// # Errors
    /// When the kernel has no PSI (`is_not_found`) or refuses the trigger.
    pub fn set(host: &Host, trigger: Trigger) -> Result<Self> {
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = rustix::fs::open(host.real(PATH), flags, Mode::empty())
            .map_err(|e| HostError::file("open", PATH, e))?;
        let line = trigger.line();
        match rustix::io::write(&fd, &line) {
            Ok(len) if len == line.len() => Ok(Self { fd }),
            Ok(_) => Err(HostError::file("set a trigger on", PATH, Errno::IO)),
            Err(e) => Err(HostError::file("set a trigger on", PATH, e)),
        }
    }
}

impl AsFd for PsiTrigger {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trigger_is_written_to_the_pressure_file() {
        let dir = tempfile::tempdir().unwrap();
        let host = Host::folder(dir.path());
        let trigger = Trigger { waiting: Waiting::Some, stall_us: 150_000, window_us: 1_000_000 };
        assert!(PsiTrigger::set(&host, trigger).unwrap_err().is_not_found());
        std::fs::create_dir_all(dir.path().join("proc/pressure")).unwrap();
        let file = dir.path().join("proc/pressure/memory");
        std::fs::write(&file, "").unwrap();
        PsiTrigger::set(&host, trigger).unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"some 150000 1000000\0");
        PsiTrigger::set(&host, Trigger { waiting: Waiting::Full, ..trigger }).unwrap();
        assert!(std::fs::read(&file).unwrap().starts_with(b"full "));
    }
}
