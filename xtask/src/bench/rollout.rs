//! Applies on several lab hosts in parallel, compared with Ansible's geerlingguy.swap.

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

/// The maximum number of concurrent lab hosts.
const HOSTS: usize = 3;
const MIN_FIRST_RATIO: f64 = 6.0;
const MIN_NOOP_RATIO: f64 = 10.0;
const MAX_FLOOR_RATIO: f64 = 2.0;

/// Times both from this machine over ssh, each on its own freshly booted hosts.
///
/// # Errors
/// When a host does not boot, Ansible cannot be installed, or a repeated run makes a change.
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
    eprintln!("Ansible, first run");
    let started = Instant::now();
    ansible.play(&all)?;
    let peer_first = started.elapsed();
    eprintln!("Ansible, repeated runs");
    let peer_again = Times::of(runs, || ansible.replay(&all))?;
    let wanted = swaps(&vms)?;
    drop(vms);

    let vms = boot()?;
    let files = dir.join("rollout");
    let ours = Ours::new(&files, binary, &vms)?;
    eprintln!("oomguard, first run");
    let first = ours.apply("done (")?;
    ensure!(swaps(&vms)? == wanted, "the hosts differ: {:?}, {wanted:?}", swaps(&vms)?);
    eprintln!("oomguard, repeated runs");
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
            target: Target::at_least(MIN_FIRST_RATIO, first_ratio),
        },
        Row {
            what: "an apply without changes on the same hosts".to_owned(),
            ours: again.to_string(),
            peer: peer_again.to_string(),
            result: format!("{again_ratio:.1}x"),
            target: Target::at_least(MIN_NOOP_RATIO, again_ratio),
        },
        Row {
            what: "the floor of that: `ssh HOST true` on all at once".to_owned(),
            ours: again.to_string(),
            peer: floor.to_string(),
            result: format!("{over_floor:.2}x the floor"),
            target: Target::Is {
                words: format!("at most {MAX_FLOOR_RATIO}x the floor"),
                met: over_floor <= MAX_FLOOR_RATIO,
            },
        },
    ])
}

/// oomguard and ssh, configured for the lab hosts.
struct Ours<'a> {
    dir: &'a Path,
    binary: &'a Path,
}

impl<'a> Ours<'a> {
    fn new(dir: &'a Path, binary: &'a Path, vms: &[Vm]) -> Result<Self> {
        fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
        // The keys of lab hosts change at every boot.
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

    /// Applies on all hosts in parallel, as Ansible does; the line of each host must contain `part`.
    fn apply(&self, part: &str) -> Result<Duration> {
        let mut apply = Command::new(self.binary);
        apply.current_dir(self.dir).args(["apply", "--inventory", "hosts", "--spec", "bench.cspec", "--yes"]);
        apply.args(["--wave", "100%", "--ssh-config", "config", "--runs", "runs"]).stdin(Stdio::null());
        let started = Instant::now();
        let output = apply.output().context("cannot run oomguard")?;
        let time = started.elapsed();
        let stdout = String::from_utf8_lossy(&output.stdout);
        let all_reported = (0..HOSTS).all(|number| {
            stdout.lines().any(|line| line.contains(&format!("host{number} ")) && line.contains(part))
        });
        ensure!(
            output.status.success() && all_reported,
            "oomguard apply: {}\n{stdout}{}",
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
