//! Help, version, completions and man pages.

use std::process::Command;

use crate::run::{oomguard, ran, run, run_with_input};

pub const COMMANDS: [&str; 35] = [
    "check",
    "plan",
    "apply",
    "rollback",
    "journal",
    "journal list",
    "journal show",
    "status",
    "events",
    "agent",
    "rank",
    "recorder",
    "recorder show",
    "recorder run",
    "incident",
    "fleet",
    "fleet runs",
    "fleet show",
    "fleet resume",
    "fleet status",
    "setup",
    "mcp",
    "grant",
    "spec",
    "spec check",
    "spec diff",
    "spec fmt",
    "spec show",
    "record",
    "runbook",
    "advise",
    "drill",
    "schema",
    "completions",
    "man",
];

#[test]
fn help_of_every_command() {
    run(["--help"]).exits(0).quietly().matches("help/oomguard.txt");
    for command in COMMANDS {
        let args = command.split(' ').chain(["--help"]);
        run(args).exits(0).quietly().matches(&format!("help/{}.txt", command.replace(' ', "-")));
    }
}

/// A new command must get its snapshot, its page and its place in the documents.
#[test]
fn the_list_above_is_complete() {
    for command in ["", "fleet", "journal", "recorder", "spec"] {
        let help = run(command.split_whitespace().chain(["-h"])).exits(0).out;
        let list = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
        // A long description goes on in the next line, further in.
        for line in list.lines().filter(|line| !line.starts_with("   ")) {
            let name = line.split_whitespace().next().unwrap();
            let full = format!("{command} {name}");
            assert!(name == "help" || COMMANDS.contains(&full.trim()), "{full}");
        }
    }
}

#[test]
fn no_line_of_help_is_longer_than_the_terminal() {
    for columns in ["80", "100"] {
        for command in COMMANDS {
            let args = command.split(' ').chain(["--help"]);
            let help = ran(oomguard(args).env("COLUMNS", columns)).out;
            let longest = help.lines().map(|line| line.chars().count()).max().unwrap();
            assert!(longest <= columns.parse().unwrap(), "{command}: {longest} columns\n{help}");
        }
    }
}

#[test]
fn version() {
    for flag in ["--version", "-V"] {
        run([flag]).exits(0).quietly().matches("version.txt");
    }
}

#[test]
fn completions_name_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(["completions", shell]).exits(0).quietly().out;
        for command in COMMANDS.iter().flat_map(|command| command.split(' ')) {
            assert!(script.contains(command), "{command} is not in the completions for {shell}");
        }
        assert!(script.contains("-l root") || script.contains("--root"), "{shell}");
    }
    run(["completions", "tcsh"]).exits(64).complains("[possible values: bash,");
}

#[test]
fn the_completions_for_bash_are_bash() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("oomguard.bash");
    std::fs::write(&path, run(["completions", "bash"]).out).unwrap();
    ran(Command::new("bash").arg("-n").arg(&path)).exits(0).quietly();
    // What a shell would offer after `oomguard pl`.
    let ask = format!(
        ". {}; COMP_WORDS=(oomguard pl); COMP_CWORD=1; _oomguard oomguard pl oomguard; echo \"${{COMPREPLY[@]}}\"",
        path.display()
    );
    assert_eq!(ran(Command::new("bash").args(["-c", &ask])).out.trim(), "plan");
}

#[test]
fn a_man_page_for_every_command() {
    let page = run(["man"]).exits(0).quietly().out;
    assert!(page.contains(".TH oomguard 1") && page.contains(".SH SYNOPSIS"), "{page}");
    assert!(page.contains("Exit codes"), "{page}");

    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("new/man1");
    run(["man", "--out", out.to_str().unwrap()]).exits(0).quietly();
    for name in COMMANDS.iter().map(|command| format!("oomguard-{}.1", command.replace(' ', "-"))) {
        let page = std::fs::read_to_string(out.join(&name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(page.contains(".SH NAME") && page.contains(".SH SYNOPSIS"), "{name}");
    }
    assert!(out.join("oomguard.1").is_file());
}

#[test]
fn a_man_folder_that_cannot_be_made_is_named() {
    run(["man", "--out", "/proc/nowhere"])
        .exits(1)
        .complains("error: cannot write man pages to /proc/nowhere: ");
}

#[test]
fn wrong_usage_is_64_and_says_what_is_right() {
    for (args, says) in [
        (vec!["chek"], "similar subcommands exist: 'schema', 'check'"),
        (vec!["check", "--rol", "ci"], "a similar argument exists: '--role'"),
        (vec!["check", "--format", "xml"], "[possible values: table, json, junit]"),
        (vec!["check", "extra"], "unexpected argument 'extra'"),
        (vec!["apply", "plan.json", "--role", "ci"], "cannot be used with"),
        (vec!["spec", "show"], "required arguments were not provided"),
        (vec!["spec", "show", "x.cspec", "--builtin", "ci"], "cannot be used with"),
        (vec!["schema", "chek"], "'check'"),
        (vec!["--root", "/nowhere/at/all", "check"], "--root /nowhere/at/all: there is no such folder"),
    ] {
        let ran = run(&args).exits(64).complains(says);
        assert_eq!(ran.out, "", "{args:?}");
    }
    run::<&str>([]).exits(64).complains("Usage: oomguard [OPTIONS] <COMMAND>");
    run_with_input(&["spec", "fmt", "--write", "-"], b"a: 1\n").exits(64).complains("standard input is none");
}
