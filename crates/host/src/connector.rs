//! The kernel's process connector (netlink(7), `drivers/connector/cn_proc.c`): exec and rename events.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};

use crate::error::{HostError, Result};
use crate::host::Host;
use crate::proc_event::{self, PROC, ProcEvent, WHAT_AT, what};
use crate::wait::{self, Interest};

/// Buffer for events while the agent is busy. When it is full, the kernel drops events and returns ENOBUFS.
const RECEIVE_BUFFER: usize = 8 << 20;
/// Larger than any message of the connector (`CONNECTOR_MAX_MSG_SIZE` is 16 KiB; process events have 76 bytes).
const MESSAGE: usize = 512;
/// The kernel answers during the request, but never to a process in a pid namespace.
const ANSWER: Duration = Duration::from_millis(500);
/// `PROC_CN_MCAST_LISTEN`, `PROC_CN_MCAST_IGNORE`
const LISTEN: u32 = 1;
const IGNORE: u32 = 2;

/// A subscription to the exec and rename events of all processes.
#[derive(Debug)]
pub struct Connector {
    socket: OwnedFd,
    buffer: [u8; MESSAGE],
}

/// The result of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// An event.
    Event(ProcEvent),
    /// The kernel dropped an unknown number of events.
    Lost,
    /// No more events for now.
    Empty,
}

impl Host {
    /// Subscribes. Needs CAP_NET_ADMIN and the initial pid namespace.
    ///
    /// # Errors
    /// When the kernel refuses or does not answer, as in a container, or the host is a folder.
    pub fn connector(&self) -> Result<Connector> {
        if !self.is_live() {
            return Err(HostError::NotLive { program: "the process connector".to_owned() });
        }
        Connector::open().map_err(|e| HostError::file("subscribe to", "the process connector", e))
    }
}

impl Connector {
    fn open() -> std::io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::DGRAM,
            flags,
            Some(netlink::CONNECTOR),
        )?;
        // SO_RCVBUFFORCE needs CAP_NET_ADMIN, as does the subscription; SO_RCVBUF is limited by net.core.rmem_max.
        if sockopt::set_socket_recv_buffer_size_force(&socket, RECEIVE_BUFFER).is_err() {
            sockopt::set_socket_recv_buffer_size(&socket, RECEIVE_BUFFER)?;
        }
        // Optional: without it unwanted events are dropped here.
        let _ = attach_filter(&socket);
        rustix::net::bind(&socket, &SocketAddrNetlink::new(0, PROC.0))?;
        let mut connector = Self { socket, buffer: [0; MESSAGE] };
        connector.request(LISTEN)?;
        connector.wait_for_answer()?;
        Ok(connector)
    }

    fn request(&self, operation: u32) -> std::io::Result<()> {
        let message = request(operation, std::process::id());
        rustix::net::sendto(&self.socket, &message, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
        Ok(())
    }

    fn wait_for_answer(&mut self) -> std::io::Result<()> {
        // Answers go to all subscribers; ours has our `ack` plus one.
        let ours = std::process::id().wrapping_add(1);
        let silent = || {
            std::io::Error::new(
                std::io::ErrorKind::TimedOut,
                "no answer from the kernel, as in a container with its own pid namespace",
            )
        };
        loop {
            if wait::wait(&[(self.socket.as_fd(), Interest::Readable)], Some(ANSWER))? == 0 {
                return Err(silent());
            }
            match self.receive()? {
                Next::Event(ProcEvent::Ack { ack, error: 0 }) if ack == ours => return Ok(()),
                Next::Event(ProcEvent::Ack { ack, error }) if ack == ours => {
                    return Err(std::io::Error::from_raw_os_error(error.cast_signed()));
                }
                _ => {}
            }
        }
    }

    /// The next event, without waiting. Messages that are not from the kernel are skipped.
    ///
    /// # Errors
    /// When the socket fails.
    pub fn receive(&mut self) -> std::io::Result<Next> {
        loop {
            let received = rustix::net::recvfrom(&self.socket, &mut self.buffer, RecvFlags::empty());
            let (length, sender) = match received {
                Ok((_, length, sender)) => (length.min(MESSAGE), sender),
                Err(Errno::AGAIN) => return Ok(Next::Empty),
                Err(Errno::NOBUFS) => return Ok(Next::Lost),
                Err(Errno::INTR) => continue,
                Err(e) => return Err(e.into()),
            };
            // Port 0 is the kernel. Messages of privileged processes are ignored.
            let kernel = sender
                .and_then(|sender| SocketAddrNetlink::try_from(sender).ok())
                .is_some_and(|sender| sender.pid() == 0);
            if let (true, Ok(event)) = (kernel, proc_event::parse(&self.buffer[..length])) {
                return Ok(Next::Event(event));
            }
        }
    }
}

impl AsFd for Connector {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Connector {
    fn drop(&mut self) {
        // Before Linux 6.6 the kernel keeps sending until each subscriber has unsubscribed.
        let _ = self.request(IGNORE);
    }
}

/// A netlink header, a connector header and the operation.
fn request(operation: u32, ack: u32) -> [u8; 40] {
    let mut message = [0; 40];
    let mut put = |at: usize, bytes: &[u8]| message[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &40u32.to_ne_bytes());
    // NLMSG_DONE, as in the connector's own messages.
    put(4, &3u16.to_ne_bytes());
    put(16, &PROC.0.to_ne_bytes());
    put(20, &PROC.1.to_ne_bytes());
    put(28, &ack.to_ne_bytes());
    put(32, &4u16.to_ne_bytes());
    put(36, &operation.to_ne_bytes());
    message
}

/// Lets the kernel drop unwanted events before they wake the agent: two of three events of a short process. A socket filter
/// works on every kernel; the connector's own event mask exists only since Linux 6.6.
#[expect(unsafe_code, reason = "rustix has no SO_ATTACH_FILTER")]
fn attach_filter(socket: &OwnedFd) -> std::io::Result<()> {
    let wanted = [what::EXEC, what::COMM, what::ACK];
    let mut program = [libc::sock_filter { code: 0, jt: 0, jf: 0, k: 0 }; 6];
    let instruction = |code: u32, jt: u8, k: u32| libc::sock_filter { code: code as u16, jt, jf: 0, k };
    program[0] = instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, WHAT_AT as u32);
    for (at, what) in wanted.iter().enumerate() {
        // A filter loads numbers in network order; the message has them in native order.
        let jump = (wanted.len() - at) as u8;
        program[at + 1] = instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, jump, what.to_be());
    }
    program[4] = instruction(libc::BPF_RET | libc::BPF_K, 0, 0);
    program[5] = instruction(libc::BPF_RET | libc::BPF_K, 0, u32::MAX);
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: `filter` and the instructions that it points to live until the call returns; the kernel copies them
    // (socket(7)), and checks the program before it takes it.
    let answer = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const filter).cast(),
            size_of::<libc::sock_fprog>() as libc::socklen_t,
        )
    };
    if answer == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::request;
    use crate::proc_event::{ProcEvent, parse};

    #[test]
    fn a_request_has_the_layout_of_an_event() {
        // Parsed as an event, the operation is in the place of `what`, without data after it.
        assert!(parse(&request(4096, 7)).is_ok_and(|event| event == ProcEvent::Other));
        assert!(parse(&request(1, 7)).is_err());
    }
}
