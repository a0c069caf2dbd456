//! `oomguard mcp` with many concurrent calls to a slow host.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::fleet::Fleet;
use crate::mcp::Client;
use crate::run::oomguard;

/// An ssh to a host that does not answer until the file `go` exists, and then refuses the connection.
pub const SSH: &str = r#"#!/bin/sh
case " $* " in *" -G "*|*" -O "*) exit 0 ;; esac
echo asked >>"${0%/*}/../asked"
until [ -e "${0%/*}/../go" ]; do sleep 0.1; done
echo "ssh: connect to host slow port 22: Connection refused" >&2
exit 255
"#;

fn check(id: u64) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call",
        "params": {"name": "check_host", "arguments": {"host": "slow"}}})
}

#[test]
fn four_calls_run_sixty_wait_and_more_are_refused() {
    let fleet = Fleet::new();
    fleet.program("ssh", SSH);
    std::fs::write(fleet.path("hosts"), "slow\n").unwrap();
    let mut command = oomguard(["mcp", "--inventory"]);
    command.arg(fleet.path("hosts"));
    command.env("PATH", format!("{}:/usr/bin:/bin", fleet.path("bin").display()));
    let mut client = Client::of(command, false);
    for id in 100..170 {
        client.send(&check(id));
    }
    for _ in 0..6 {
        let answer = client.hear();
        assert!(answer.to_string().contains("too many calls are waiting"), "{answer}");
    }
    // A cancelled call that still waits never starts.
    let reason = json!({"requestId": 110, "reason": "no more"});
    client.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": reason}));
    while !client.audit().iter().any(|line| line["outcome"] == "cancelled") {
        std::thread::sleep(Duration::from_millis(50));
    }
    // Its place is free for another call, and the next is refused.
    client.send(&check(170));
    client.send(&check(171));
    assert_eq!(client.hear()["id"], 171);
    let asked = || std::fs::read_to_string(fleet.path("asked")).unwrap_or_default().lines().count();
    while asked() < 4 {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(asked(), 4, "more than four calls run at the same time");
    std::fs::write(fleet.path("go"), "").unwrap();
    let mut answered = BTreeSet::new();
    while answered.len() < 64 {
        let answer = client.hear();
        assert!(answer.to_string().contains("Connection refused"), "{answer}");
        assert!(answered.insert(answer["id"].as_u64().unwrap()), "answered twice: {answer}");
    }
    assert!(!answered.contains(&110) && answered.contains(&170));
    assert_eq!(client.given("check_spec", json!({"text": "a: 1\n"}))["valid"], true);
    client.ends();
}
