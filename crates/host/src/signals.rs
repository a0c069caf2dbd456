//! Signals as something that can be waited for.

use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requests {
    /// SIGTERM or SIGINT: end.
    pub end: bool,
    /// SIGHUP: read the configuration again.
    pub reload: bool,
}

/// The signals that a daemon is steered by, caught from now on until the process ends.
#[derive(Debug)]
pub struct Signals {
    end: UnixStream,
    reload: UnixStream,
}

impl Signals {
    /// Catches SIGTERM, SIGINT and SIGHUP.
    ///
    /// # Errors
    /// When the system has no more file descriptors.
    pub fn catch() -> std::io::Result<Self> {
        let (end, ends) = UnixStream::pair()?;
        let (reload, reloads) = UnixStream::pair()?;
        end.set_nonblocking(true)?;
        reload.set_nonblocking(true)?;
        pipe::register(SIGTERM, ends.try_clone()?)?;
        pipe::register(SIGINT, ends)?;
        pipe::register(SIGHUP, reloads)?;
        Ok(Self { end, reload })
    }

    /// What to wait for: one descriptor for the end, one for the reload.
    #[must_use]
    pub fn sources(&self) -> [BorrowedFd<'_>; 2] {
        [self.end.as_fd(), self.reload.as_fd()]
    }

    /// What was asked since the last call.
    #[must_use]
    pub fn take_requests(&self) -> Requests {
        Requests { end: drained(&self.end), reload: drained(&self.reload) }
    }
}

/// Lets the process go on when its terminal or connection is gone. Programs that it starts are not covered.
///
/// # Errors
/// When the system refuses a handler.
pub fn ignore_sighup() -> std::io::Result<()> {
    signal_hook::flag::register(SIGHUP, Arc::default()).map(|_| ())
}

/// A flag that the first SIGINT or SIGTERM sets; the second one ends the process with 130, as a shell would say.
///
/// # Errors
/// When the system refuses a handler.
pub fn stop_flag() -> std::io::Result<Arc<AtomicBool>> {
    let flag = Arc::<AtomicBool>::default();
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first signal finds the flag unset.
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&flag))?;
        signal_hook::flag::register(signal, Arc::clone(&flag))?;
    }
    Ok(flag)
}

/// Whether anything was in it; it is empty afterwards.
fn drained(mut stream: &UnixStream) -> bool {
    let mut bytes = [0; 64];
    let mut any = false;
    while stream.read(&mut bytes).is_ok_and(|count| count > 0) {
        any = true;
    }
    any
}
