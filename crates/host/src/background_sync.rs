//! fdatasync(2) in the background: the kernel syncs a file on a thread of its own (io_submit(2), `IOCB_CMD_FDSYNC`, Linux
//! 4.18).

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// `IOCB_CMD_FDSYNC` (`include/uapi/linux/aio_abi.h`).
const FDSYNC: u16 = 3;

/// A context for one sync at a time.
#[derive(Debug)]
pub(crate) struct BackgroundSync {
    /// `aio_context_t`
    context: libc::c_ulong,
    running: bool,
}

/// `struct iocb` for a sync. Its second and third field are swapped on big-endian machines; both are zero.
#[repr(C)]
#[derive(Default)]
struct Request {
    data: u64,
    key: u32,
    rw_flags: u32,
    opcode: u16,
    priority: i16,
    fd: u32,
    buffer: u64,
    length: u64,
    offset: i64,
    reserved: u64,
    flags: u32,
    eventfd: u32,
}

/// `struct io_event`
#[repr(C)]
#[derive(Default)]
struct Completion {
    data: u64,
    request: u64,
    result: i64,
    result2: i64,
}

impl BackgroundSync {
    /// # Errors
    /// When the kernel has no asynchronous I/O, or the system-wide limit is reached (`fs.aio-max-nr`).
    #[expect(unsafe_code, reason = "rustix has no io_setup")]
    pub(crate) fn new() -> io::Result<Self> {
        let mut context: libc::c_ulong = 0;
        let requests: libc::c_uint = 1;
        // SAFETY: io_setup(2) takes a number and writes one `aio_context_t` to the address of a live variable that is zero.
        let answer = unsafe { libc::syscall(libc::SYS_io_setup, requests, &raw mut context) };
        if answer < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { context, running: false })
    }

    /// Starts a sync of everything written to `file` so far. `false` while the previous one runs: call again later.
    ///
    /// # Errors
    /// When the previous sync failed, or this one cannot start.
    #[expect(unsafe_code, reason = "rustix has no io_submit")]
    pub(crate) fn start(&mut self, file: &File) -> io::Result<bool> {
        if !self.is_idle()? {
            return Ok(false);
        }
        let fd = file.as_raw_fd().cast_unsigned();
        let mut request = Request { opcode: FDSYNC, fd, ..Request::default() };
        let requests = [&raw mut request];
        let count: libc::c_long = 1;
        // SAFETY: io_submit(2) reads `count` addresses, each of a live `struct iocb`, and copies them before it returns. The
        // kernel holds a reference to the file.
        let answer = unsafe { libc::syscall(libc::SYS_io_submit, self.context, count, requests.as_ptr()) };
        if answer != 1 {
            return Err(io::Error::last_os_error());
        }
        self.running = true;
        Ok(true)
    }

    /// Whether no sync is running.
    ///
    /// # Errors
    /// When the last sync failed; reported once.
    #[expect(unsafe_code, reason = "rustix has no io_getevents")]
    fn is_idle(&mut self) -> io::Result<bool> {
        if !self.running {
            return Ok(true);
        }
        let mut completion = Completion::default();
        let mut no_wait = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        let (min, max): (libc::c_long, libc::c_long) = (0, 1);
        // SAFETY: io_getevents(2) writes at most `max` events to the address of one event, and reads and writes one timespec;
        // both are live.
        let answer = unsafe {
            libc::syscall(
                libc::SYS_io_getevents,
                self.context,
                min,
                max,
                &raw mut completion,
                &raw mut no_wait,
            )
        };
        match answer {
            0 => Ok(false),
            1 => {
                self.running = false;
                let failed = i32::try_from(completion.result.min(0).unsigned_abs()).unwrap_or(libc::EIO);
                if failed == 0 { Ok(true) } else { Err(io::Error::from_raw_os_error(failed)) }
            }
            _ => Err(io::Error::last_os_error()),
        }
    }
}

impl Drop for BackgroundSync {
    #[expect(unsafe_code, reason = "rustix has no io_destroy")]
    fn drop(&mut self) {
        // SAFETY: io_destroy(2) takes the context from `new`, which is not used afterwards, and waits for running requests.
        unsafe {
            libc::syscall(libc::SYS_io_destroy, self.context);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::thread::sleep;
    use std::time::Duration;

    use super::*;

    #[test]
    fn syncs_run_one_at_a_time_and_finish() {
        let mut file = tempfile::tempfile().unwrap();
        let mut sync = BackgroundSync::new().unwrap();
        for _ in 0..5 {
            file.write_all(b"something").unwrap();
            while !sync.start(&file).unwrap() {
                sleep(Duration::from_millis(1));
            }
            assert!(sync.running);
        }
        while !sync.is_idle().unwrap() {
            sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn a_failed_sync_can_be_followed_by_another() {
        let mut sync = BackgroundSync::new().unwrap();
        let nothing = File::open("/dev/null").unwrap();
        assert_eq!(sync.start(&nothing).unwrap_err().raw_os_error(), Some(libc::EINVAL));
        assert!(sync.start(&tempfile::tempfile().unwrap()).unwrap());
        // Dropped while it may be running.
    }
}
