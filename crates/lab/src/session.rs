//! Commands that go on while the test does other things.

use std::io::{BufRead, BufReader, Write};
use std::process::Child;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::proc::wait;

/// A running command of a host, with pipes to its standard input and output.
///
/// Dropping it closes the ssh session.
pub struct Session {
    command: String,
    child: Child,
    lines: Receiver<String>,
}

impl Session {
    pub(crate) fn new(command: &str, mut child: Child) -> Self {
        let (send, lines) = channel();
        if let Some(stdout) = child.stdout.take() {
            thread::spawn(move || {
                let mut reader = BufReader::new(stdout);
                let mut line = Vec::new();
                while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
                    let text = String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned();
                    if send.send(text).is_err() {
                        return;
                    }
                    line.clear();
                }
            });
        }
        if let Some(mut stderr) = child.stderr.take() {
            thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
        }
        Self { command: command.to_owned(), child, lines }
    }

    fn no_line(&self, why: impl Into<String>) -> Error {
        Error::NoLine { command: self.command.clone(), why: why.into() }
    }

    /// Writes a line to the command.
    pub fn send_line(&mut self, line: &str) -> Result<()> {
        let wrote = match &mut self.child.stdin {
            Some(pipe) => pipe
                .write_all(format!("{line}\n").as_bytes())
                .and_then(|()| pipe.flush())
                .map_err(|e| e.to_string()),
            None => Err("its input is closed".to_owned()),
        };
        wrote.map_err(|why| self.no_line(why))
    }

    /// Closes the command's standard input.
    pub fn close_input(&mut self) {
        self.child.stdin = None;
    }

    /// The next line the command writes.
    pub fn read_line(&mut self, limit: Duration) -> Result<String> {
        self.lines.recv_timeout(limit).map_err(|e| {
            self.no_line(match e {
                RecvTimeoutError::Timeout => format!("waited {} s", limit.as_secs()),
                RecvTimeoutError::Disconnected => "it ended".to_owned(),
            })
        })
    }

    /// Waits for the exit status; `None` if the time limit is reached or a signal ended the command.
    pub fn wait(&mut self, limit: Duration) -> Option<i32> {
        wait(&mut self.child, limit).ok().flatten().and_then(|s| s.code())
    }

    /// Ends the ssh session. The command on the host may continue, as after any lost connection.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A login through PAM and logind. It keeps the user's manager running.
pub struct Login {
    pub(crate) session: Session,
}

impl Login {
    /// Logs out and waits for the connection to end.
    pub fn logout(mut self) {
        self.session.close_input();
        let _ = self.session.wait(Duration::from_secs(20));
    }
}
