//! `oomguard mcp` with third-party clients: the official inspector and Python's `mcp` package, over stdio and HTTP, in both
//! eras of the protocol. Changes of real hosts are tested in crates/lab/tests/mcp.rs.

use std::ffi::OsString;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::hosts::Folder;
use crate::mcp::approve;
use crate::mcp_clients::{ERAS, Era, Person, Python, Reach, inspect, inspector, node_program};
use crate::mcp_http::Server;
use crate::run::{PROGRAM, open_dir, repository};

const LOG: &str = "cc invoked oom-killer: gfp_mask=0x140cca(GFP_HIGHUSER_MOVABLE), order=0, oom_score_adj=0\n\
    Out of memory: Killed process 42 (cc) total-vm:1000kB, anon-rss:900kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:44kB \
    oom_score_adj:0\n";

/// The same server over both transports.
struct Both {
    http: Server,
    stdio_state: TempDir,
    args: Vec<String>,
}

/// A folder with a kernel log in it.
fn folder_with_log() -> TempDir {
    let folder = open_dir();
    std::fs::write(folder.path().join("kern.log"), LOG).unwrap();
    folder
}

impl Both {
    fn start(args: &[&str]) -> Self {
        let http = Server::with(args);
        Self { http, stdio_state: open_dir(), args: args.iter().map(|&arg| arg.to_owned()).collect() }
    }

    fn on(host: &Folder, folder: &Path) -> Self {
        Self::start(&["--root", host.root().to_str().unwrap(), "--folder", folder.to_str().unwrap()])
    }

    fn stdio(&self) -> Reach {
        let state = self.stdio_state.path().join("state").into_os_string();
        let runs = self.stdio_state.path().join("runs").into_os_string();
        let own = [PROGRAM.into(), "mcp".into(), "--state".into(), state, "--runs".into(), runs];
        Reach::Stdio(own.into_iter().chain(self.args.iter().map(OsString::from)).collect())
    }

    fn http(&self) -> Reach {
        let url = format!("http://127.0.0.1:{}/mcp", self.http.port);
        Reach::Http { url, token_file: self.http.token_file.clone() }
    }

    fn reaches(&self) -> [(Reach, &Path); 2] {
        [(self.stdio(), self.stdio_state.path()), (self.http(), self.http.state.path())]
    }
}

fn golden(name: &str) -> Value {
    let path = repository().join("crates/oomguard/tests/snapshots/mcp").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Arguments for every read-only tool, and a part of its result.
fn calls() -> Vec<(&'static str, Value, &'static str)> {
    vec![
        ("check_host", json!({"role": "ci", "limit": 1}), "no-swap"),
        ("plan_host", json!({"role": "ci"}), "swap_create"),
        ("host_status", json!({}), "web1"),
        ("rank_victims", json!({"add": ["rustc:1GB*2"]}), "rustc"),
        ("fleet_status", json!({}), "hosts"),
        ("list_incidents", json!({"log": "kern.log"}), "total"),
        ("explain_incident", json!({"log": "kern.log"}), "anon-rss"),
        ("check_spec", json!({"text": "a: 1\na: 2\n"}), "column"),
        ("show_runbook", json!({"name": "OomKill"}), "Investigating OOM events"),
    ]
}

#[test]
fn the_inspector_lists_every_tool_without_warnings_about_its_schema() {
    let host = Folder::fresh();
    let (folder, home) = (folder_with_log(), open_dir());
    for (server, list) in
        [(Both::on(&host, folder.path()), "tools.json"), (Both::start(&["--allow-write"]), "all-tools.json")]
    {
        for (reach, _) in server.reaches() {
            for era in ERAS {
                let output = inspector(&reach, era, home.path(), &["--method", "tools/list", "--strict"]);
                let said = String::from_utf8_lossy(&output.stderr);
                assert_eq!(output.status.code(), Some(0), "{said}");
                assert!(!said.contains("problem") && !said.contains("warning"), "{said}");
                let listed: Value = serde_json::from_slice(&output.stdout).unwrap();
                assert_eq!(listed["result"]["tools"], golden(list), "{era:?}, {reach:?}");
            }
        }
    }
}

#[test]
fn the_inspector_calls_every_tool_and_shows_refusals() {
    let host = Folder::fresh();
    let (folder, home) = (folder_with_log(), open_dir());
    let server = Both::on(&host, folder.path());
    for (reach, era) in [(server.stdio(), Era::Modern), (server.http(), Era::Legacy)] {
        for (tool, arguments, part) in calls() {
            let said = inspect(&reach, era, home.path(), tool, &arguments).unwrap().to_string();
            assert!(said.contains(part), "{tool}: {part:?} is not in {said}");
        }
        let refused =
            |tool: &str, arguments: Value| inspect(&reach, era, home.path(), tool, &arguments).unwrap_err();
        assert!(refused("check_host", json!({"host": "db1"})).contains("not in the inventory"));
        assert!(refused("apply_plan", json!({"plan_id": "0", "digest": "0"})).contains("not found"));
    }
    let Reach::Http { url, .. } = server.http() else { panic!("it is HTTP") };
    let wrong = home.path().join("wrong");
    std::fs::write(&wrong, "f".repeat(32)).unwrap();
    let reach = Reach::Http { url, token_file: wrong };
    for era in ERAS {
        let output = inspector(&reach, era, home.path(), &["--method", "tools/list"]);
        assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn two_thousand_calls_of_the_inspector_forty_at_a_time_are_all_answered() {
    let host = Folder::fresh();
    let (folder, home) = (folder_with_log(), open_dir());
    let server = Both::on(&host, folder.path());
    for (reach, era) in [(server.stdio(), Era::Legacy), (server.http(), Era::Modern)] {
        let call = [
            "--method",
            "tools/call",
            "--tool-name",
            "check_spec",
            "--tool-args-json",
            r#"{"text": "a: 1\n"}"#,
        ];
        let load = ["--load", "--load-requests", "2000", "--load-concurrency", "40"];
        let output = inspector(&reach, era, home.path(), &[&call[..], &load].concat());
        let said = String::from_utf8_lossy(&output.stdout);
        let counts: Value = serde_json::from_str(&said).unwrap_or_else(|e| panic!("{e}: {said}"));
        let counts = &counts["result"];
        assert_eq!((&counts["ok"], &counts["requests"]), (&json!(2000), &json!(2000)), "{era:?}: {counts}");
    }
}

#[test]
fn python_lists_and_calls_every_tool_and_shows_refusals() {
    let host = Folder::fresh();
    let folder = folder_with_log();
    let server = Both::on(&host, folder.path());
    for (reach, state) in server.reaches() {
        for era in ERAS {
            let mut client = Python::start(&reach, era, Person::CannotBeAsked);
            let names = |tools: &Value| -> Vec<Value> {
                tools.as_array().unwrap().iter().map(|tool| tool["name"].clone()).collect()
            };
            assert_eq!(names(&client.list()), names(&golden("tools.json")));
            for (tool, arguments, part) in calls() {
                let done = client.call(tool, &arguments);
                assert_eq!(done["result"]["isError"], false, "{tool}: {done}");
                assert!(done["result"].to_string().contains(part), "{tool}: {part:?} is not in {done}");
                let asks = ["check_host", "plan_host", "host_status", "rank_victims"].contains(&tool);
                let told = if asks { json!(["waiting for the host"]) } else { json!([]) };
                assert_eq!(done["progress"], told, "{tool}, {era:?}: {done}");
            }
            client.refused("check_host", &json!({"host": "-oProxyCommand=x"}), "not in the inventory");
            client.refused("check_spec", &json!({"document": "../Cargo.toml"}), "outside of the folders");
            let done = client.call("apply_plan", &json!({"plan_id": "0", "digest": "0"}));
            assert!(done["error"].as_str().unwrap().contains("unknown tool"), "{done}");
            client.ends();
        }
        let audit = std::fs::read_to_string(state.join("state/audit.jsonl")).unwrap();
        assert!(audit.contains("python 1") && audit.contains("failed: unknown tool"), "{audit}");
    }
}

/// The configuration files in docs/mcp.md, with the paths, port and token of this test.
#[test]
fn the_configurations_in_the_docs_work() {
    let host = Folder::fresh();
    let (folder, home) = (folder_with_log(), open_dir());
    let server = Both::on(&host, folder.path());
    std::fs::write(folder.path().join("hosts.cspec"), "hosts:\n  - web7\n").unwrap();
    let page = std::fs::read_to_string(repository().join("docs/mcp.md")).unwrap();
    let blocks: Vec<&str> =
        page.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    let [stdio, http] = blocks[..] else { panic!("{} blocks", blocks.len()) };
    let stdio = stdio.replace("\"command\": \"oomguard\"", &format!("\"command\": \"{PROGRAM}\""));
    // Folders of this test instead of those of this machine.
    let own = ["state", "runs"].map(|name| format!("\"--{name}\", \"{}\"", home.path().join(name).display()));
    let stdio = stdio.replace("[\"mcp\"", &format!("[\"mcp\", {}", own.join(", ")));
    let http = http.replace("8765", &server.http.port.to_string()).replace("TOKEN", crate::mcp_http::TOKEN);
    for (text, part) in [(stdio, "web7"), (http, "\"hosts\":[]")] {
        let config = home.path().join("client.json");
        std::fs::write(&config, text.replace("/srv/fleet", folder.path().to_str().unwrap())).unwrap();
        let mut inspector = node_program("mcp-inspector", home.path());
        inspector.args([
            "--cli",
            "--format",
            "json",
            "--stored-auth-only",
            "--server",
            "oomguard",
            "--config",
        ]);
        inspector.arg(config).args(["--method", "tools/call", "--tool-name", "fleet_status"]);
        let output = inspector.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
    assert!(home.path().join("state/audit.jsonl").is_file(), "another server answered");
}

/// record_session is the one changing tool that can be tested without changing this machine.
#[test]
fn approved_calls_of_third_party_clients_succeed_once() {
    let (folder, home) = (folder_with_log(), open_dir());
    let server = Both::start(&["--allow-write", "--folder", folder.path().to_str().unwrap()]);
    let written = || std::fs::read_dir(folder.path()).unwrap().count() - 1;
    let title = |who: &str, number: usize| json!({"title": format!("{who} {number}"), "from": ["kern.log"]});
    let mut wanted = 0;
    for (reach, state) in server.reaches() {
        let approve = |id: &Value| {
            approve(&state.join("state"), id.as_str().unwrap()).exits(0);
        };
        for era in ERAS {
            let pending = |given: &Value| {
                let plan = &given["pending"];
                (plan["plan_id"].clone(), json!({"plan_id": plan["plan_id"], "digest": plan["digest"]}))
            };
            let mut client = Python::start(&reach, era, Person::CannotBeAsked);
            let (id, arguments) = pending(&client.given("record_session", &title("Python", wanted)));
            client.refused("record_session", &arguments, "oomguard mcp approve");
            assert_eq!(written(), wanted);
            approve(&id);
            assert_eq!(client.given("record_session", &arguments)["result"]["done"], true);
            wanted += 1;
            client.refused("record_session", &arguments, "already been used");
            client.ends();

            let ask = |arguments: &Value| inspect(&reach, era, home.path(), "record_session", arguments);
            let shown = ask(&title("Inspector", wanted)).unwrap();
            let (id, arguments) = pending(&shown["result"]["structuredContent"]);
            assert!(ask(&arguments).unwrap_err().contains("isError"));
            assert_eq!(written(), wanted);
            approve(&id);
            let done = ask(&arguments).unwrap();
            assert_eq!(done["result"]["structuredContent"]["result"]["done"], true);
            wanted += 1;
            assert_eq!(written(), wanted);
        }
    }
}

#[test]
fn an_elicited_yes_approves_nothing() {
    let folder = folder_with_log();
    let server = Both::start(&["--allow-write", "--folder", folder.path().to_str().unwrap()]);
    for (reach, _) in server.reaches() {
        for era in ERAS {
            // A client of the older revisions has no way to answer over HTTP.
            let can_ask = era == Era::Modern || matches!(reach, Reach::Stdio(_));
            let way = if matches!(reach, Reach::Stdio(_)) { "stdio" } else { "HTTP" };
            let title = format!("{era:?} {way}");
            let ask = |person: Person, why: &str| {
                let mut client = Python::start(&reach, era, person);
                let shown = client.given("record_session", &json!({"title": title, "from": ["kern.log"]}));
                let plan = &shown["pending"];
                let wrong = json!({"plan_id": plan["plan_id"], "digest": "0"});
                let done = client.refused("record_session", &wrong, "a different digest");
                assert_eq!(done["asked"], json!([]), "the person was asked about a wrong digest");
                let arguments = json!({"plan_id": plan["plan_id"], "digest": plan["digest"]});
                let done = client.call("record_session", &arguments);
                assert!(done["result"].to_string().contains(why), "{why:?} is missing: {done}");
                let asked = if can_ask && person != Person::CannotBeAsked { 1 } else { 0 };
                assert_eq!(done["asked"].as_array().unwrap().len(), asked, "{done}");
                let warning = "Accepting without running the command approves nothing";
                assert_eq!(done["asked"].to_string().matches(warning).count(), asked, "{done}");
            };
            ask(Person::CannotBeAsked, "this plan is not approved");
            ask(Person::Accepts, "this plan is not approved");
            ask(Person::Declines, if can_ask { "the person declined" } else { "this plan is not approved" });
            let written = || std::fs::read_dir(folder.path()).unwrap().count();
            let before = written();
            ask(Person::Approves(PROGRAM), if can_ask { "Wrote " } else { "this plan is not approved" });
            assert_eq!(written(), before + usize::from(can_ask));
        }
    }
    let audit = std::fs::read_to_string(server.http.state.path().join("state/audit.jsonl")).unwrap();
    assert!(audit.contains("waiting for the person") && audit.contains("the person declined"), "{audit}");
}
