//! Messages of the kernel's process connector (`include/uapi/linux/cn_proc.h`, `include/uapi/linux/connector.h`,
//! netlink(7)). Numbers are in native byte order.

use crate::parse_error::ParseError;

/// `CN_IDX_PROC`, `CN_VAL_PROC`.
pub(crate) const PROC: (u32, u32) = (1, 1);
/// The offset of the connector's header, after netlink's.
const CONNECTOR_AT: usize = 16;
/// The offset of `proc_event.what`.
pub(crate) const WHAT_AT: usize = 36;
const DATA_AT: usize = WHAT_AT + 16;
/// `NLMSG_NOOP`, `NLMSG_ERROR`: not from the connector.
const NOT_FOR_US: [u16; 2] = [1, 2];

/// `PROC_EVENT_*`
pub(crate) mod what {
    pub(crate) const ACK: u32 = 0;
    pub(crate) const FORK: u32 = 1;
    pub(crate) const EXEC: u32 = 2;
    pub(crate) const UID: u32 = 4;
    pub(crate) const GID: u32 = 0x40;
    pub(crate) const COMM: u32 = 0x200;
    pub(crate) const EXIT: u32 = 0x8000_0000;
}

/// An event of a process. Pids are those of the initial pid namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcEvent {
    /// The answer to a request.
    Ack {
        /// The `ack` of the request plus one.
        ack: u32,
        /// An errno or 0.
        error: u32,
    },
    /// A process or thread was created.
    Fork {
        /// The parent process.
        parent: i32,
        /// The new thread.
        thread: i32,
        /// The process of the new thread.
        process: i32,
    },
    /// A process called execve(2).
    Exec {
        /// The process.
        process: i32,
    },
    /// A thread changed its user or group.
    Owner {
        /// The thread.
        thread: i32,
        /// Its process.
        process: i32,
    },
    /// A thread changed its name.
    Name {
        /// The thread.
        thread: i32,
        /// Its process.
        process: i32,
        /// The new name, padded with zeros.
        comm: [u8; 16],
    },
    /// A thread exited.
    Exit {
        /// The thread.
        thread: i32,
        /// Its process.
        process: i32,
    },
    /// Any other event.
    Other,
}

impl ProcEvent {
    /// The name as in /proc/PID/comm, without the padding.
    #[must_use]
    pub fn name(comm: &[u8; 16]) -> &[u8] {
        let end = comm.iter().position(|byte| *byte == 0).unwrap_or(comm.len());
        &comm[..end]
    }
}

/// Parses a netlink message.
///
/// # Errors
/// It is truncated, or not a message of the process connector.
pub fn parse(bytes: &[u8]) -> Result<ProcEvent, ParseError> {
    let cut = || ParseError::new(0, "truncated message of the process connector", bytes);
    let number = |at: usize| {
        let field = bytes.get(at..at.checked_add(4)?)?;
        Some(u32::from_ne_bytes(field.try_into().ok()?))
    };
    let length = number(0).ok_or_else(cut)?;
    if usize::try_from(length).ok().is_none_or(|length| length > bytes.len()) {
        return Err(cut());
    }
    let kind = bytes.get(4..6).and_then(|field| Some(u16::from_ne_bytes(field.try_into().ok()?)));
    if kind.is_none_or(|kind| NOT_FOR_US.contains(&kind)) {
        return Err(ParseError::new(0, "not a netlink data message", bytes));
    }
    let field = |at: usize| number(at).ok_or_else(cut);
    if (field(CONNECTOR_AT)?, field(CONNECTOR_AT + 4)?) != PROC {
        return Err(ParseError::new(0, "not a message of the process connector", bytes));
    }
    let data = |index: usize| field(DATA_AT + 4 * index);
    let process =
        |index: usize| i32::try_from(data(index)?).map_err(|_| ParseError::new(0, "negative pid", bytes));
    Ok(match field(WHAT_AT)? {
        what::ACK => ProcEvent::Ack { ack: field(CONNECTOR_AT + 12)?, error: data(0)? },
        what::FORK => ProcEvent::Fork { parent: process(1)?, thread: process(2)?, process: process(3)? },
        what::EXEC => ProcEvent::Exec { process: process(1)? },
        what::UID | what::GID => ProcEvent::Owner { thread: process(0)?, process: process(1)? },
        what::COMM => {
            let comm = bytes.get(DATA_AT + 8..DATA_AT + 24).and_then(|comm| comm.try_into().ok());
            ProcEvent::Name { thread: process(0)?, process: process(1)?, comm: comm.ok_or_else(cut)? }
        }
        what::EXIT => ProcEvent::Exit { thread: process(0)?, process: process(1)? },
        _ => ProcEvent::Other,
    })
}
