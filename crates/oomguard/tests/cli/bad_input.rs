//! Documents and arguments that are wrong: what is wrong is said with its place and what to write instead.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::hosts::Folder;
use crate::run::{Ran, open_dir, powerless, run, run_with_input};

struct File {
    dir: TempDir,
}

impl File {
    fn new(content: &[u8]) -> Self {
        let dir = open_dir();
        std::fs::write(dir.path().join("bad.cspec"), content).unwrap();
        Self { dir }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("bad.cspec")
    }
}

/// All that takes a document, on one that is wrong: `spec check`, and whatever would use its policy.
fn refused(content: &[u8], says: &[&str]) {
    let file = File::new(content);
    let path = file.path();
    let path = path.to_str().unwrap();
    let host = Folder::fresh();
    let said = |ran: Ran| {
        let all = format!("{}{}", ran.out, ran.err);
        for part in says {
            assert!(all.contains(part), "{part:?} is not in\n{all}");
        }
        assert!(all.len() < 20_000, "{} bytes of message", all.len());
        assert!(!all.contains('\0'), "{all:?}");
    };
    said(run(["spec", "check", path]).exits(1));
    for command in ["check", "plan", "status"] {
        let ran = host.run(&[command, "--spec", path]).exits(1);
        assert_eq!(ran.out, "", "{command} printed a result");
        said(ran);
    }
    assert_eq!(std::fs::read(path).unwrap(), content, "the document was changed");
    assert_eq!(std::fs::read_dir(file.dir.path()).unwrap().count(), 1);
}

/// A document with one line that is wrong, which the message shows with its number.
fn wrong_line(line: &str, says: &str, help: &str) {
    let content = format!("memory_config:\n  {line}\n");
    refused(content.as_bytes(), &["bad.cspec:2:", &format!("2 |   {line}"), says, help]);
}

#[test]
fn sizes() {
    wrong_line("swap: {size: 32 GB}", "`32 GB` is not a valid size: it contains a space", "write `32GB`");
    wrong_line("swap: {size: -1GB}", "`-1GB` is not a valid size", "help: ");
    wrong_line("swap: {size: 1e99GB}", "`1e99GB` is not a valid size", "help: ");
    wrong_line("swap: {size: 0.5y}", "`0.5y` is not a valid size", "help: ");
    wrong_line("swap: {size: 99999999999999999999GB}", "is not a valid size", "help: ");
    wrong_line("swap: {size: many}", "`many` is not a valid size", "help: ");
}

#[test]
fn scores() {
    wrong_line("oom_protection: {systemd_user: -1001}", "-1001", "-1000");
    wrong_line("oom_protection: {tmux_sessions: 1001}", "1001", "1000");
    wrong_line("oom_protection: {load: high}", "high", "help: ");
    wrong_line("swappiness: 201", "201", "200");
}

#[test]
fn keys() {
    wrong_line("swappines: 10", "unknown key `swappines`", "did you mean `swappiness`?");
    wrong_line("swap: {size: 4GB, prioritty: 1}", "`prioritty`", "did you mean `priority`?");
    wrong_line("oom_protection: {systemd-user: -900}", "`systemd-user`", "did you mean `systemd_user`?");
    wrong_line("colour: red", "unknown key `colour`", "help: ");
}

#[test]
fn forms() {
    wrong_line("swap: [4GB]", "swap", "help: ");
    wrong_line("swap: {size: {a: b}}", "size", "help: ");
    wrong_line("swap: {size: 4GB, file: relative/path}", "relative/path", "help: ");
    wrong_line("swap: {size: 4GB, file: /a/../b}", "/a/../b", "help: ");
    wrong_line("oom_protection: {services: {\"a b\": -900}}", "a b", "help: ");
}

#[test]
fn no_yaml() {
    refused(b"memory_config: {swap: 4GB\n", &["bad.cspec:1:", "invalid YAML", "help: "]);
    refused(b"a: 1\n\tb: 2\n", &["bad.cspec:1:", "found a tab"]);
    refused(
        b"memory_config: {swappiness: 10}\nmemory_config: {swappiness: 20}\n",
        &["bad.cspec:2:", "memory_config"],
    );
}

#[test]
fn binary() {
    refused(b"\x7fELF\x02\x01\x01\0\0\0\0\0", &["bad.cspec", "help: "]);
    refused(b"a: 1\nb: \0\n", &["bad.cspec:2:"]);
    refused(b"a: \xff\xfe\n", &["bad.cspec:1:"]);
}

#[test]
fn deeply_nested() {
    refused(&b"[".repeat(10_000), &["bad.cspec:1:", "deep"]);
    let mapping: String = (0..10_000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    refused(mapping.as_bytes(), &["bad.cspec"]);
    let flow = format!("memory_config: {}1{}\n", "{a: ".repeat(10_000), "}".repeat(10_000));
    refused(flow.as_bytes(), &["bad.cspec:1:", "deep"]);
}

/// 100 MB, of which only a little is read.
#[test]
fn very_long() {
    let file = File::new(b"");
    let long = std::fs::File::create(file.path()).unwrap();
    long.set_len(100 << 20).unwrap();
    let path = file.path();
    run(["spec", "check", path.to_str().unwrap()]).exits(1).prints("long").quietly();
    run(["check", "--spec", path.to_str().unwrap()]).exits(1).complains("long");
    // An endless file too.
    run(["spec", "check", "/dev/zero"]).exits(1);
}

#[test]
fn many_lines() {
    let text = "- an item of no use: [1, 2, 3]\n".repeat(3_400_000);
    let ran = run_with_input(&["spec", "check", "-"], text.as_bytes()).exits(1);
    assert!(ran.out.len() < 2_000, "{}", ran.out.len());
}

#[test]
fn no_document() {
    let host = Folder::fresh();
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing.cspec");
    for (path, says) in [(missing.as_path(), "No such file"), (dir.path(), "Is a directory")] {
        let path = path.to_str().unwrap();
        let says = format!("error: cannot read {path}: {says}");
        for args in [&["spec", "fmt", path][..], &["spec", "show", path]] {
            run(args).exits(1).complains(&says);
        }
        // A folder is all documents in it.
        let says_of_check = if Path::new(path).is_dir() { "no .cspec document in " } else { &says };
        run(["spec", "check", path]).exits(1).complains(says_of_check);
        host.run(&["check", "--spec", path]).exits(1).complains(&says);
    }
    assert!(!missing.exists());
}

#[test]
fn empty() {
    for content in ["", "\n\n", "# only a remark\n"] {
        refused(
            content.as_bytes(),
            &["error[empty]: the document ", "write a policy, such as `memory_config: "],
        );
    }
}

#[test]
fn without_a_policy() {
    let file = File::new(b"title: minutes of a meeting\n");
    let path = file.path();
    let path = path.to_str().unwrap();
    run(["spec", "check", path]).exits(0).prints("no policy in it");
    run(["check", "--spec", path]).exits(64).complains("has no policy").complains("memory_config");
}

/// `apply` reads the document before it looks at the host.
#[test]
fn apply_refuses_them_too() {
    for content in
        ["", "memory_config: {swap: {size: 32 GB}}\n", "a: {b\n", "memory_config: {swappines: 1}\n"]
    {
        let file = File::new(content.as_bytes());
        if let Some(ran) = powerless(&["apply", "--yes", "--spec", file.path().to_str().unwrap()]) {
            let ran = ran.exits(1).complains("bad.cspec").complains("help: ");
            assert_eq!(ran.out, "");
        }
    }
    if let Some(ran) = powerless(&["apply", "--yes", "--role", "valdator"]) {
        ran.exits(64).complains("workstation, ci, validator");
    }
}

#[test]
fn roles_that_do_not_exist() {
    let host = Folder::fresh();
    let builtin = host.run(&["check", "--role", "valdator"]).exits(64);
    builtin.complains("`valdator` is not a built-in role; built-in roles: workstation, ci, validator");
    run(["spec", "show", "--builtin", "nothing"]).exits(64).complains("workstation, ci, validator");
    let file = "specs/deployment.cspec";
    for command in ["check", "plan", "status"] {
        let ran = host.run(&[command, "--spec", file, "--role", "validater"]).exits(64);
        ran.complains("has no role `validater` (did you mean `validator`?)")
            .complains("its roles are: ci, validator");
    }
    run(["spec", "show", file, "--role", "x\u{1b}[2J"]).exits(64).complains("its roles are");
}

#[test]
fn one_bad_document_does_not_hide_the_others() {
    let bad = File::new(b"a: {b\n");
    let bad = bad.path();
    let bad = bad.to_str().unwrap();
    let ran = run(["spec", "check", bad, "/nowhere.cspec", "specs/deployment.cspec"]).exits(1);
    let ran = ran.prints("invalid YAML").prints("specs/deployment.cspec: ");
    ran.complains("cannot read /nowhere.cspec");

    let checked = run(["spec", "check", "--format", "json", bad, "specs/deployment.cspec"]).exits(1).json();
    let checked = &checked["files"];
    assert_eq!(checked.as_array().unwrap().len(), 2);
    assert_eq!(checked[0]["diagnostics"][0]["code"], "yaml");
    assert_eq!(checked[0]["diagnostics"][0]["primary"]["line"], 1);
}
