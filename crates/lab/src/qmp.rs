//! QEMU's monitor protocol, over the process's own standard input and output.

use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, ChildStdout};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::error::{Error, Result};

/// A monitor connection.
pub(crate) struct Monitor {
    commands: ChildStdin,
    answers: Receiver<Value>,
    last: u64,
}

impl Monitor {
    /// Takes the pipes of a QEMU started with `-qmp stdio` and leaves negotiation mode.
    pub(crate) fn new(commands: ChildStdin, replies: ChildStdout) -> Result<Self> {
        let (send, answers) = channel();
        thread::spawn(move || {
            for line in BufReader::new(replies).lines() {
                let Ok(line) = line else { return };
                let Ok(value) = serde_json::from_str::<Value>(&line) else {
                    continue;
                };
                let is_answer = value.get("return").is_some() || value.get("error").is_some();
                if is_answer && send.send(value).is_err() {
                    return;
                }
            }
        });
        let mut monitor = Self { commands, answers, last: 0 };
        monitor.execute("qmp_capabilities", &json!({}), Duration::from_secs(30))?;
        Ok(monitor)
    }

    /// Runs one command and returns its answer.
    pub(crate) fn execute(&mut self, name: &str, arguments: &Value, limit: Duration) -> Result<Value> {
        self.last += 1;
        let mut line = json!({ "execute": name, "arguments": arguments, "id": self.last }).to_string();
        line.push('\n');
        self.commands.write_all(line.as_bytes()).map_err(|e| Error::Monitor(format!("{name}: {e}")))?;
        let end = Instant::now() + limit;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let mut answer = self.answers.recv_timeout(left).map_err(|e| {
                Error::Monitor(match e {
                    RecvTimeoutError::Timeout => format!("{name}: no answer within {} s", limit.as_secs()),
                    RecvTimeoutError::Disconnected => format!("{name}: QEMU ended"),
                })
            })?;
            // A late answer to an earlier command that timed out.
            if answer.get("id").and_then(Value::as_u64) != Some(self.last) {
                continue;
            }
            return match answer.get_mut("return") {
                Some(value) => Ok(value.take()),
                None => Err(Error::Monitor(format!("{name}: {answer}"))),
            };
        }
    }

    /// Runs a command of the human monitor; an answer with text is an error.
    pub(crate) fn human(&mut self, command_line: &str, limit: Duration) -> Result<()> {
        let arguments = json!({ "command-line": command_line });
        let answer = self.execute("human-monitor-command", &arguments, limit)?;
        match answer.as_str().map(str::trim) {
            None | Some("") => Ok(()),
            Some(text) => Err(Error::Monitor(format!("{command_line}: {text}"))),
        }
    }
}
