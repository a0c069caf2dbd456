//! One client: its request is read, the response written, and what it still sends thrown away.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use oomguard_host::wait::Interest;

use super::Page;
use super::request::{self, Head};
use super::response;

/// The most bytes of a request's head.
const MAX_HEAD: usize = 8 << 10;
/// A client that sends more than this after its head is cut off.
const MAX_IGNORED: usize = 256 << 10;
const CHUNK: usize = 2 << 10;

/// A connection that is served without ever blocking.
pub(super) struct Connection {
    stream: TcpStream,
    /// When it is closed, whatever it is doing; a time of `Host::tick`.
    pub(super) deadline: Duration,
    state: State,
}

enum State {
    /// The bytes of the head so far.
    Reading(Vec<u8>),
    /// The response, and how much of it is written.
    Writing(Vec<u8>, usize),
    /// The response is written. Closing now would reset the connection, and the client lose the response, when it has
    /// sent more than was read.
    Ignoring(usize),
}

enum Step {
    Again,
    Wait,
    Close,
}

impl Connection {
    pub(super) fn new(stream: TcpStream, deadline: Duration) -> Self {
        Self { stream, deadline, state: State::Reading(Vec::new()) }
    }

    pub(super) fn interest(&self) -> Interest {
        match self.state {
            State::Reading(_) | State::Ignoring(_) => Interest::Readable,
            State::Writing(..) => Interest::Writable,
        }
    }

    /// Does what can be done without blocking; `false` when the connection is over.
    pub(super) fn advance(&mut self, page: &Page) -> bool {
        loop {
            let step = match &mut self.state {
                State::Reading(_) => self.read(page),
                State::Writing(..) => self.write(),
                State::Ignoring(_) => self.ignore(),
            };
            match step {
                Step::Again => {}
                Step::Wait => return true,
                Step::Close => return false,
            }
        }
    }

    fn read(&mut self, page: &Page) -> Step {
        let State::Reading(head) = &mut self.state else { return Step::Again };
        let mut chunk = [0; CHUNK];
        let count = match self.stream.read(&mut chunk) {
            Ok(0) => return Step::Close,
            Ok(count) => count,
            Err(e) => return on_error(&e),
        };
        head.extend_from_slice(&chunk[..count]);
        let response = match request::parse(head) {
            Head::Partial if head.len() < MAX_HEAD => return Step::Again,
            Head::Partial => response::too_large(),
            Head::Invalid => response::bad_request(),
            Head::Whole(request) => response::to(&request, page),
        };
        self.state = State::Writing(response, 0);
        Step::Again
    }

    fn write(&mut self) -> Step {
        let State::Writing(response, written) = &mut self.state else { return Step::Again };
        match self.stream.write(&response[*written..]) {
            Ok(count) => *written += count,
            Err(e) => return on_error(&e),
        }
        if *written < response.len() {
            return Step::Again;
        }
        if self.stream.shutdown(Shutdown::Write).is_err() {
            return Step::Close;
        }
        self.state = State::Ignoring(0);
        Step::Again
    }

    fn ignore(&mut self) -> Step {
        let State::Ignoring(ignored) = &mut self.state else { return Step::Again };
        let mut chunk = [0; CHUNK];
        match self.stream.read(&mut chunk) {
            Ok(0) => Step::Close,
            Ok(count) => {
                *ignored += count;
                if *ignored > MAX_IGNORED { Step::Close } else { Step::Again }
            }
            Err(e) => on_error(&e),
        }
    }
}

fn on_error(error: &std::io::Error) -> Step {
    match error.kind() {
        ErrorKind::WouldBlock => Step::Wait,
        ErrorKind::Interrupted => Step::Again,
        // What a client does wrong is not worth a line in the log: everybody on the machine can do it.
        _ => Step::Close,
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
