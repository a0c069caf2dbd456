//! `oomguard mcp --http`: token, Host and Origin, with raw requests.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::fleet::Fleet;
use crate::hosts::Folder;
use crate::mcp::{READ_ONLY, initialize, modern};
use crate::mcp_many::SSH as SLOW_SSH;
use crate::run::{oomguard, open_dir, ran, start};

pub const TOKEN: &str = "0123456789abcdef0123456789abcdef";

pub struct Server {
    child: Child,
    pub port: u16,
    pub state: TempDir,
    pub token_file: PathBuf,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have exited already.
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }
}

fn token_file(dir: &Path, text: &str, mode: u32) -> PathBuf {
    let path = dir.join(format!("token-{mode:o}-{}", text.len()));
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    path
}

impl Server {
    pub fn start(host: &Folder) -> Self {
        Self::with(&["--root", host.root().to_str().unwrap()])
    }

    pub fn with(args: &[&str]) -> Self {
        let mut command = oomguard(["mcp", "--http", "127.0.0.1:0"]);
        command.args(args);
        Self::of(command)
    }

    fn of(mut command: Command) -> Self {
        let state = open_dir();
        let token_file = token_file(state.path(), &format!("{TOKEN}\n"), 0o600);
        command
            .arg("--token-file")
            .arg(&token_file)
            .arg("--state")
            .arg(state.path().join("state"))
            .arg("--runs")
            .arg(state.path().join("runs"));
        let mut child = start(command.stdout(Stdio::null()).stderr(Stdio::piped()));
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().rsplit(':').next().unwrap().trim_end_matches("/mcp").parse().unwrap();
        Self { child, port, state, token_file }
    }

    /// Sends a request with these headers and the usual ones; returns the status and the body.
    fn post(&self, headers: &[(&str, &str)], body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let mut head = "POST /mcp HTTP/1.1\r\nConnection: close\r\nContent-Type: application/json\r\n\
                        Accept: application/json, text/event-stream\r\n"
            .to_owned();
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
        stream.write_all(head.as_bytes()).unwrap();
        // A server may refuse a request before it has read all of it.
        let _ = stream.write_all(body.as_bytes());
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        (status, answer.split("\r\n\r\n").nth(1).unwrap_or_default().to_owned())
    }

    fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    #[track_caller]
    fn json(&self, more: &[(&str, &str)], message: &Value) -> Value {
        let (host, bearer) = (self.host(), format!("Bearer {TOKEN}"));
        let headers = [&[("Host", host.as_str()), ("Authorization", &bearer)], more].concat();
        let (status, body) = self.post(&headers, &message.to_string());
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }
}

#[test]
fn both_eras_list_and_call() {
    let host = Folder::fresh();
    let server = Server::start(&host);
    assert_eq!(server.json(&[], &initialize())["result"]["protocolVersion"], "2025-11-25");
    let old = [("MCP-Protocol-Version", "2025-11-25")];
    let list = server.json(&old, &json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"}));
    let names: Vec<&str> = list["result"]["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| tool["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, READ_ONLY);
    let call = |meta: bool| {
        let mut params = json!({"name": "host_status", "arguments": {}});
        if meta {
            params["_meta"] = modern();
        }
        json!({"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": params})
    };
    let status = server.json(&old, &call(false));
    assert_eq!(status["result"]["structuredContent"]["report"]["host"], "web1", "{status}");
    let new =
        [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "tools/call"), ("Mcp-Name", "host_status")];
    let status = server.json(&new, &call(true));
    assert_eq!(status["result"]["structuredContent"]["report"]["host"], "web1", "{status}");
    let audit = std::fs::read_to_string(server.state.path().join("state/audit.jsonl")).unwrap();
    assert!(audit.contains("\"caller\":\"http"), "{audit}");
    assert!(!audit.contains(TOKEN), "{audit}");
}

#[test]
fn shutdown_accepts_no_connections_and_answers_open_calls() {
    let fleet = Fleet::new();
    fleet.program("ssh", SLOW_SSH);
    std::fs::write(fleet.path("hosts"), "slow\n").unwrap();
    let mut command = oomguard(["mcp", "--http", "127.0.0.1:0", "--inventory"]);
    command.arg(fleet.path("hosts"));
    command.env("PATH", format!("{}:/usr/bin:/bin", fleet.path("bin").display()));
    let mut server = Server::of(command);
    let asks = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call",
        "params": {"name": "check_host", "arguments": {"host": "slow"}}});
    let old = [("MCP-Protocol-Version", "2025-11-25")];
    // An idle connection does not delay the shutdown.
    let _idle = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    let answer = std::thread::scope(|scope| {
        let answer = scope.spawn(|| server.json(&old, &asks));
        let until = |is: &dyn Fn() -> bool| {
            while !is() {
                std::thread::sleep(Duration::from_millis(20));
            }
        };
        until(&|| fleet.path("asked").exists());
        signal(&server.child, Signal::TERM);
        until(&|| TcpStream::connect(("127.0.0.1", server.port)).is_err());
        std::fs::write(fleet.path("go"), "").unwrap();
        answer.join().unwrap()
    });
    assert!(answer.to_string().contains("Connection refused"), "{answer}");
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
}

fn signal(child: &Child, signal: Signal) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, signal).unwrap();
}

#[test]
fn wrong_tokens_hosts_origins_and_large_bodies_are_refused() {
    let host = Folder::fresh();
    let server = Server::start(&host);
    let (own, bearer) = (server.host(), format!("Bearer {TOKEN}"));
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).to_string();
    let status = |headers: &[(&str, &str)]| server.post(headers, &body).0;
    let basic = format!("Basic {TOKEN}");
    let longer = format!("{bearer}0");
    for wrong in ["", "Bearer", "Bearer ", "Bearer 0123456789abcdef0123456789abcdee", &basic, &longer, TOKEN]
    {
        assert_eq!(status(&[("Host", &own), ("Authorization", wrong)]), 401, "{wrong:?}");
    }
    assert_eq!(status(&[("Host", &own)]), 401, "without a token");
    assert_eq!(status(&[("Host", &own), ("Authorization", &bearer), ("Authorization", "Bearer x")]), 401);
    for other in ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "127.0.0.1:1", "10.0.0.1"] {
        assert_eq!(status(&[("Host", other), ("Authorization", &bearer)]), 403, "Host {other}");
    }
    for origin in ["https://evil.example", "null", "http://127.0.0.1.evil.example", "http://localhost:1"] {
        let code = status(&[("Host", &own), ("Authorization", &bearer), ("Origin", origin)]);
        assert_eq!(code, 403, "Origin {origin}");
    }
    assert_eq!(status(&[("Host", &own), ("Host", "evil.example"), ("Authorization", &bearer)]), 400);
    let large = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": "check_spec", "arguments": {"text": "x".repeat(10 << 20)}}});
    let code = server.post(&[("Host", &own), ("Authorization", &bearer)], &large.to_string()).0;
    assert!(matches!(code, 413 | 0), "10 MB: {code}");
    let list = server.json(&[], &json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}));
    assert!(list["result"]["tools"].is_array(), "the server stopped: {list}");
}

#[test]
fn a_token_file_that_others_can_access_is_refused() {
    let dir = open_dir();
    let starts = |token: &Path, address: &str| {
        let mut command = oomguard(["mcp", "--http", address, "--token-file"]);
        ran(command.arg(token).arg("--state").arg(dir.path().join("state")).arg("--runs").arg(dir.path()))
    };
    for mode in [0o644, 0o640, 0o660, 0o400, 0o777] {
        let token = token_file(dir.path(), TOKEN, mode);
        assert!(starts(&token, "127.0.0.1:0").exits(1).err.contains("0600"), "{mode:o}");
    }
    let good = token_file(dir.path(), TOKEN, 0o600);
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(&good, &link).unwrap();
    starts(&link, "127.0.0.1:0").exits(1);
    assert!(starts(&token_file(dir.path(), "short", 0o600), "127.0.0.1:0").exits(1).err.contains("32"));
    assert!(starts(&good, "0.0.0.0:0").exits(1).err.contains("not a loopback address"));
    ran(&mut oomguard(["mcp", "--http", "127.0.0.1:0"])).exits(64);
}
