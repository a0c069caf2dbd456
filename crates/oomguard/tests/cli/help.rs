//! Help, version, completions and man pages.

use std::process::Command;

use crate::run::{oomguard, ran, run, run_with_input};

pub const COMMANDS: [&str; 37] = [
    "check",
    "plan",
    "apply",
    "rollback",
    "history",
    "history list",
    "history show",
    "status",
    "incident",
    "rank",
    "events",
    "recorder",
    "recorder show",
    "recorder run",
    "runbook",
    "drill",
    "advise",
    "fleet",
    "fleet status",
    "fleet setup",
    "fleet runs",
    "fleet show",
    "fleet resume",
    "spec",
    "spec check",
    "spec diff",
    "spec fmt",
    "spec show",
    "record",
    "mcp",
    "mcp approve",
    "agent",
    "generate",
    "generate schema",
    "generate completions",
    "generate man",
    "generate rules",
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
    for command in ["", "fleet", "generate", "history", "mcp", "recorder", "spec"] {
        let help = run(command.split_whitespace().chain(["--help"])).exits(0).out;
        let names: Vec<&str> = match help.split_once("Commands:\n") {
            Some((_, list)) => names(list.split("\n\n").next().unwrap()),
            // The program itself has its commands under headings.
            None => names(help.split_once("This host:\n").unwrap().1.split("Options:").next().unwrap()),
        };
        assert!(names.len() > 1, "{help}");
        for name in names {
            let full = format!("{command} {name}");
            assert!(name == "help" || COMMANDS.contains(&full.trim()), "{full}");
        }
    }
}

/// The first words of the lines that are indented by two columns; a long description goes on further in.
fn names(list: &str) -> Vec<&str> {
    let lines = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    lines.filter_map(|line| line.split_whitespace().next()).collect()
}

/// `-h` is the overview; details are in `--help`.
#[test]
fn the_short_help_of_every_command_fits_a_screen() {
    const LINES: usize = 24;
    // Longer, with the number of lines.
    const LONGER: &[(&str, usize)] = &[];
    for command in COMMANDS.into_iter().chain([""]) {
        let args = command.split_whitespace().chain(["-h"]);
        let help = ran(oomguard(args).env("COLUMNS", "80")).exits(0).quietly().out;
        let lines = help.lines().count();
        let allowed = LONGER.iter().find(|(name, _)| *name == command).map_or(LINES, |(_, lines)| *lines);
        assert!(lines <= allowed, "{command}: {lines} lines\n{help}");
        assert!(help.lines().all(|line| line.chars().count() <= 80), "{command}\n{help}");
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
        let script = run(["generate", "completions", shell]).exits(0).quietly().out;
        for command in COMMANDS.iter().flat_map(|command| command.split(' ')) {
            assert!(script.contains(command), "{command} is not in the completions for {shell}");
        }
        assert!(script.contains("-l root") || script.contains("--root"), "{shell}");
    }
    run(["generate", "completions", "tcsh"]).exits(64).complains("[possible values: bash,");
}

#[test]
fn the_completions_for_bash_are_bash() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("oomguard.bash");
    std::fs::write(&path, run(["generate", "completions", "bash"]).out).unwrap();
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
    let page = run(["generate", "man"]).exits(0).quietly().out;
    assert!(page.contains(".TH oomguard 1") && page.contains(".SH SYNOPSIS"), "{page}");
    assert!(page.contains("Exit status"), "{page}");

    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("new/man1");
    run(["generate", "man", "--out", out.to_str().unwrap()]).exits(0).quietly();
    for name in COMMANDS.iter().map(|command| format!("oomguard-{}.1", command.replace(' ', "-"))) {
        let page = std::fs::read_to_string(out.join(&name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(page.contains(".SH NAME") && page.contains(".SH SYNOPSIS"), "{name}");
    }
    assert!(out.join("oomguard.1").is_file());
}

#[test]
fn a_man_folder_that_cannot_be_made_is_named() {
    run(["generate", "man", "--out", "/proc/nowhere"])
        .exits(1)
        .complains("error: cannot write man pages to /proc/nowhere: ");
}

#[test]
fn wrong_usage_is_64_and_says_what_is_right() {
    for (args, says) in [
        (vec!["chek"], "a similar subcommand exists: 'check'"),
        (vec!["check", "--rol", "ci"], "a similar argument exists: '--role'"),
        (vec!["check", "--format", "xml"], "[possible values: human, json, junit]"),
        (vec!["rank", "--format", "junit"], "[possible values: human, json]"),
        (vec!["check", "extra"], "unexpected argument 'extra'"),
        (vec!["apply", "--root", "/"], "unexpected argument '--root'"),
        (vec!["apply", "--quiet"], "--yes"),
        (vec!["apply", "plan.json", "--role", "ci"], "cannot be used with"),
        (vec!["spec", "show"], "required arguments were not provided"),
        (vec!["spec", "show", "x.cspec", "--builtin", "ci"], "cannot be used with"),
        (vec!["generate", "schema", "chek"], "'check'"),
        (vec!["check", "--root", "/nowhere/at/all"], "--root /nowhere/at/all: no such directory"),
    ] {
        let ran = run(&args).exits(64).complains(says);
        assert_eq!(ran.out, "", "{args:?}");
    }
    run::<&str>([]).exits(64).complains("Usage: oomguard [OPTIONS] <COMMAND>");
    run_with_input(&["spec", "fmt", "--write", "-"], b"a: 1\n").exits(64).complains("not standard input");
}
