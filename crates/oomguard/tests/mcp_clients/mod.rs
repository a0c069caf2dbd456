#![allow(dead_code, reason = "each test file uses a part of it")]
//! Third-party MCP clients: the `mcp` package of Python, the official inspector, and the conformance tests.
//!
//! `cargo xtask test` installs them and passes their folder.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};

use serde_json::{Value, json};

/// Legacy sessions begin with `initialize`; modern requests carry the protocol version themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    Legacy,
    Modern,
}

pub const ERAS: [Era; 2] = [Era::Legacy, Era::Modern];

/// How a client reaches the server.
#[derive(Clone, Debug)]
pub enum Reach {
    /// The client starts this command.
    Stdio(Vec<OsString>),
    /// The client connects to this address with the token in this file.
    Http { url: String, token_file: PathBuf },
}

fn folder() -> PathBuf {
    let target = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/mcp-clients");
    let folder = std::env::var_os("OOMGUARD_MCP_CLIENTS").map_or_else(target, PathBuf::from);
    assert!(
        folder.join("node/installed").is_file(),
        "no MCP clients in {}: `cargo xtask test` installs them and sets OOMGUARD_MCP_CLIENTS",
        folder.display()
    );
    folder
}

/// A program from npm, with a home folder of its own and without the environment of this machine.
pub fn node_program(name: &str, home: &Path) -> Command {
    let folder = folder();
    let mut command = Command::new(folder.join("node/node_modules/.bin").join(name));
    command.env_clear().env("HOME", home).stdin(Stdio::null());
    command.env("PATH", format!("{}:/usr/bin:/bin", folder.join("venv/bin").display()));
    command
}

/// Runs the inspector. Its exit code is 0, 5 if a tool fails, or 3 without a valid token.
pub fn inspector(reach: &Reach, era: Era, home: &Path, args: &[&str]) -> Output {
    // By default it waits at most a minute between two progress notifications.
    let mut server = json!({"connectionTimeout": 0});
    match reach {
        Reach::Stdio(command) => {
            let words: Vec<&str> = command.iter().map(|word| word.to_str().unwrap()).collect();
            (server["type"], server["command"]) = ("stdio".into(), words[0].into());
            server["args"] = words[1..].into();
        }
        Reach::Http { url, token_file } => {
            let token = std::fs::read_to_string(token_file).unwrap();
            (server["type"], server["url"]) = ("http".into(), url.as_str().into());
            server["headers"] = json!({"Authorization": format!("Bearer {}", token.trim())});
        }
    }
    let config = home.join("inspector.json");
    std::fs::write(&config, json!({"mcpServers": {"oomguard": server}}).to_string()).unwrap();
    let mut command = node_program("mcp-inspector", home);
    command.args(["--cli", "--format", "json", "--stored-auth-only", "--server", "oomguard", "--config"]);
    command.arg(config).args(["--protocol-era", if era == Era::Legacy { "legacy" } else { "modern" }]);
    command.args(args).output().unwrap()
}

/// Calls a tool with the inspector: its result, or the output of a failed call.
pub fn inspect(reach: &Reach, era: Era, home: &Path, tool: &str, arguments: &Value) -> Result<Value, String> {
    let arguments = arguments.to_string();
    let args = ["--method", "tools/call", "--tool-name", tool, "--tool-args-json", &arguments];
    let output = inspector(reach, era, home, &args);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let all = text(&output.stdout) + &text(&output.stderr);
    match output.status.code() {
        Some(0) => Ok(serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {all}"))),
        Some(5) => Err(all),
        other => panic!("the inspector ended with {other:?}: {all}"),
    }
}

/// What the person answers when the server asks through the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Person<'a> {
    CannotBeAsked,
    Accepts,
    Declines,
    /// Runs the command in the question with this oomguard, and then accepts.
    Approves(&'a str),
}

/// The Python client; it handles one request at a time.
pub struct Python {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl Python {
    pub fn start(reach: &Reach, era: Era, person: Person<'_>) -> Self {
        let mut command = Command::new(folder().join("venv/bin/python"));
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../oomguard/tests/mcp_clients/client.py");
        command.arg("-B").arg(script).arg(if era == Era::Legacy { "legacy" } else { "2026-07-28" });
        match reach {
            Reach::Stdio(server) => command.arg("stdio").args(server),
            Reach::Http { url, token_file } => command.arg("http").arg(url).arg(token_file),
        };
        match person {
            Person::CannotBeAsked => &mut command,
            Person::Accepts => command.env("CLIENT_ANSWER", "accept"),
            Person::Declines => command.env("CLIENT_ANSWER", "decline"),
            Person::Approves(program) => {
                command.env("CLIENT_ANSWER", "accept").env("CLIENT_APPROVES", program)
            }
        };
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (to, from) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, to, from }
    }

    fn ask(&mut self, wanted: &Value) -> Value {
        writeln!(self.to.as_ref().unwrap(), "{wanted}").unwrap();
        let mut line = String::new();
        assert!(self.from.read_line(&mut line).unwrap() > 0, "the client exited");
        serde_json::from_str(&line).unwrap()
    }

    pub fn list(&mut self) -> Value {
        self.ask(&json!({"list": true}))["tools"].take()
    }

    /// Everything that came of a call: `result` and `progress`, or `error`; and `asked`.
    pub fn call(&mut self, tool: &str, arguments: &Value) -> Value {
        self.ask(&json!({"call": tool, "arguments": arguments}))
    }

    /// A call that is cancelled at the first progress notification.
    pub fn cancel(&mut self, tool: &str, arguments: &Value) -> Value {
        self.ask(&json!({"call": tool, "arguments": arguments, "cancel": true}))
    }

    #[track_caller]
    pub fn given(&mut self, tool: &str, arguments: &Value) -> Value {
        let mut done = self.call(tool, arguments);
        assert_eq!(done["result"]["isError"], false, "{tool}: {done}");
        done["result"]["structuredContent"].take()
    }

    #[track_caller]
    pub fn refused(&mut self, tool: &str, arguments: &Value, why: &str) -> Value {
        let done = self.call(tool, arguments);
        assert_eq!(done["result"]["isError"], true, "{tool}: {done}");
        assert!(done.to_string().contains(why), "{why:?} is missing: {done}");
        done
    }

    /// Closes the connection and waits for the client to exit.
    pub fn ends(mut self) {
        drop(self.to.take());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
