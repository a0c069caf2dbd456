//! An assistant changes a host only with a person's approval.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // Helpers of tests are tests, too.

mod host;
#[path = "../../oomguard/tests/mcp_clients/mod.rs"]
mod mcp_clients;

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use host::{boot, etc, ok, run};
use mcp_clients::{Era, Person, Python, Reach, inspect};
use oomguard_lab::{HostSpec, Release, Vm};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The lab host in the inventory of a server on the machine that runs the test.
const NAME: &str = "testnet001.ac-dc.network";

const SERVER: &str = "oomguard mcp --allow-write --folder /root";

fn request(tool: &str, arguments: &Value) -> Value {
    let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "lab", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {}});
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"_meta": meta, "name": tool, "arguments": arguments}})
}

fn script(vm: &Vm, script: &str) -> String {
    ok(vm, &format!("cat > /root/call.sh <<'END_OF_SCRIPT'\n{script}\nEND_OF_SCRIPT"));
    ok(vm, "bash /root/call.sh")
}

/// Calls a tool of a server that is started for this call.
fn call(vm: &Vm, tool: &str, arguments: &Value) -> Value {
    let request = request(tool, arguments);
    let text = script(
        vm,
        &format!(
            "coproc M {{ {SERVER}; }}; echo '{request}' >&${{M[1]}}; IFS= read -r line <&${{M[0]}}; echo \"$line\""
        ),
    );
    let mut answer: Value =
        serde_json::from_str(text.lines().next().unwrap()).unwrap_or_else(|_| panic!("{text}"));
    answer["result"].take()
}

#[track_caller]
fn given(vm: &Vm, tool: &str, arguments: &Value) -> Value {
    let mut result = call(vm, tool, arguments);
    assert_ne!(result["isError"], true, "{result}");
    result["structuredContent"].take()
}

#[track_caller]
fn refused(vm: &Vm, tool: &str, arguments: &Value, why: &str) {
    let result = call(vm, tool, arguments);
    assert_eq!(result["isError"], true, "{result}");
    assert!(result.to_string().contains(why), "{why:?} is missing: {result}");
}

/// A server on the machine that runs the test, with the lab host in its inventory.
struct Outside {
    binary: PathBuf,
    dir: TempDir,
}

impl Outside {
    fn new(vm: &Vm) -> Self {
        let outside = Self {
            binary: std::env::var_os("OOMGUARD_BIN").map(PathBuf::from).unwrap(),
            dir: TempDir::new().unwrap(),
        };
        let config = format!(
            "Host {NAME}\n  HostName 127.0.0.1\n  Port {}\n  User root\n  IdentityFile {}\n  IdentitiesOnly yes\n  \
             UserKnownHostsFile {}\n  HostKeyAlias {NAME}\n",
            vm.ssh_port(),
            vm.key().display(),
            outside.path("known_hosts").display()
        );
        let key = ok(vm, "cut -d ' ' -f 1,2 /etc/ssh/ssh_host_ed25519_key.pub");
        let hosts = format!("{NAME} role=validator\n");
        for (name, text) in [("config", config), ("known_hosts", format!("{NAME} {key}")), ("hosts", hosts)] {
            std::fs::write(outside.path(name), text).unwrap();
        }
        outside
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Vec<OsString> {
        let mut command: Vec<OsString> =
            vec![self.binary.clone().into(), "mcp".into(), "--allow-write".into()];
        let own =
            [("--inventory", "hosts"), ("--ssh-config", "config"), ("--runs", "runs"), ("--state", "state")];
        command
            .extend(own.iter().flat_map(|(option, name)| [OsString::from(option), self.path(name).into()]));
        command.extend(args.iter().map(OsString::from));
        command
    }

    fn stdio(&self) -> Reach {
        Reach::Stdio(self.command(&[]))
    }

    fn http(&self) -> Http {
        let token_file = self.path("token");
        std::fs::write(&token_file, "0123456789abcdef".repeat(4)).unwrap();
        std::fs::set_permissions(&token_file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let command = self.command(&["--http", "127.0.0.1:0", "--token-file", token_file.to_str().unwrap()]);
        let mut server = Command::new(&command[0]);
        let mut child = server.args(&command[1..]).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().rsplit(' ').next().unwrap().to_owned();
        Http { child, reach: Reach::Http { url, token_file } }
    }

    /// Approves the plan of this result; returns the arguments of the second call.
    fn approve(&self, given: &Value) -> Value {
        let id = given["pending"]["plan_id"].as_str().unwrap_or_else(|| panic!("no plan: {given}"));
        let mut approve = Command::new(&self.binary);
        let output = approve
            .args(["mcp", "approve", "--yes", id, "--state"])
            .arg(self.path("state"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        second(given)
    }

    fn audit(&self) -> String {
        std::fs::read_to_string(self.path("state/audit.jsonl")).unwrap()
    }
}

struct Http {
    child: Child,
    reach: Reach,
}

impl Http {
    /// Sends SIGTERM and waits until it has exited.
    fn ends(mut self) -> Option<i32> {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Http {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The arguments of the second call of a change.
fn second(given: &Value) -> Value {
    json!({"plan_id": given["pending"]["plan_id"], "digest": given["pending"]["digest"]})
}

fn swaps(vm: &Vm) -> String {
    ok(vm, "swapon --show=NAME --noheadings")
}

#[test]
fn assistant_changes_only_what_was_approved() {
    let vm = boot(&HostSpec::new(Release::Bookworm));
    let before = etc(&vm);
    let plan = given(&vm, "plan_host", &json!({"role": "workstation"}));
    let approved = second(&plan);
    refused(&vm, "apply_plan", &approved, "oomguard mcp approve");
    let id = plan["pending"]["plan_id"].as_str().unwrap();
    run(&vm, &format!("oomguard mcp approve {id} </dev/null")).exits(64);
    refused(&vm, "apply_plan", &approved, "oomguard mcp approve");
    assert_eq!((etc(&vm), swaps(&vm).as_str()), (before.clone(), ""), "a refused call changed something");

    // The host has changed since the plan was made; the approval is used up by the refused call.
    run(&vm, &format!("oomguard mcp approve {id} --yes")).exits(0).says("valid once, for 15 minutes");
    ok(&vm, "sysctl -qw vm.swappiness=61");
    refused(&vm, "apply_plan", &approved, "has changed since this plan was made");
    refused(&vm, "apply_plan", &approved, "already been used");
    ok(&vm, "sysctl -qw vm.swappiness=60");
    assert_eq!((etc(&vm), swaps(&vm).as_str()), (before.clone(), ""), "a refused call changed something");

    let plan = given(&vm, "plan_host", &json!({"role": "workstation"}));
    let approved = second(&plan);
    let id = plan["pending"]["plan_id"].as_str().unwrap();
    run(&vm, &format!("oomguard mcp approve {id} --yes")).exits(0);
    let done = given(&vm, "apply_plan", &approved);
    assert_eq!((&done["result"]["done"], &done["result"]["remaining"]), (&json!(true), &json!([])), "{done}");
    assert_eq!(swaps(&vm).trim(), "/swapfile");
    run(&vm, "oomguard check").exits(0);
    refused(&vm, "apply_plan", &approved, "already been used");

    let record = given(&vm, "record_session", &json!({"title": "Swap for the lab"}));
    let approved = second(&record);
    run(&vm, &format!("oomguard mcp approve {} --yes", record["pending"]["plan_id"].as_str().unwrap()))
        .exits(0);
    assert_eq!(given(&vm, "record_session", &approved)["result"]["done"], true);
    run(&vm, "oomguard spec check /root/*-swap-for-the-lab.cspec && grep -q /swapfile /root/*-swap-for-the-lab.cspec")
        .exits(0);

    let undo = given(&vm, "rollback", &json!({"to": done["result"]["ids"][0]}));
    assert_eq!(undo["result"]["done"], false);
    let approved = second(&undo);
    refused(&vm, "rollback", &approved, "oomguard mcp approve");
    refused(&vm, "apply_plan", &approved, "is for rollback");
    let id = undo["pending"]["plan_id"].as_str().unwrap();
    run(&vm, &format!("oomguard mcp approve {id} --yes")).exits(0);
    // The client disconnects once the change has begun: the server exits when the change is done and logged.
    let begun = "grep -qE 'rolling-back|rolled-back' /var/lib/oomguard/journal/*/state";
    let request = request("rollback", &approved);
    script(&vm, &format!("{{ echo '{request}'; until {begun}; do sleep 0.1; done; }} | {SERVER} >/dev/null"));
    let last = ok(&vm, "tail -n 1 /var/lib/oomguard/mcp/audit.jsonl");
    assert!(last.contains("\"tool\":\"rollback\"") && last.contains("\"outcome\":\"done\""), "{last}");
    assert_eq!((etc(&vm), swaps(&vm).as_str()), (before, ""), "the previous state is not restored");

    let setup = given(&vm, "setup_testnet_server", &json!({}));
    assert_eq!(setup["result"]["done"], false);
    assert!(setup["result"]["steps"].to_string().contains("Configure swap memory"), "{setup}");
    let audit = ok(&vm, "cat /var/lib/oomguard/mcp/audit.jsonl");
    assert!(audit.contains("\"outcome\":\"begun\"") && audit.contains("already been used"), "{audit}");
    assert_eq!(ok(&vm, "stat -c %a /var/lib/oomguard/mcp /var/lib/oomguard/mcp/audit.jsonl"), "700\n600\n");
    from_outside(&vm, &etc(&vm));
}

/// The same from another machine over ssh, with third-party clients.
fn from_outside(vm: &Vm, before: &str) {
    let outside = Outside::new(vm);
    let on_host = json!({"host": NAME});

    // A setup with Python over stdio, in the legacy protocol.
    let mut client = Python::start(&outside.stdio(), Era::Legacy, Person::CannotBeAsked);
    for (tool, arguments, part) in [
        ("check_host", &on_host, "no-swap"),
        ("host_status", &on_host, "memory_bytes"),
        ("rank_victims", &on_host, "systemd-journald"),
        ("fleet_status", &json!({"refresh": true}), NAME),
        ("list_incidents", &on_host, "\"incidents\":[]"),
    ] {
        let given = client.given(tool, arguments).to_string();
        assert!(given.contains(part), "{tool}: {part:?} is not in {given}");
    }
    client.refused("explain_incident", &on_host, "no OOM kill");
    let plan = client.given("setup_testnet_server", &on_host);
    assert_eq!(plan["result"]["done"], false, "{plan}");
    client.refused("setup_testnet_server", &second(&plan), "this plan is not approved");
    client.refused("apply_plan", &second(&plan), "is for setup_testnet_server");
    assert_eq!((etc(vm).as_str(), swaps(vm).as_str()), (before, ""), "a refused call changed something");
    let approved = outside.approve(&plan);
    let done = client.call("setup_testnet_server", &approved);
    let result = &done["result"]["structuredContent"]["result"];
    let message = result["message"].as_str().unwrap_or_else(|| panic!("{done}"));
    let (_, status) = message.split_once("\nSwap status:\n").unwrap_or_else(|| panic!("{message}"));
    assert!(status.contains("/swapfile"), "{message}");
    // It is repeated as text at the end of the result.
    let texts = done["result"]["content"].as_array().unwrap();
    assert!(texts.last().unwrap()["text"].as_str().unwrap().ends_with(status), "{done}");
    let progress = done["progress"].to_string();
    assert!(progress.contains("[1/") && progress.contains("10. "), "{progress}");
    assert_eq!(swaps(vm).trim(), "/swapfile");
    client.refused("setup_testnet_server", &approved, "already been used");
    client.ends();

    // journald and the journal of oomguard both say who requested the change.
    let plan_id = plan["pending"]["plan_id"].as_str().unwrap();
    let by = format!("by MCP tool setup_testnet_server, plan {plan_id}, client stdio python 1");
    let journal = ok(vm, "journalctl -t oomguard -o cat");
    let id = result["ids"][0].as_str().unwrap();
    assert!(journal.contains(&format!("setup started; requested {by}")), "{journal}");
    assert!(journal.contains(&format!("setup finished ({id}); requested {by}")), "{journal}");
    run(vm, &format!("oomguard history show {id}")).exits(0).says(&format!("Requested: apply, {by}"));

    // The rollback with the inspector over HTTP, in the modern protocol.
    let server = outside.http();
    let home = TempDir::new().unwrap();
    let ask =
        |tool: &str, arguments: &Value| inspect(&server.reach, Era::Modern, home.path(), tool, arguments);
    let plan = ask("rollback", &on_host).unwrap()["result"]["structuredContent"].take();
    assert!(ask("rollback", &second(&plan)).unwrap_err().contains("this plan is not approved"));
    assert_eq!(swaps(vm).trim(), "/swapfile");
    let done = ask("rollback", &outside.approve(&plan)).unwrap();
    assert_eq!(done["result"]["structuredContent"]["result"]["done"], true, "{done}");
    assert_eq!((etc(vm).as_str(), swaps(vm).as_str()), (before, ""), "the previous state is not restored");

    // A change that its client cancels is completed, also if the server is shut down.
    let mut client = Python::start(&server.reach, Era::Modern, Person::CannotBeAsked);
    let plan = client.given("plan_host", &on_host);
    let cancelled = client.cancel("apply_plan", &outside.approve(&plan));
    assert_eq!(cancelled["cancelled"], true, "{cancelled}");
    let plan_id = plan["pending"]["plan_id"].as_str().unwrap();
    let outcomes = || -> Vec<String> {
        let lines: Vec<Value> =
            outside.audit().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let of_plan = lines.iter().filter(|line| line["tool"] == "apply_plan" && line["plan_id"] == plan_id);
        of_plan.map(|line| line["outcome"].as_str().unwrap().to_owned()).collect()
    };
    client.ends();
    assert_eq!(server.ends(), Some(0));
    assert_eq!(outcomes(), ["begun", "cancelled; the change continues", "done"]);
    run(vm, "oomguard check --role validator").exits(0);
    run(vm, "oomguard history list | tail -n 1 | grep -w applied").exits(0);
    let server = outside.http();
    let mut client = Python::start(&server.reach, Era::Modern, Person::CannotBeAsked);
    let plan = client.given("plan_host", &on_host);
    assert_eq!((&plan["plan"]["changes"], &plan["pending"]), (&json!([]), &Value::Null), "{plan}");
    client.ends();
}
