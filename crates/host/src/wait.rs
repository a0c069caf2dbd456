//! Waiting for several sources at once (poll(2)).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// What of a source is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Something can be read.
    Readable,
    /// Something exceptional: a PSI trigger has fired.
    Priority,
}

/// Ends a wait of another thread. Once rung it stays so.
#[derive(Debug)]
pub struct Bell(OwnedFd);

impl Bell {
    /// A bell that was not rung.
    ///
    /// # Errors
    /// When this process has no file descriptor left.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self(rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?))
    }

    /// Rings it: whoever waits for it to be [`Interest::Readable`] wakes.
    pub fn ring(&self) {
        // It can only fail when it was rung 2^64 times.
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The most sources that one wait can have.
pub const MAX_SOURCES: usize = 32;

/// Waits until a source is ready, or the time is over (`None`: for ever). Bit N of the answer is source N; 0 is the end
/// of the time. A signal that comes in between is no end of the waiting for its own pipe.
///
/// # Errors
/// When the kernel refuses, or there are more than [`MAX_SOURCES`] sources.
pub fn wait(sources: &[(BorrowedFd<'_>, Interest)], timeout: Option<Duration>) -> std::io::Result<u32> {
    if sources.len() > MAX_SOURCES {
        return Err(std::io::Error::other("too many sources to wait for"));
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
        };
        *fd = PollFd::from_borrowed_fd(*source, flags);
    }
    let timeout = timeout.and_then(|time| Timespec::try_from(time).ok());
    let fds = &mut fds[..sources.len()];
    match poll(fds, timeout.as_ref()) {
        // The caller works out the time anew.
        Ok(_) => {}
        Err(Errno::INTR) => return Ok(0),
        Err(e) => return Err(e.into()),
    }
    let ready = fds.iter().enumerate().filter(|(_, fd)| !fd.revents().is_empty());
    Ok(ready.fold(0, |bits, (at, _)| bits | 1 << at))
}
