//! Other hosts, with an `ssh` on PATH that runs the line of shell on a folder of this machine.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::hosts::Folder;
use crate::run::{Ran, oomguard, ran};
use crate::schema::conforms;

/// As the tests of `crates/fleet` do it, with the real program, which is told the folder of the host.
const SSH: &str = r#"#!/bin/sh
while [ "$1" != -- ]; do [ "$1" = -O ] && exit 0; shift; done
dir="${0%/*}/../$2"
[ -d "$dir" ] || { echo "ssh: connect to host $2 port 22: Connection refused" >&2; exit 255; }
line=$(printf %s "$3" | sed "s#/usr/local/lib/oomguard#$dir/lib#g; s#\"\$p\" remote#\"\$p\" --root $dir/root remote#")
HOME="$dir" exec sh -c "$line"
"#;

struct Fleet {
    dir: TempDir,
    _folders: Vec<Folder>,
}

impl Fleet {
    fn new() -> Self {
        crate::hosts::find_room();
        let dir = tempfile::tempdir().unwrap();
        let ssh = dir.path().join("bin/ssh");
        fs::create_dir_all(dir.path().join("bin")).unwrap();
        // Nobody becomes root for a test.
        for (path, text) in [(&ssh, SSH), (&dir.path().join("bin/sudo"), "#!/bin/sh\nexit 1\n")] {
            fs::write(path, text).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let mut folders = Vec::new();
        for (name, folder) in [("fresh", Folder::fresh()), ("good", Folder::good())] {
            fs::create_dir_all(dir.path().join(name)).unwrap();
            std::os::unix::fs::symlink(folder.root(), dir.path().join(name).join("root")).unwrap();
            folders.push(folder);
        }
        Self { dir, _folders: folders }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn run(&self, args: &[&str]) -> Ran {
        let path = format!("{}:/usr/bin:/bin", self.path("bin").display());
        let mut command = oomguard(args);
        command.env("PATH", path).arg("--runs").arg(self.path("runs")).current_dir(self.dir.path());
        ran(&mut command)
    }
}

#[test]
fn a_check_of_many_hosts_is_a_run_that_can_be_shown_and_resumed() {
    let fleet = Fleet::new();
    fs::write(fleet.path("hosts"), "good # one\nfresh\noff\n").unwrap();
    let ran = fleet.run(&["check", "--inventory", "hosts"]).exits(3).complains("fresh: gets oomguard");
    assert!(ran.out.contains("no-swap") && ran.out.contains("Connection refused"), "{}", ran.out);
    assert!(ran.out.contains("1 of 3 hosts failed or not reached, 1 differ(s), 1 fine."), "{}", ran.out);
    let runs = fleet.run(&["fleet", "runs"]).exits(0).quietly().out;
    let id = runs.split_whitespace().next().unwrap();
    assert!(runs.contains("check") && runs.contains("3 hosts, 1 failed"), "{runs}");
    let shown = fleet.run(&["fleet", "show", id, "--format", "json"]).exits(3).quietly().json();
    conforms("fleet", &shown);
    assert_eq!(shown["hosts"][2]["outcome"]["failure"]["kind"], "unreachable");
    conforms("check", &shown["hosts"][0]["report"]);
    conforms("status", &shown["hosts"][1]["facts"]);

    let off = fleet.path("off");
    fs::create_dir_all(&off).unwrap();
    std::os::unix::fs::symlink(fleet._folders[1].root(), off.join("root")).unwrap();
    let ran = fleet.run(&["fleet", "resume", id]).exits(2);
    assert!(ran.err.contains("off: ") && !ran.err.contains("fresh: "), "{}", ran.err);
    fleet.run(&["fleet", "show", "nope"]).exits(64).complains("there is no run `nope`");
}

#[test]
fn the_state_of_all_hosts_in_four_forms() {
    let fleet = Fleet::new();
    let hosts = ["--host", "good,off,fresh"];
    fleet.run(&["plan", hosts[0], hosts[1], "--format", "json"]).exits(3);
    let table = fleet.run(&["fleet", "status"]).exits(3).quietly().out;
    let at = |name: &str| table.find(&format!(" {name} ")).unwrap_or_else(|| panic!("{name}: {table}"));
    assert!(at("off") < at("fresh") && at("fresh") < at("good"), "{table}");
    conforms("fleet", &fleet.run(&["fleet", "status", "--format", "json"]).exits(3).json());
    let page = fleet.run(&["fleet", "status", "--format", "html"]).exits(3).out;
    assert!(page.starts_with("<!DOCTYPE html>") && !page.contains("http") && !page.contains("<script"));
    let document = fleet.run(&["fleet", "status", "--format", "cspec"]).exits(3).out;
    let path = fleet.path("seen.cspec");
    fs::write(&path, &document).unwrap();
    crate::run::run(["spec", "check", path.to_str().unwrap()]).exits(0);
    // It is an inventory, too.
    fleet.run(&["status", "--inventory", "seen.cspec", "--limit", "good,fresh"]).exits(0);
    // A look at some hosts shows these.
    let looked = fleet.run(&["fleet", "status", "--host", "good"]).exits(0).out;
    assert!(looked.contains("good") && !looked.contains("fresh"), "{looked}");
}

#[test]
fn nothing_is_changed_without_a_yes_and_nothing_runs_that_is_no_host() {
    let fleet = Fleet::new();
    fleet.run(&["apply", "--host", "fresh"]).exits(64).complains("give --yes");
    for name in ["-oProxyCommand=touch x", "a;touch x", "$(touch x)", "a b"] {
        fleet.run(&["check", &format!("--host={name}")]).exits(64).complains("--host: ");
    }
    fs::write(fleet.path("hosts"), "-oProxyCommand=x\n").unwrap();
    fleet.run(&["check", "--inventory", "hosts"]).exits(1).complains("hosts:1: ");
    fleet.run(&["check", "--limit", "x", "--host", "good"]).exits(64).complains("--limit: ");
    fleet.run(&["check", "--limit", "x"]).exits(64).complains("--limit chooses");
    fleet.run(&["apply", "--host", "good", "--wave", "x"]).exits(64).complains("--wave ");
    fleet.run(&["check", "--host", "good", "--format", "junit"]).exits(64).complains("is for one host");
    assert!(!fleet.path("x").exists());
}

#[test]
fn a_job_that_is_none_is_refused() {
    crate::run::run_with_input(&["remote"], b"{}\n").exits(64).complains("standard input has no job");
}
