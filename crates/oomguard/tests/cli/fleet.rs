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
printf '%s\n' "$*" >>"${0%/*}/../ssh"
g=; while [ "$1" != -- ]; do [ "$1" = -O ] && exit 0; [ "$1" = -G ] && g=1; shift; done
[ -n "$g" ] && { cat "${0%/*}/../$2/config" 2>/dev/null; exit 0; }
dir="${0%/*}/../$2"
[ -d "$dir" ] || { echo "ssh: connect to host $2 port 22: Connection refused" >&2; exit 255; }
line=$(printf %s "$3" | sed "s#/usr/local/lib/oomguard#$dir/lib#g; s#\"\$p\" remote#\"\$p\" remote --root $dir/root#")
edit="${0%/*}/../edit"
[ -e "$edit" ] && line=$(printf %s "$line" | sed -f "$edit")
HOME="$dir" exec sh -c "$line"
"#;

pub struct Fleet {
    dir: TempDir,
    _folders: Vec<Folder>,
}

impl Fleet {
    pub fn new() -> Self {
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

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A program of the test's own, on PATH.
    pub fn program(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path("bin").join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn run(&self, args: &[&str]) -> Ran {
        self.run_with(args, &[])
    }

    /// The same, with more in the environment.
    pub fn run_with(&self, args: &[&str], variables: &[(&str, &str)]) -> Ran {
        let path = format!("{}:/usr/bin:/bin", self.path("bin").display());
        let mut command = oomguard(args);
        command.envs(variables.iter().copied());
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
    assert!(ran.out.contains("1 of 3 hosts failed, 1 differ, 1 OK"), "{}", ran.out);
    let runs = fleet.run(&["fleet", "runs"]).exits(0).quietly().out;
    let id = runs.split_whitespace().next().unwrap();
    assert!(runs.contains("check") && runs.contains("3 hosts, 1 failed"), "{runs}");
    let shown = fleet.run(&["fleet", "show", id, "--format", "json"]).exits(3).quietly().json();
    conforms("fleet", &shown);
    assert_eq!(shown["hosts"][2]["outcome"]["failure"]["kind"], "unreachable");
    conforms("check", &shown["hosts"][0]["report"]);
    conforms("status", &shown["hosts"][1]["status"]);

    let off = fleet.path("off");
    fs::create_dir_all(&off).unwrap();
    std::os::unix::fs::symlink(fleet._folders[1].root(), off.join("root")).unwrap();
    let ran = fleet.run(&["fleet", "resume", id]).exits(2);
    assert!(ran.err.contains("off: ") && !ran.err.contains("fresh: "), "{}", ran.err);
    fleet.run(&["fleet", "show", "nope"]).exits(64).complains("no run `nope` in ");
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
    fleet.run(&["apply", "--host", "fresh"]).exits(64).complains("use --yes");
    for name in ["-oProxyCommand=touch x", "a;touch x", "$(touch x)", "a b"] {
        fleet.run(&["check", &format!("--host={name}")]).exits(64).complains("--host: ");
    }
    fs::write(fleet.path("hosts"), "-oProxyCommand=x\n").unwrap();
    fleet.run(&["check", "--inventory", "hosts"]).exits(1).complains("hosts:1: ");
    fleet.run(&["check", "--limit", "x", "--host", "good"]).exits(64).complains("--limit: ");
    fleet.run(&["check", "--limit", "x"]).exits(64).complains("--limit needs");
    fleet.run(&["apply", "--host", "good", "--wave", "x"]).exits(64).complains("--wave ");
    fleet
        .run(&["check", "--host", "good", "--format", "junit"])
        .exits(64)
        .complains("works only on this host");
    assert!(!fleet.path("x").exists());
}

#[test]
fn what_changes_hosts_is_reported_for_programs_too() {
    let fleet = Fleet::new();
    fs::write(fleet.path("good/config"), "stricthostkeychecking false\n").unwrap();
    let json = ["--format", "json", "--yes"];
    // Folders are never changed, so that each of these fails, and says so as the schema has it.
    for (command, task) in [
        (vec!["apply", "--host", "fresh"], "apply"),
        (vec!["rollback", "--to", "20260101T000000Z", "--host", "good", "fresh"], "rollback"),
        (vec!["fleet", "setup", "good", "fresh", "--wave", "2", "--max-failures", "1"], "setup"),
    ] {
        let ran = fleet.run(&[&command[..], &json[..]].concat()).exits(3);
        let said = ran.json();
        conforms("fleet", &said);
        assert_eq!(said["task"], task);
        let undoes = ran.err.contains("Roll back the apply 20260101T000000Z and all after it on 2 hosts.");
        assert_eq!(undoes, task == "rollback", "{}", ran.err);
        assert!(said["hosts"][0]["outcome"]["failure"]["message"].is_string(), "{said}");
        let warned = said["hosts"][0]["outcome"]["warnings"].to_string().contains("StrictHostKeyChecking");
        assert_eq!(warned, command.contains(&"good"), "{said}");
        assert_eq!(warned, ran.err.contains("good: warning: your ssh configuration"), "{}", ran.err);
    }
    let ran = fleet.run(&["fleet", "setup", "fresh", "--dry-run", "--format", "json"]);
    conforms("fleet", &ran.json());
    assert!(ran.err.contains("Step 1 - "), "{}", ran.err);
    let table = fleet.run(&["check", "--host", "good"]).exits(0).out;
    assert!(table.contains("warning: your ssh"), "{table}");
    let runs = fleet.run(&["fleet", "runs", "--format", "json"]).exits(0).quietly().json();
    conforms("fleet-runs", &runs);
    assert_eq!(runs["runs"].as_array().unwrap().len(), 5);
    assert_eq!(
        (&runs["runs"][1]["task"], &runs["runs"][1]["failed_or_not_reached"]),
        (&"rollback".into(), &2.into())
    );
    fleet.run(&["fleet", "setup", "fresh", "--wave", "x"]).exits(64).complains("--wave ");
}

#[test]
fn an_ordinary_user_keeps_two_commands_and_two_agents_on_a_host() {
    let fleet = Fleet::new();
    fleet.program("id", "#!/bin/sh\necho 1000\n");
    let cache = fleet.path("good/.cache/oomguard");
    fs::create_dir_all(&cache).unwrap();
    // Programs of earlier versions, named by their content, and something of the user's own.
    let old = [("one", "7692c3ad3540"), ("two", "3fc4ccfe7458"), ("three", "8b5b9db0c13d")];
    for (age, (text, hash)) in old.iter().enumerate() {
        for prefix in ["oomguard", "oomguard-agent"] {
            let path = cache.join(format!("{prefix}-{hash}"));
            fs::write(&path, text).unwrap();
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000 + age as u64);
            fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        }
    }
    fs::write(cache.join("oomguard-notes"), "mine").unwrap();
    fleet.run(&["check", "--host", "good"]).exits(0);
    let mut names: Vec<String> = fs::read_dir(&cache)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert!(names.contains(&"oomguard-notes".to_owned()), "{names:?}");
    names.retain(|name| name != "oomguard-notes");
    for (prefix, kept) in
        [("oomguard-agent-", "oomguard-agent-8b5b9db0c13d"), ("oomguard-", "oomguard-8b5b9db0c13d")]
    {
        let programs: Vec<_> = names.extract_if(.., |name| name.starts_with(prefix)).collect();
        assert!(programs.len() == 2 && programs.contains(&kept.to_owned()), "{programs:?}");
    }
}

#[test]
fn a_job_that_is_none_is_refused() {
    crate::run::run_with_input(&["remote"], b"{}\n")
        .exits(64)
        .complains("no job in the form oomguard.fleet-job/1");
}

/// What stands under a step, of one host alone.
fn under<'a>(said: &'a str, step: &str) -> &'a str {
    let part = said.split(&format!("\n{step} - ")).nth(1).unwrap_or_else(|| panic!("no {step}: {said}"));
    part.split("\nStep ").next().unwrap()
}

#[test]
fn a_setup_says_its_steps_and_a_dry_run_changes_nothing() {
    let fleet = Fleet::new();
    let fresh = &fleet._folders[0].0;
    fresh.write("/etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n");
    fleet._folders[1].0.write("/etc/os-release", "ID=ubuntu\nVERSION_ID=\"24.04\"\n");
    fs::create_dir_all(fresh.real("/run/systemd/system")).unwrap();
    let before = fresh.tree();
    let ran = fleet.run(&["fleet", "setup", "fresh", "--dry-run"]).exits(2);
    let ran = ran.complains("Dry run: nothing is changed, except that oomguard is copied");
    assert!(fresh.tree() == before, "a dry run changed the host");
    let said = &ran.out;
    let heads: Vec<&str> = said.lines().filter(|line| line.starts_with("Step ")).collect();
    assert_eq!(heads.len(), 10, "{said}");
    assert_eq!((heads[5], heads[9]), ("Step 6 - Configure swap memory", "Step 10 - Show the swap status"));
    assert!(under(said, "Step 2").contains("debian 12, Linux "), "{said}");
    assert!(
        under(said, "Step 4").contains("would install oomguard 0.1.0 as /usr/local/bin/oomguard"),
        "{said}"
    );
    assert!(under(said, "Step 6").contains("create the swap file /swapfile of"), "{said}");
    assert!(under(said, "Step 6").contains("change /etc/fstab"), "{said}");
    assert!(under(said, "Step 7").contains("deltaos-validator.service.d/50-oomguard.conf"), "{said}");
    for words in ["would check the host", "should be 32 GiB", "would be fixed, 0 need a person"] {
        assert!(under(said, "Step 9").contains(words), "{words}: {said}");
    }
    assert!(said.contains(" planned"), "{said}");

    // Several: each line has the name of its host; what is refused ends the steps of that host only.
    let ran = fleet.run(&["fleet", "setup", "fresh,good", "off", "--role", "ci", "--dry-run"]).exits(3);
    let said = &ran.out;
    assert!(said.contains("\nfresh: Step 10 - Show the swap status\n"), "{said}");
    assert!(
        said.contains("good:   refused: unsupported distribution: ubuntu (Debian 11 or later required)\n"),
        "{said}"
    );
    assert!(!said.contains("good: Step 3") && !said.contains("\nStep "), "{said}");

    // A run as any other: it asks, prints the result of each host, and can be resumed. A folder is never changed.
    fleet.run(&["fleet", "setup", "fresh"]).exits(64).complains("use --yes");
    let ran = fleet.run(&["fleet", "setup", "fresh", "good", "--yes"]).exits(3);
    assert!(ran.out.contains("a directory given with --root can only be read"), "{}", ran.out);
    assert!(ran.out.contains("nothing was changed: unsupported distribution: ubuntu"), "{}", ran.out);
    assert!(!ran.out.contains("Step 9"), "{}", ran.out);
    assert!(fresh.tree() == before, "what failed changed the host");
    let runs = fleet.run(&["fleet", "runs"]).exits(0).quietly().out;
    let last = runs.lines().last().unwrap();
    assert!(last.contains("setup") && last.contains("2 hosts, 2 failed"), "{runs}");
    let id = last.split_whitespace().next().unwrap();
    let shown = fleet.run(&["fleet", "show", id, "--format", "json"]).exits(3).quietly().json();
    conforms("fleet", &shown);
    assert_eq!(shown["hosts"][1]["outcome"]["failure"]["kind"], "refused");
    let ran = fleet.run(&["fleet", "resume", id, "--yes"]).exits(3);
    assert!(ran.out.contains("fresh: Step 8 - Start the agent"), "{}", ran.out);
}

#[test]
fn a_setup_is_for_hosts_that_are_named_and_policies_that_exist() {
    let fleet = Fleet::new();
    fleet.run(&["fleet", "setup"]).exits(64);
    fleet.run(&["fleet", "setup", "--", "-oProxyCommand=x"]).exits(64);
    fleet.run(&["fleet", "setup", "a;b"]).exits(64);
    fleet.run(&["fleet", "setup", "fresh", "--dry-run", "--yes"]).exits(64);
    fleet
        .run(&["fleet", "setup", "fresh", "--role", "nobody"])
        .exits(64)
        .complains("workstation, ci, validator");
    fleet.run(&["fleet", "setup", "fresh", "--spec", "none"]).exits(1).complains("cannot read none");
    assert!(!fleet.path("runs").exists());
}
