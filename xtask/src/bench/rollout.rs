//! Several lab hosts at once: the first apply, and one that has nothing to do, against Ansible's geerlingguy.swap.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use oomguard_lab::{HostSpec, Lab, Release, Vm};

use super::Row;
use super::ansible::Ansible;
use super::noop::DOCUMENT;
use super::report::Target;
use super::times::Times;
use crate::{lab, static_binary, tools};

/// As many as the lab runs at once.
const HOSTS: usize = 3;
const FIRST: f64 = 6.0;
const AGAIN: f64 = 10.0;
const FLOOR: f64 = 2.0;

/// Times both from this machine, over ssh, each on hosts of its own that have just booted.
///
/// # Errors
/// When a host does not boot, Ansible cannot be installed, or one of them changes something again.
pub fn measure(root: &Path, binary: &Path, runs: u32, roles: Option<&Path>) -> Result<Vec<Row>> {
    tools::need_lab()?;
    let dir = static_binary::target_dir(root)?.join("bench");
    let ansible = Ansible::install(&dir.join("ansible"), roles)?;
    let lab = Lab::new(lab::cache(None)?)?;
    let boot = || lab.boot_all(&vec![HostSpec::new(Release::Bookworm); HOSTS]);
    let swaps = |vms: &[Vm]| -> Result<Vec<String>> {
        let swap = |vm: &Vm| Ok(vm.ok("swapon --show=NAME,SIZE --noheadings; sysctl -n vm.swappiness")?);
        vms.iter().map(swap).collect()
    };

    let vms = boot()?;
    let all: Vec<&Vm> = vms.iter().collect();
    eprintln!("Ansible, for the first time");
    let started = Instant::now();
    ansible.play(&all)?;
    let peer_first = started.elapsed();
    eprintln!("Ansible, again");
    let peer_again = Times::of(runs, || ansible.play_again(&all))?;
    let wanted = swaps(&vms)?;
    drop(vms);

    let vms = boot()?;
    let files = dir.join("rollout");
    let ours = Ours::new(&files, binary, &vms)?;
    eprintln!("oomguard, for the first time");
    let first = ours.apply("done (")?;
    ensure!(swaps(&vms)? == wanted, "the hosts differ: {:?}, {wanted:?}", swaps(&vms)?);
    eprintln!("oomguard, again");
    let again = Times::of(runs * 2, || ours.apply("fine"))?;
    let floor = Times::of(runs * 2, || ours.ssh_true(&vms))?;
    let once = |time: Duration| Times::of(1, || Ok::<_, anyhow::Error>(time));
    let (first, peer_first) = (once(first)?, once(peer_first)?);
    let (first_ratio, again_ratio) = (first.faster_than(&peer_first), again.faster_than(&peer_again));
    let over_floor = 1.0 / again.faster_than(&floor);
    Ok(vec![
        Row {
            what: format!("the first apply on {HOSTS} hosts at once; peer: {}, forks 10", ansible.version),
            ours: first.to_string(),
            peer: peer_first.to_string(),
            result: format!("{first_ratio:.1}x"),
            target: Target::at_least(FIRST, first_ratio),
        },
        Row {
            what: "an apply that changes nothing, on the same".to_owned(),
            ours: again.to_string(),
            peer: peer_again.to_string(),
            result: format!("{again_ratio:.1}x"),
            target: Target::at_least(AGAIN, again_ratio),
        },
        Row {
            what: "the floor of that: `ssh HOST true` on all at once".to_owned(),
            ours: again.to_string(),
            peer: floor.to_string(),
            result: format!("{over_floor:.2}x the floor"),
            target: Target::Is { words: format!("at most {FLOOR}x the floor"), met: over_floor <= FLOOR },
        },
    ])
}

/// oomguard and ssh, with a configuration for the hosts of the lab.
struct Ours<'a> {
    dir: &'a Path,
    binary: &'a Path,
}

impl<'a> Ours<'a> {
    fn new(dir: &'a Path, binary: &'a Path, vms: &[Vm]) -> Result<Self> {
        fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
        // Their keys are new at every boot.
        let host = |(number, vm): (usize, &Vm)| {
            format!(
                "Host host{number}\n  HostName 127.0.0.1\n  Port {}\n  User root\n  IdentityFile {}\n  IdentitiesOnly yes\n  \
                 StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n  LogLevel ERROR\n",
                vm.ssh_port(),
                vm.key().display()
            )
        };
        let config: String = vms.iter().enumerate().map(host).collect();
        let list: String = (0..vms.len()).map(|number| format!("host{number}\n")).collect();
        for (name, text) in
            [("config", config.as_bytes()), ("hosts", list.as_bytes()), ("bench.cspec", DOCUMENT)]
        {
            fs::write(dir.join(name), text).with_context(|| format!("cannot write {name}"))?;
        }
        Ok(Self { dir, binary })
    }

    /// Applies on all at once, as Ansible does; each host must say `part`.
    fn apply(&self, part: &str) -> Result<Duration> {
        let mut apply = Command::new(self.binary);
        apply.current_dir(self.dir).args(["apply", "--inventory", "hosts", "--spec", "bench.cspec", "--yes"]);
        apply.args(["--wave", "100%", "--ssh-config", "config", "--runs", "runs"]).stdin(Stdio::null());
        let started = Instant::now();
        let output = apply.output().context("cannot run oomguard")?;
        let time = started.elapsed();
        let said = String::from_utf8_lossy(&output.stdout);
        let told = (0..HOSTS).all(|number| {
            said.lines().any(|line| line.contains(&format!("host{number} ")) && line.contains(part))
        });
        ensure!(
            output.status.success() && told,
            "oomguard apply: {}\n{said}{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(time)
    }

    fn ssh_true(&self, vms: &[Vm]) -> Result<Duration> {
        let started = Instant::now();
        let ssh = |number: usize| {
            let mut ssh = Command::new("ssh");
            ssh.current_dir(self.dir).args(["-F", "config", &format!("host{number}"), "true"]);
            ssh.stdin(Stdio::null()).spawn().context("cannot run ssh")
        };
        let children = (0..vms.len()).map(ssh).collect::<Result<Vec<_>>>()?;
        for mut child in children {
            let status = child.wait()?;
            ensure!(status.success(), "ssh host true: {status}");
        }
        Ok(started.elapsed())
    }
}
