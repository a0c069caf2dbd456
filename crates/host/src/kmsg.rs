//! Follows the kernel log, `/dev/kmsg`.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, SeekFrom};
use rustix::io::Errno;

use crate::error::{HostError, Result};
use crate::host::Host;
use crate::parse_error::ParseError;
use crate::proc::kmsg::{KERNEL, MAX_RECORD, Record, parse};

const PATH: &str = "/dev/kmsg";

/// Where to start reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the end: only new records.
    Now,
    /// After this sequence number; overwritten records count as lost.
    After(u64),
}

/// The result of a read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KmsgRead {
    /// A record with the kernel's own facility.
    Record(Record),
    /// This many records were overwritten before they were read.
    Lost(u64),
    /// A malformed record.
    Unreadable(ParseError),
    /// No more records for now.
    Empty,
}

/// An open /dev/kmsg that never blocks. Poll its descriptor for reading.
#[derive(Debug)]
pub struct Kmsg {
    fd: OwnedFd,
    /// The sequence number of the last record of any facility.
    last: Option<u64>,
    /// The record after a loss that is being reported.
    waiting: Option<Record>,
    buffer: Vec<u8>,
}

impl Kmsg {
    /// Opens the kernel log.
    ///
    /// # Errors
    /// When it does not exist (in a container) or this user may not read it (`kernel.dmesg_restrict`).
    pub fn open(host: &Host, start: Start) -> Result<Self> {
        let fail = |e: Errno| HostError::file("open", PATH, e);
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = rustix::fs::open(host.real(PATH), flags, Mode::empty()).map_err(fail)?;
        let (from, last) = match start {
            Start::Now => (SeekFrom::End(0), None),
            Start::After(sequence) => (SeekFrom::Start(0), Some(sequence)),
        };
        rustix::fs::seek(&fd, from).map_err(fail)?;
        Ok(Self::from_fd(fd, last))
    }

    /// Reads from a nonblocking descriptor that returns one record per read.
    #[must_use]
    pub fn from_fd(fd: OwnedFd, last: Option<u64>) -> Self {
        Self { fd, last, waiting: None, buffer: vec![0; MAX_RECORD] }
    }

    /// The sequence number of the last record; [`Start::After`] continues there.
    #[must_use]
    pub fn last(&self) -> Option<u64> {
        self.last
    }

    /// The next record of the kernel. Records of programs are skipped.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn read(&mut self) -> Result<KmsgRead> {
        if let Some(record) = self.waiting.take() {
            return Ok(KmsgRead::Record(record));
        }
        loop {
            let read = rustix::io::read(&self.fd, self.buffer.as_mut_slice());
            let len = match read {
                Ok(0) | Err(Errno::AGAIN) => return Ok(KmsgRead::Empty),
                Ok(len) => len,
                // The next record was overwritten. The following read returns the oldest one left; its sequence number
                // shows how many are missing.
                Err(Errno::PIPE | Errno::INTR) => continue,
                Err(e) => return Err(HostError::file("read", PATH, e)),
            };
            let record = match parse(&self.buffer[..len]) {
                Ok(record) => record,
                Err(error) => return Ok(KmsgRead::Unreadable(error)),
            };
            let lost = match self.last {
                // Before `Start::After`.
                Some(last) if record.sequence <= last => continue,
                Some(last) => record.sequence - last - 1,
                None => 0,
            };
            self.last = Some(record.sequence);
            let kernels = (record.facility == KERNEL).then_some(record);
            match (lost, kernels) {
                (0, Some(record)) => return Ok(KmsgRead::Record(record)),
                (0, None) => {}
                (lost, kernels) => {
                    self.waiting = kernels;
                    return Ok(KmsgRead::Lost(lost));
                }
            }
        }
    }
}

impl AsFd for Kmsg {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixDatagram;

    /// A datagram socket returns one record per read, as /dev/kmsg does.
    fn log(last: Option<u64>) -> (UnixDatagram, Kmsg) {
        let (kernel, reader) = UnixDatagram::pair().unwrap();
        reader.set_nonblocking(true).unwrap();
        (kernel, Kmsg::from_fd(reader.into(), last))
    }

    fn text(heard: KmsgRead) -> String {
        match heard {
            KmsgRead::Record(record) => record.text,
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn only_kernel_records_are_returned_and_gaps_are_counted() {
        let (kernel, mut kmsg) = log(None);
        assert_eq!(kmsg.read().unwrap(), KmsgRead::Empty);
        for record in
            ["6,7,1,-;one\n", "14,8,2,-;a program\n", "4,9,3,c;two\n", "4,12,3,-;three\n", "12,20,3,-;x\n"]
        {
            kernel.send(record.as_bytes()).unwrap();
        }
        assert_eq!(text(kmsg.read().unwrap()), "one");
        assert_eq!(text(kmsg.read().unwrap()), "two", "a program's record is skipped and is not a gap");
        assert_eq!(kmsg.read().unwrap(), KmsgRead::Lost(2));
        assert_eq!(text(kmsg.read().unwrap()), "three");
        assert_eq!(kmsg.read().unwrap(), KmsgRead::Lost(7), "before a record of a program, too");
        assert_eq!(kmsg.read().unwrap(), KmsgRead::Empty);
        assert_eq!(kmsg.last(), Some(20));
    }

    #[test]
    fn reading_continues_after_a_sequence_number() {
        let (kernel, mut kmsg) = log(Some(8));
        for record in ["6,7,1,-;old\n", "6,8,1,-;old\n", "nonsense", "6,9,1,-;new\n"] {
            kernel.send(record.as_bytes()).unwrap();
        }
        assert!(matches!(kmsg.read().unwrap(), KmsgRead::Unreadable(_)));
        assert_eq!(text(kmsg.read().unwrap()), "new");
    }
}
