//! fdatasync(2) that nobody waits for: the kernel makes a file durable on a thread of its own (io_submit(2),
//! `IOCB_CMD_FDSYNC`, Linux 4.18), and says so when asked.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// `IOCB_CMD_FDSYNC` (`include/uapi/linux/aio_abi.h`).
const FDSYNC: u16 = 3;

/// A place for one sync at a time.
#[derive(Debug)]
pub(crate) struct BackgroundSync {
    /// `aio_context_t`
    context: libc::c_ulong,
    under_way: bool,
}

/// `struct iocb` for a sync, which has no place in the file. Its second and third field change places on machines whose
/// highest byte comes first; both are zero.
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
    /// When the kernel has no such thing, or all places of the machine are taken (`fs.aio-max-nr`).
    #[expect(unsafe_code, reason = "rustix has no io_setup")]
    pub(crate) fn new() -> io::Result<Self> {
        let mut context: libc::c_ulong = 0;
        let places: libc::c_uint = 1;
        // SAFETY: io_setup(2) takes a number and writes one `aio_context_t` to the address, which is that of a live one that is zero.
        let answer = unsafe { libc::syscall(libc::SYS_io_setup, places, &raw mut context) };
        if answer < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { context, under_way: false })
    }

    /// Has the kernel make durable what was written to `file` so far. `false`: it is not through with the last time yet, and
    /// this is to be asked again.
    ///
    /// # Errors
    /// When the last time failed, or the kernel refuses.
    #[expect(unsafe_code, reason = "rustix has no io_submit")]
    pub(crate) fn start(&mut self, file: &File) -> io::Result<bool> {
        if !self.is_through()? {
            return Ok(false);
        }
        let fd = file.as_raw_fd().cast_unsigned();
        let mut request = Request { opcode: FDSYNC, fd, ..Request::default() };
        let requests = [&raw mut request];
        let count: libc::c_long = 1;
        // SAFETY: io_submit(2) reads `count` addresses, each of a live `struct iocb`, and copies what it needs: it reads neither
        // after it has returned. The kernel holds the file for as long as it needs it.
        let answer = unsafe { libc::syscall(libc::SYS_io_submit, self.context, count, requests.as_ptr()) };
        if answer != 1 {
            return Err(io::Error::last_os_error());
        }
        self.under_way = true;
        Ok(true)
    }

    /// Whether nothing is under way.
    ///
    /// # Errors
    /// When the last time failed; said once.
    #[expect(unsafe_code, reason = "rustix has no io_getevents")]
    fn is_through(&mut self) -> io::Result<bool> {
        if !self.under_way {
            return Ok(true);
        }
        let mut completion = Completion::default();
        let mut at_once = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        let (least, most): (libc::c_long, libc::c_long) = (0, 1);
        // SAFETY: io_getevents(2) writes at most `most` events to an address at which there is room for that one, and reads
        // and writes one timespec; both live.
        let answer = unsafe {
            libc::syscall(
                libc::SYS_io_getevents,
                self.context,
                least,
                most,
                &raw mut completion,
                &raw mut at_once,
            )
        };
        match answer {
            0 => Ok(false),
            1 => {
                self.under_way = false;
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
        // SAFETY: io_destroy(2) takes the context that `new` was given, which nobody uses any more, and waits for what is under way.
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
    fn one_at_a_time_and_each_ends() {
        let mut file = tempfile::tempfile().unwrap();
        let mut sync = BackgroundSync::new().unwrap();
        for _ in 0..5 {
            file.write_all(b"something").unwrap();
            while !sync.start(&file).unwrap() {
                sleep(Duration::from_millis(1));
            }
            assert!(sync.under_way);
        }
        while !sync.is_through().unwrap() {
            sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn what_cannot_be_made_durable_is_an_error_and_not_the_end() {
        let mut sync = BackgroundSync::new().unwrap();
        let nothing = File::open("/dev/null").unwrap();
        assert_eq!(sync.start(&nothing).unwrap_err().raw_os_error(), Some(libc::EINVAL));
        assert!(sync.start(&tempfile::tempfile().unwrap()).unwrap());
        // Dropped while it may be under way.
    }
}
