//! The protocol's own conformance tests against `oomguard mcp --http`. Checks of features that this server does not offer fail;
//! they are listed with the reason in tests/mcp_clients/conformance.txt. No other check may fail, and no listed one may pass.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;

use serde_json::Value;

use crate::hosts::Folder;
use crate::mcp_clients::node_program;
use crate::mcp_http::{Server, TOKEN};
use crate::run::{open_dir, repository};

const LIST: &str = "crates/oomguard/tests/mcp_clients/conformance.txt";

/// A proxy that adds the token, which the tests cannot send, and replaces its own address by the server's.
fn with_token(server: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let client = client.unwrap();
            // A client that disconnects is no failure.
            std::thread::spawn(move || pass_on(client, own, server));
        }
    });
    own
}

fn pass_on(client: TcpStream, own: u16, server: u16) -> std::io::Result<()> {
    let mut from = BufReader::new(client.try_clone()?);
    let to = TcpStream::connect(("127.0.0.1", server))?;
    let mut head = format!("Authorization: Bearer {TOKEN}\r\nConnection: close\r\n");
    let mut line = String::new();
    from.read_line(&mut line)?;
    head.insert_str(0, &line);
    while line != "\r\n" {
        line.clear();
        if from.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
        match name.as_str() {
            "connection" => {}
            "host" | "origin" => head.push_str(&line.replace(&format!(":{own}"), &format!(":{server}"))),
            _ => head.push_str(&line),
        }
    }
    (&to).write_all(head.as_bytes())?;
    let mut body = to.try_clone()?;
    std::thread::spawn(move || std::io::copy(&mut from, &mut body));
    std::io::copy(&mut &to, &mut &client)?;
    client.shutdown(Shutdown::Both)
}

/// The checks that passed and the checks that failed, each as `scenario/check`.
fn checks(results: &Path) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut passed, mut failed) = (BTreeSet::new(), BTreeSet::new());
    for folder in std::fs::read_dir(results).unwrap() {
        let folder = folder.unwrap().path();
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        // `server-SCENARIO-2026-11-25T18-52-17-154Z`
        let scenario =
            name[..name.len() - "-2026-11-25T18-52-17-154Z".len()].strip_prefix("server-").unwrap();
        let checks: Value =
            serde_json::from_slice(&std::fs::read(folder.join("checks.json")).unwrap()).unwrap();
        for check in checks.as_array().unwrap() {
            let id = format!("{scenario}/{}", check["id"].as_str().unwrap());
            match check["status"].as_str().unwrap() {
                "SUCCESS" => passed.insert(id),
                "FAILURE" => failed.insert(id),
                "INFO" | "SKIPPED" | "WARNING" => continue,
                other => panic!("{id}: {other}"),
            };
        }
    }
    (passed, failed)
}

/// The listed checks. Each group is preceded by its reason.
fn listed() -> BTreeSet<String> {
    let text = std::fs::read_to_string(repository().join(LIST)).unwrap();
    let mut listed = BTreeSet::new();
    for part in text.split("\n\n").skip(1) {
        let (reason, entries): (Vec<&str>, Vec<&str>) = part.lines().partition(|line| line.starts_with("# "));
        assert!(!reason.is_empty(), "no reason is given for {entries:?}");
        for entry in entries {
            assert!(listed.insert(entry.to_owned()), "{entry} is listed twice");
        }
    }
    listed
}

#[test]
fn checks_pass_unless_they_are_listed() {
    let host = Folder::fresh();
    let server = Server::start(&host);
    let url = format!("http://127.0.0.1:{}/mcp", with_token(server.port));
    let home = open_dir();
    let (mut passed, mut failed) = (BTreeSet::new(), BTreeSet::new());
    for revision in ["2025-11-25", "2026-07-28"] {
        let results = home.path().join(revision);
        let mut conformance = node_program("conformance", home.path());
        conformance.args(["server", "--timeout", "120000", "--requirements", revision, "--url", &url]);
        let output = conformance.arg("--output-dir").arg(&results).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("=== SUMMARY ==="), "{said}{}", String::from_utf8_lossy(&output.stderr));
        let (these_passed, these_failed) = checks(&results);
        passed.extend(these_passed);
        failed.extend(these_failed);
    }
    let listed = listed();
    let of = |scenario: &str| passed.iter().filter(|id| id.starts_with(&format!("{scenario}/"))).count();
    let unlisted: Vec<&String> = failed.difference(&listed).collect();
    assert!(unlisted.is_empty(), "these failed and are not in {LIST}:\n{unlisted:#?}");
    let stale: Vec<&String> = listed.difference(&failed).collect();
    assert!(stale.is_empty(), "these did not fail and are in {LIST}:\n{stale:#?}");
    // The checks that apply did run.
    for (scenario, least) in [
        ("server-initialize", 1),
        ("ping", 1),
        ("tools-list", 2),
        ("dns-rebinding-protection", 2),
        ("server-stateless", 15),
        ("http-header-validation", 4),
        ("caching", 2),
    ] {
        assert!(of(scenario) >= least, "{scenario}: {} passed", of(scenario));
    }
}
