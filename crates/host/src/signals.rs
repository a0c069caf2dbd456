//! Signals as descriptors to poll.

use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

/// Requests by signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requests {
    /// SIGTERM or SIGINT: stop.
    pub end: bool,
    /// SIGHUP: reload the configuration.
    pub reload: bool,
}

/// The signals that control a daemon, caught until the process ends.
#[derive(Debug)]
pub struct Signals {
    end: UnixStream,
    reload: UnixStream,
}

impl Signals {
    /// Catches SIGTERM, SIGINT and SIGHUP.
    ///
    /// # Errors
    /// When no file descriptor is left.
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

    /// The descriptors to poll: stop, reload.
    #[must_use]
    pub fn sources(&self) -> [BorrowedFd<'_>; 2] {
        [self.end.as_fd(), self.reload.as_fd()]
    }

    /// The requests since the last call.
    #[must_use]
    pub fn take_requests(&self) -> Requests {
        Requests { end: drained(&self.end), reload: drained(&self.reload) }
    }
}

/// Lets this process survive the loss of its terminal or connection. Child processes are not covered.
///
/// # Errors
/// When the handler cannot be installed.
pub fn ignore_sighup() -> std::io::Result<()> {
    signal_hook::flag::register(SIGHUP, Arc::default()).map(|_| ())
}

/// A flag that the first SIGINT or SIGTERM sets; the second one exits with status 130.
///
/// # Errors
/// When a handler cannot be installed.
pub fn stop_flag() -> std::io::Result<Arc<AtomicBool>> {
    let flag = Arc::<AtomicBool>::default();
    for signal in [SIGINT, SIGTERM] {
        // In this order, so that the first signal finds the flag unset.
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&flag))?;
        signal_hook::flag::register(signal, Arc::clone(&flag))?;
    }
    Ok(flag)
}

/// Empties the stream; whether it had any bytes.
fn drained(mut stream: &UnixStream) -> bool {
    let mut bytes = [0; 64];
    let mut any = false;
    while stream.read(&mut bytes).is_ok_and(|count| count > 0) {
        any = true;
    }
    any
}
