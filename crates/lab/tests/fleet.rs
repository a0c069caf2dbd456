//! A rollout over real ssh to five faulty servers: each fault is reported, the others are changed, and `resume` finishes.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // Helpers of tests are tests, too.

#[path = "fleet/client.rs"]
mod client;
mod common;

use std::fs;
use std::time::{Duration, Instant};

use client::{Client, Way, said};
use common::lab;
use oomguard_lab::{HostSpec, Release, Vm};

/// The servers of the team's session record that were "not yet applied".
const NAMES: [&str; 5] = [
    "testnet001.ac-dc.network",
    "testnet002.ac-dc.network",
    "testnet003.ac-dc.network",
    "testnet004.ac-dc.network",
    "testnet005.ac-dc.network",
];
const INVENTORY: [&str; 2] = ["--inventory", "testnet.cspec"];

/// At most three hosts run concurrently. The others are off, which is one of the faults.
#[test]
fn rollout_over_five_faulty_servers_is_completed_by_resume() {
    let spec = || HostSpec::new(Release::Bookworm);
    let mut vms = lab().boot_all(&[spec(), spec(), spec()]).unwrap();
    for (vm, name) in vms.iter().zip(NAMES) {
        named(vm, name);
    }
    let client = Client::new();
    let hosts: String = NAMES.iter().map(|name| format!("  {name}: {{role: validator}}\n")).collect();
    fs::write(client.dir.join("testnet.cspec"), format!("hosts:\n{hosts}")).unwrap();
    let mut ways: Vec<Way> =
        vms.iter().zip(["root", "root", "op"]).map(|(vm, user)| Way::to(vm, user)).collect();
    ways.extend([Way::nowhere(), Way::nowhere()]);
    let leads = |ways: &[Way]| client.leads(&NAMES.into_iter().zip(ways).collect::<Vec<_>>());
    leads(&ways);
    let on_five = |command: &[&'static str]| client.run(&[command, &INVENTORY].concat());
    on_five(&["check"]).exits(3).says("2 of 5 hosts failed").says("no-swap");

    // One has a changed host key, one a full disk, and two are off.
    let right = ways[1].clone();
    ways[1] = right.known_wrongly(&client);
    leads(&ways);
    vms[2].ok("fallocate -l $(( $(df --output=avail -B1 / | tail -1) - 67108864 )) /fill").unwrap();
    let applied =
        on_five(&["apply", "--yes"]).exits(3).says("4 of 5 hosts failed").says("Connection refused");
    assert!(applied.err.contains("host key differs"), "{}", applied.err);
    let run = client.last_run();
    assert_eq!(
        client.outcomes(&run),
        ["done", "host-key-changed", "disk-full", "unreachable", "unreachable"]
    );

    // Those two are fixed. The fourth replaces the first, with a user without sudo.
    ways[1] = right;
    vms[2].ok("rm /fill").unwrap();
    let slot = vms[0].suspend().unwrap();
    vms.push(lab().boot_in(slot, &spec()).unwrap());
    named(&vms[3], NAMES[3]);
    ways[3] = Way::to(&vms[3], "dev");
    leads(&ways);
    let resume = ["fleet", "resume", &run, "--yes"];
    let resumed = client.run(&resume).exits(3);
    assert!(resumed.err.contains("user dev is not root"), "{}", resumed.err);
    assert_eq!(client.outcomes(&run), ["done", "done", "done", "no-sudo", "unreachable"]);
    // That user can still run a check.
    client.run(&["check", "--inventory", "testnet.cspec", "--limit", "testnet004*"]).exits(2);

    // The fifth replaces the second and loses power during its apply.
    let slot = vms[1].suspend().unwrap();
    vms.push(lab().boot_in(slot, &spec()).unwrap());
    named(&vms[4], NAMES[4]);
    ways[4] = Way::to(&vms[4], "root");
    ways[3].user = "op";
    leads(&ways);
    let applying = client.command(&resume).spawn().unwrap();
    let end = Instant::now() + Duration::from_secs(600);
    // Once the record exists, the first steps are running.
    while vms[4].run("ls /var/lib/oomguard/journal/*/progress").unwrap().status != 0 {
        assert!(Instant::now() < end, "no apply was begun");
    }
    vms[4].power_cut();
    said(applying).exits(3).says("connection").says("step");
    vms[4].power_on().unwrap();
    client.run(&resume).exits(0).says("including the interrupted apply").says("OK: 5 of 5 hosts");

    // All of them after a reboot.
    for vm in &mut vms[2..] {
        vm.reboot().unwrap();
    }
    let later = ["--inventory", "testnet.cspec", "--limit", "!testnet001*,!testnet002*"];
    client.run(&[&["check"], &later[..]].concat()).exits(0).says("OK: 3 of 3 hosts");
    for (back, off) in [(0, 2), (1, 3)] {
        let slot = vms[off].suspend().unwrap();
        vms[back].resume(slot).unwrap();
    }
    let first = ["--inventory", "testnet.cspec", "--limit", "testnet001*,testnet002*"];
    client.run(&[&["check"], &first[..]].concat()).exits(0).says("OK: 2 of 2 hosts");
    client.run(&[&["apply", "--yes"], &first[..]].concat()).exits(0).says("OK: 2 of 2 hosts");
    client.run(&[&["status"], &first[..]].concat()).exits(0).says("of swap");
    client.run(&[&["incident"], &first[..]].concat()).exits(0).says("no OOM kill in its log");
    let seen = client.run(&["fleet", "status", "--format", "cspec"]).exits(0).out;
    assert_eq!(seen.matches("status: operational").count(), 5, "{seen}");
    only_the_programs_are_left(&vms[0]);
    // The session record has every host and only real results.
    client
        .run(&["record", "--title", "Swap for the testnet", "--from", &run, "-o", "session.cspec"])
        .exits(0);
    let session = fs::read_to_string(client.dir.join("session.cspec")).unwrap();
    for name in NAMES {
        assert!(session.contains(name), "{name} is not in\n{session}");
    }
    assert!(session.contains("status: completed"), "{session}");

    client.run(&[&["rollback", "--yes"], &first[..]].concat()).exits(0);
    client.run(&[&["check"], &first[..]].concat()).exits(2).says("no-swap");
}

/// Sets a resolvable host name: sudo resolves it each time, and lab hosts have no DNS.
fn named(vm: &Vm, name: &str) {
    vm.ok(&format!("echo '127.0.1.1 {name}' >> /etc/hosts && hostnamectl set-hostname {name} && sync"))
        .unwrap();
}

/// Both programs are owned by root and named by their content; nothing else is left behind.
fn only_the_programs_are_left(vm: &Vm) {
    let list = "stat -c '%U %a %n' /usr/local/lib/oomguard/* /usr/local/lib/oomguard/.o* 2>/dev/null";
    let listed = vm.run(list).unwrap().stdout;
    assert_eq!(listed.lines().count(), 2, "{listed}");
    assert!(
        listed.lines().all(|line| line.starts_with("root 755 /usr/local/lib/oomguard/oomguard-")),
        "{listed}"
    );
    assert_eq!(listed.matches("/oomguard-agent-").count(), 1, "{listed}");
}
