//! What others on a host, and on this machine, could read of a run: command lines and environments.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::fleet::Fleet;
use crate::hosts::Folder;

/// Stands between the job and the program on the host, which waits for the end of its input: now both sides are in hand.
/// It writes down what there is of the processes of this test, the environment of the program on the host too.
const LOOK: &str = r#"#!/bin/sh
dir=$1
words() { tr '\0' ' ' <"$1/cmdline" 2>/dev/null; }
remote() { for p in /proc/[0-9]*; do case "$(words $p)" in "$dir"/*good/lib/oomguard-*" remote --root"*) echo $p; return;; esac; done; }
cat
n=0
until [ -n "$(remote)" ] || [ $n = 300 ]; do n=$((n + 1)); sleep 0.1; done
for p in /proc/[0-9]*; do
  line=$(words $p)
  case $line in *"$dir"*) echo "line: $line";; esac
done >"$dir/seen"
tr '\0' '\n' <"$(remote)/environ" | sed 's/^/environment: /' >>"$dir/seen"
"#;

const POLICY: &str = "role: secretrole\nmemory_config:\n  swappiness: 43\n  oom_protection:\n    services: \
                      {secret-unit.service: -700}\n  alerts:\n    webhook: https://example.net/secret-token\n";

const SECRETS: [&str; 9] = [
    "secretvalue",
    "secretlocale",
    "secrettoken",
    "secretkeybytes",
    "secret-unit",
    "secret-token",
    "secretrole",
    "swappiness",
    "memory_config",
];

#[test]
fn no_command_line_and_no_environment_of_a_host_has_a_secret_or_the_policy() {
    let fleet = Fleet::new();
    let look = fleet.program("look", LOOK);
    let dir = look.parent().unwrap().parent().unwrap().display();
    let between = format!("s#| $s \"$p\"#| sh {} {dir} | $s \"$p\"#\n", look.display());
    fs::write(fleet.path("edit"), between).unwrap();
    fs::write(fleet.path("policy.cspec"), POLICY).unwrap();
    fs::write(fleet.path("id_secret"), "-----BEGIN OPENSSH PRIVATE KEY-----\nsecretkeybytes\n").unwrap();
    let agent = fleet.path("agent").display().to_string();
    let variables = [
        ("AWS_SECRET_ACCESS_KEY", "secretvalue"),
        ("LC_SECRET", "secretlocale"),
        ("GITHUB_TOKEN", "secrettoken"),
        ("SSH_AUTH_SOCK", agent.as_str()),
    ];
    fleet.run_with(&["check", "--host", "good", "--spec", "policy.cspec"], &variables).exits(2);
    let read = |name: &str| fs::read_to_string(fleet.path(name)).unwrap();
    let seen = read("seen") + &read("ssh");
    // It was looked at the right time: oomguard here, the line of shell and oomguard there, and how ssh was called.
    for part in [
        "check --host good --spec policy.cspec",
        "line: sh -c m=$(uname -m)",
        "remote --root",
        "environment: HOME=",
        "-o ClearAllForwardings=yes",
        "-- good exec sh -c",
    ] {
        assert!(seen.contains(part), "{part}: {seen}");
    }
    for secret in SECRETS {
        assert!(!seen.contains(secret), "{secret} is seen: {seen}");
    }
    // The job had all of it, and came on standard input.
    let run = fs::read_dir(fleet.path("runs")).unwrap().next().unwrap().unwrap().path();
    let asked = fs::read_to_string(run.join("run.json")).unwrap();
    assert!(asked.contains("secret-token") && asked.contains("secret-unit"), "{asked}");
}

/// All files below a folder, with their permission bits; each belongs to who made it.
fn files(dir: &Path) -> Vec<(PathBuf, u32)> {
    let owner = fs::metadata("/proc/self").unwrap().uid();
    let mut all = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let meta = path.symlink_metadata().unwrap();
        if meta.is_dir() {
            all.extend(files(&path));
        } else if meta.is_file() {
            assert_eq!(meta.uid(), owner, "{}", path.display());
            all.push((path, meta.permissions().mode() & 0o7777));
        }
    }
    all
}

#[test]
fn what_an_apply_writes_is_0600_or_0644_and_a_run_is_for_its_owner_alone() {
    let host = Folder::good();
    let root = host.root();
    let ours = |path: &Path| path.to_string_lossy().contains("oomguard") || path.ends_with("swapfile");
    let all = files(&root);
    let written: Vec<_> = all
        .iter()
        .map(|(path, mode)| (path.strip_prefix(&root).unwrap(), *mode))
        .filter(|(path, _)| ours(path))
        .collect();
    let mode = |name: &str| written.iter().find(|(path, _)| path.ends_with(name)).map(|(_, mode)| *mode);
    assert_eq!(mode("swapfile"), Some(0o600), "{written:?}");
    assert_eq!(mode("record.json"), Some(0o600), "{written:?}");
    for (path, mode) in &written {
        assert!([0o600, 0o644].contains(mode), "{}: {mode:o}", path.display());
    }
    assert!(written.len() > 5, "{written:?}");

    let fleet = Fleet::new();
    fleet.run_with(&["check", "--host", "good", "fresh"], &[]).exits(2);
    let kept = files(&fleet.path("runs"));
    assert!(kept.len() >= 5, "{kept:?}");
    for (path, mode) in kept {
        assert_eq!(mode, 0o600, "{}", path.display());
    }
}
