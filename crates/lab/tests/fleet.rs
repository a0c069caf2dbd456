//! Several hosts over real ssh: applied in one command, and each failure reported for what it is.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // Helpers of tests are tests, too.

mod common;

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::lab;
use oomguard_lab::{HostSpec, Release, Vm};

const NAMES: [&str; 3] = ["testnet001.ac-dc.network", "testnet002.ac-dc.network", "testnet003.ac-dc.network"];

/// An ssh configuration and an inventory for hosts of the lab, in a folder of their own.
struct Fleet {
    dir: PathBuf,
    binary: PathBuf,
}

struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Said {
    #[track_caller]
    fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}\n{}", self.out, self.err);
        self
    }

    #[track_caller]
    fn says(self, part: &str) -> Self {
        // A table breaks its lines.
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words(&self.out).contains(part), "{part:?} is not in\n{}\n{}", self.out, self.err);
        self
    }
}

impl Fleet {
    fn new(name: &str, hosts: &[(&str, &Vm, &str)]) -> Self {
        let binary = std::env::var_os("OOMGUARD_BIN").map(PathBuf::from);
        let binary = binary.expect("OOMGUARD_BIN must name the static binary; `cargo xtask test` sets it");
        let dir = common::cache().join(format!("fleet-{name}-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let mut config = String::new();
        for (name, vm, user) in hosts {
            config.push_str(&format!(
                "Host {name}\n  HostName 127.0.0.1\n  Port {}\n  User {user}\n  IdentityFile {}\n  IdentitiesOnly yes\n  \
                 UserKnownHostsFile {}\n  HostKeyAlias {name}\n",
                vm.ssh_port(),
                vm.key().display(),
                dir.join("known_hosts").display()
            ));
        }
        // A name of the inventory that nobody answers to.
        config.push_str("Host testnet005.ac-dc.network\n  HostName 127.0.0.1\n  Port 9\n");
        fs::write(dir.join("config"), config).unwrap();
        let fleet = Self { dir, binary };
        let keys: Vec<String> = hosts
            .iter()
            .map(|(name, vm, _)| {
                let key = vm.run("cat /etc/ssh/ssh_host_ed25519_key.pub").unwrap().stdout;
                let words: Vec<&str> = key.split_whitespace().take(2).collect();
                format!("{name} {}\n", words.join(" "))
            })
            .collect();
        fs::write(fleet.dir.join("known_hosts"), keys.concat()).unwrap();
        let list: String = hosts.iter().map(|(name, _, _)| format!("{name} role=validator\n")).collect();
        fs::write(fleet.dir.join("hosts"), list).unwrap();
        fleet
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(args).current_dir(&self.dir).arg("--runs").arg(self.dir.join("runs"));
        if args[1] != "runs" && args[1] != "show" {
            command.args(["--ssh-config", "config"]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, args: &[&str]) -> Said {
        said(self.command(args).spawn().unwrap())
    }

    fn last_run(&self) -> String {
        let runs = self.run(&["fleet", "runs"]).out;
        runs.lines().last().unwrap().split_whitespace().next().unwrap().to_owned()
    }
}

fn said(child: Child) -> Said {
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said { code: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

#[test]
fn two_hosts_are_applied_one_is_off_and_all_is_well_after_a_reboot() {
    let mut vms =
        lab().boot_all(&[HostSpec::new(Release::Bookworm), HostSpec::new(Release::Bookworm)]).unwrap();
    let mut second = vms.pop().unwrap();
    let first = vms.pop().unwrap();
    let fleet = Fleet::new("applied", &[(NAMES[0], &first, "root"), (NAMES[1], &second, "op")]);
    fs::write(
        fleet.dir.join("hosts"),
        format!(
            "{} role=validator\n{} role=validator\ntestnet005.ac-dc.network role=validator\n",
            NAMES[0], NAMES[1]
        ),
    )
    .unwrap();
    fleet.run(&["check", "--inventory", "hosts"]).exits(3).says("3 hosts failed").says("no-swap");
    let applied = fleet.run(&["apply", "--inventory", "hosts", "--yes"]).exits(3).says("Connection refused");
    assert!(applied.err.contains("wave 1 of 2"), "{}", applied.err);
    let limit = ["--inventory", "hosts", "--limit", "!testnet005*"];
    fleet.run(&[&["check"], &limit[..]].concat()).exits(0).says("Fine: 2 of 2 hosts.");
    fleet.run(&[&["apply", "--yes"], &limit[..]].concat()).exits(0).says("Fine: 2 of 2 hosts.");
    // root's, found by its content, and nothing else left behind.
    let listed = second
        .run("stat -c '%U %a %n' /usr/local/lib/oomguard/* /usr/local/lib/oomguard/.o* 2>/dev/null")
        .unwrap()
        .stdout;
    assert_eq!(listed.lines().count(), 1, "{listed}");
    assert!(listed.starts_with("root 755 /usr/local/lib/oomguard/oomguard-"), "{listed}");
    second.reboot().unwrap();
    fleet.run(&[&["check"], &limit[..]].concat()).exits(0);
    fleet.run(&[&["status"], &limit[..]].concat()).exits(0).says("of swap");
    fleet.run(&[&["incident"], &limit[..]].concat()).exits(0).says("no OOM kill in its log");
    let seen = fleet.run(&["fleet", "status", "--format", "cspec"]).exits(3).says("status: unreachable");
    assert!(seen.out.contains("status: operational"), "{}", seen.out);
    fleet.run(&[&["rollback", "--yes"], &limit[..]].concat()).exits(0);
    fleet.run(&[&["check"], &limit[..]].concat()).exits(2).says("no-swap");
}

#[test]
fn a_wrong_key_a_full_disk_and_no_sudo_are_told_apart() {
    let spec = || HostSpec::new(Release::Bookworm);
    let vms = lab().boot_all(&[spec(), spec(), spec()]).unwrap();
    let fleet = Fleet::new(
        "odd",
        &[(NAMES[0], &vms[0], "root"), (NAMES[1], &vms[1], "root"), (NAMES[2], &vms[2], "dev")],
    );
    let known = fs::read_to_string(fleet.dir.join("known_hosts")).unwrap();
    // The first name is known with the key of another host; all hosts of the lab have the same.
    let other = fleet.dir.join("other");
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&other)
        .status()
        .unwrap();
    assert!(made.success());
    let key = fs::read_to_string(other.with_extension("pub")).unwrap();
    let rest: String = known.lines().skip(1).map(|line| format!("{line}\n")).collect();
    fs::write(fleet.dir.join("known_hosts"), format!("{} {key}{rest}", NAMES[0])).unwrap();
    vms[1].run("fallocate -l $(( $(df --output=avail -B1 / | tail -1) - 67108864 )) /fill").unwrap();
    let apply = ["apply", "--inventory", "hosts", "--yes"];
    let said = fleet.run(&apply).exits(3).says("3 of 3 hosts failed");
    for part in ["another host key", "the user dev is not root"] {
        assert!(said.err.contains(part), "{part}: {}", said.err);
    }
    let id = fleet.last_run();
    let shown = fleet.run(&["fleet", "show", &id, "--format", "json"]).exits(3);
    let report: serde_json::Value = serde_json::from_str(&shown.out).unwrap();
    let kind = |at: usize| report["hosts"][at]["outcome"]["failure"]["kind"].as_str().unwrap().to_owned();
    assert_eq!([kind(0), kind(1), kind(2)], ["host-key-changed", "disk-full", "no-sudo"], "{}", shown.out);
    // An ordinary user may still look.
    fleet.run(&["check", "--inventory", "hosts", "--limit", "testnet003*"]).exits(2);
    vms[1].run("rm /fill").unwrap();
    fs::write(fleet.dir.join("known_hosts"), known).unwrap();
    let config = fs::read_to_string(fleet.dir.join("config")).unwrap().replace("User dev", "User op");
    fs::write(fleet.dir.join("config"), config).unwrap();
    fleet.run(&["fleet", "resume", &id, "--yes"]).exits(0).says("Fine: 3 of 3 hosts.");
}

#[test]
fn a_power_cut_in_mid_apply_is_finished_by_resume() {
    let mut vm = lab().boot(&HostSpec::new(Release::Bookworm)).unwrap();
    let fleet = Fleet::new("cut", &[(NAMES[0], &vm, "root")]);
    let apply = fleet.command(&["apply", "--inventory", "hosts", "--yes"]).spawn().unwrap();
    let end = Instant::now() + Duration::from_secs(300);
    // The record is there: the first steps are being done.
    while vm.run("ls /var/lib/oomguard/journal/*/progress").unwrap().status != 0 {
        assert!(Instant::now() < end, "no apply was begun");
    }
    vm.power_cut();
    let said = said(apply).exits(3).says("step");
    assert!(said.out.contains("connection"), "{}", said.out);
    vm.power_on().unwrap();
    let id = fleet.last_run();
    fleet.run(&["fleet", "resume", &id, "--yes"]).exits(0).says("what was cut before is finished");
    fleet.run(&["check", "--inventory", "hosts"]).exits(0);
}
