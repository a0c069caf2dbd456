//! Runs programs on this machine, with a time limit or tied to the life of this process.

use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};
use std::{fmt::Write as _, io};

use crate::error::{Error, Result, tail};

/// The result of a program.
pub(crate) struct Captured {
    /// `None` if the time limit was reached and the program was killed.
    pub(crate) status: Option<ExitStatus>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

/// The command as a shell would take it.
pub(crate) fn shown(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for arg in command.get_args() {
        let _ = write!(text, " {}", arg.to_string_lossy());
    }
    text
}

fn failed(command: &Command, what: impl Into<String>, stderr: &str) -> Error {
    Error::Program { command: shown(command), what: what.into(), stderr: tail(stderr, 40) }
}

/// Runs a program with `input` on its standard input, for at most `limit`.
pub(crate) fn capture(command: &mut Command, input: &[u8], limit: Duration) -> Result<Captured> {
    command
        .stdin(if input.is_empty() { Stdio::null() } else { Stdio::piped() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|e| failed(command, format!("does not start: {e}"), ""))?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (done, status_of) = channel();
    let (out, err, status) = thread::scope(|scope| {
        if let Some(mut pipe) = stdin {
            scope.spawn(move || drop(pipe.write_all(input)));
        }
        let out = done.clone();
        scope.spawn(move || drop(out.send((true, read_all(stdout)))));
        scope.spawn(move || drop(done.send((false, read_all(stderr)))));
        let status = wait(&mut child, limit);
        if !matches!(status, Ok(Some(_))) {
            let _ = child.kill();
            let _ = child.wait();
        }
        let (mut out, mut err) = (Vec::new(), Vec::new());
        for (is_out, bytes) in status_of.iter().take(2) {
            if is_out {
                out = bytes;
            } else {
                err = bytes;
            }
        }
        (out, err, status)
    });
    let status = status.map_err(|e| failed(command, format!("cannot be awaited: {e}"), ""))?;
    Ok(Captured { status, stdout: out, stderr: err })
}

/// Runs a program that must succeed.
pub(crate) fn succeed(command: &mut Command, limit: Duration) -> Result<Vec<u8>> {
    let done = capture(command, &[], limit)?;
    match done.status {
        Some(status) if status.success() => Ok(done.stdout),
        other => {
            let what = other.map_or_else(
                || format!("did not end within {} s", limit.as_secs()),
                |s| format!("failed ({s})"),
            );
            Err(failed(command, what, &String::from_utf8_lossy(&done.stderr)))
        }
    }
}

fn read_all(pipe: Option<impl Read>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        let _ = pipe.read_to_end(&mut bytes);
    }
    bytes
}

/// Waits for a child; `None` if the time limit is reached.
pub(crate) fn wait(child: &mut Child, limit: Duration) -> io::Result<Option<ExitStatus>> {
    let end = Instant::now() + limit;
    let mut nap = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= end {
            return Ok(None);
        }
        thread::sleep(nap);
        nap = (nap * 2).min(Duration::from_millis(50));
    }
}

type Job = (Command, Sender<io::Result<Child>>);

/// Starts a program that the kernel kills when this process ends.
///
/// The kernel ties it to the thread that started it, so one thread that never ends starts all of them.
pub(crate) fn spawn_tied(inner: &Command) -> Result<Child> {
    static STARTER: OnceLock<Mutex<Sender<Job>>> = OnceLock::new();
    let starter = STARTER.get_or_init(|| {
        let (jobs, todo): (Sender<Job>, Receiver<Job>) = channel();
        thread::spawn(move || {
            for (mut command, answer) in todo {
                let _ = answer.send(command.spawn());
            }
        });
        Mutex::new(jobs)
    });
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(inner.get_program()).args(inner.get_args());
    if let Some(directory) = inner.get_current_dir() {
        command.current_dir(directory);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let text = shown(&command);
    let (answer, child) = channel();
    let sent = match starter.lock() {
        Ok(jobs) => jobs.send((command, answer)).is_ok(),
        Err(_) => false,
    };
    let gone = || io::Error::other("the starter thread has ended");
    let child = if sent { child.recv().unwrap_or_else(|_| Err(gone())) } else { Err(gone()) };
    child.map_err(|e| Error::Program {
        command: text,
        what: format!("does not start: {e}"),
        stderr: String::new(),
    })
}
