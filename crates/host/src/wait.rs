//! Waits for several descriptors at once (poll(2)).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// The event to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// `POLLIN`.
    Readable,
    /// `POLLPRI`: a PSI trigger has fired.
    Priority,
    /// Something can be written.
    Writable,
}

/// Wakes a waiting thread (eventfd(2)). Once rung it stays readable.
#[derive(Debug)]
pub struct Bell(OwnedFd);

impl Bell {
    /// A bell that has not been rung.
    ///
    /// # Errors
    /// When no file descriptor is left.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self(rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?))
    }

    /// Wakes the threads that wait for it to be [`Interest::Readable`].
    pub fn ring(&self) {
        // Fails only after 2^64 rings.
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The maximum number of sources of one wait.
pub const MAX_SOURCES: usize = 32;

/// Waits until a source is ready or the timeout has passed (`None`: no timeout). Bit N of the result is source N; 0 after a
/// timeout or a signal.
///
/// # Errors
/// When the kernel refuses, or there are more than [`MAX_SOURCES`] sources.
pub fn wait(sources: &[(BorrowedFd<'_>, Interest)], timeout: Option<Duration>) -> std::io::Result<u32> {
    if sources.len() > MAX_SOURCES {
        return Err(std::io::Error::other("too many sources"));
    }
    let Some((first, _)) = sources.first() else {
        if let Some(timeout) = timeout {
            std::thread::sleep(timeout);
        }
        return Ok(0);
    };
    // On the stack: nothing is allocated in the loop.
    let mut fds: [PollFd<'_>; MAX_SOURCES] =
        std::array::from_fn(|_| PollFd::from_borrowed_fd(*first, PollFlags::empty()));
    for (fd, (source, interest)) in fds.iter_mut().zip(sources) {
        let flags = match interest {
            Interest::Readable => PollFlags::IN,
            Interest::Priority => PollFlags::PRI,
            Interest::Writable => PollFlags::OUT,
        };
        *fd = PollFd::from_borrowed_fd(*source, flags);
    }
    let timeout = timeout.and_then(|time| Timespec::try_from(time).ok());
    let fds = &mut fds[..sources.len()];
    match poll(fds, timeout.as_ref()) {
        // The caller computes the remaining time.
        Ok(_) => {}
        Err(Errno::INTR) => return Ok(0),
        Err(e) => return Err(e.into()),
    }
    let ready = fds.iter().enumerate().filter(|(_, fd)| !fd.revents().is_empty());
    Ok(ready.fold(0, |bits, (at, _)| bits | 1 << at))
}
