//! Pipes that close, devices that are full, colours.

use std::fs::OpenOptions;
use std::io::Read;
use std::process::{Command, Output, Stdio};

use crate::hosts::Folder;
use crate::run::{oomguard, start};

const COMMANDS: [&[&str]; 7] = [
    &["--help"],
    &["check"],
    &["plan", "--format", "json"],
    &["status"],
    &["generate", "schema", "plan"],
    &["generate", "man"],
    &["spec", "show", "--builtin", "ci"],
];

/// Only some commands take a host.
fn at<'c>(host: &Folder, command: &'c mut Command, args: &[&str]) -> &'c mut Command {
    if ["check", "plan", "status"].contains(&args[0]) {
        command.arg("--root").arg(host.root());
    }
    command
}

fn output_of(command: &mut Command) -> Output {
    start(command).wait_with_output().unwrap()
}

/// `oomguard check | head -0`: the exit code is that of the check, and nobody hears of the pipe.
#[test]
fn a_closed_pipe_ends_quietly() {
    let host = Folder::fresh();
    for args in COMMANDS {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = oomguard(args);
        at(&host, &mut command, args).stdout(writer).stderr(Stdio::piped());
        let output = output_of(&mut command);
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{args:?}");
        let code = if matches!(args[0], "check" | "plan") { 2 } else { 0 };
        assert_eq!(output.status.code(), Some(code), "{args:?}");
    }
}

/// `oomguard check 2>&1 >report | head -0`: what is for people is lost, the report is not.
#[test]
fn a_closed_standard_error_stops_nothing() {
    let host = Folder::good();
    host.make_unreadable("/proc/swaps");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = oomguard(["plan"]);
    command.arg("--root").arg(host.root()).stderr(writer).stdout(Stdio::piped());
    let output = output_of(&mut command);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stdout).contains("Refused"));
}

#[test]
fn a_pipe_that_closes_half_way() {
    let mut command = oomguard(["generate", "schema", "plan"]);
    let mut child = start(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
    let mut first = [0; 10];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
}

#[test]
fn a_full_device_is_an_error() {
    let host = Folder::fresh();
    for args in COMMANDS {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = oomguard(args);
        at(&host, &mut command, args).stdout(full).stderr(Stdio::piped());
        let output = output_of(&mut command);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {said}");
        assert!(
            said.starts_with("error: cannot write the output: No space left on device"),
            "{args:?}: {said}"
        );
    }
}

#[test]
fn colours_where_they_are_asked_for() {
    let host = Folder::fresh();
    let escapes = |args: &[&str], no_color: Option<&str>| {
        let mut command = oomguard(args);
        command.env_remove("NO_COLOR").arg("--root").arg(host.root()).stdout(Stdio::piped());
        if let Some(value) = no_color {
            command.env("NO_COLOR", value);
        }
        output_of(&mut command).stdout.contains(&0x1b)
    };
    for command in ["check", "status", "plan"] {
        assert!(!escapes(&[command], None), "{command}: a pipe is no terminal");
        assert!(!escapes(&[command, "--color", "never"], None), "{command}");
        assert!(escapes(&[command, "--color", "always"], None) || command == "plan", "{command}");
        // What is asked for on the command line is nearer than the environment.
        assert!(escapes(&[command, "--color", "always"], Some("1")) || command == "plan", "{command}");
        assert!(!escapes(&[command, "--color", "auto"], Some("1")), "{command}");
        assert!(!escapes(&[command, "--format", "json", "--color", "always"], None), "{command}");
    }
}

#[test]
fn located_messages_have_colours_too() {
    let message = |color: &str| {
        let ran = crate::run::run_with_input(&["--color", color, "spec", "fmt", "-"], b"a: {b\n").exits(1);
        ran.err
    };
    assert!(message("always").contains("\u{1b}["));
    assert!(!message("auto").contains('\u{1b}'));
    let plain: String = message("never");
    assert!(plain.starts_with("error[yaml]: "), "{plain}");
}
