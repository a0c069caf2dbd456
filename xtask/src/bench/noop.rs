//! An apply without changes, compared with Ansible's geerlingguy.swap.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use oomguard_lab::{HostSpec, Lab, Release, Vm};

use super::Row;
use super::ansible::Ansible;
use super::report::Target;
use super::times::Times;
use crate::{lab, static_binary, tools};

const MIN_RATIO: f64 = 15.0;
/// The state that the role maintains.
pub const DOCUMENT: &[u8] =
    b"role: bench\nmemory_config:\n  swap: {size: 512MB, file: /swapfile}\n  swappiness: 10\n";
const APPLY: &str = "oomguard apply --spec /root/bench.cspec --yes";

/// Times both from this machine over ssh, each on its own host that it has set up before.
///
/// # Errors
/// When a host does not boot, Ansible cannot be installed, or one of them makes a change.
pub fn measure(root: &Path, binary: &Path, runs: u32, roles: Option<&Path>) -> Result<Vec<Row>> {
    tools::need_lab()?;
    let ansible = Ansible::install(&static_binary::target_dir(root)?.join("bench/ansible"), roles)?;
    let spec = HostSpec::new(Release::Bookworm);
    let hosts = Lab::new(lab::cache(None)?)?.boot_all(&[spec.clone(), spec])?;
    let [ours, peer] = hosts.as_slice() else { anyhow::bail!("expected two hosts") };

    super::push(ours, binary)?;
    ours.write("/root/bench.cspec", DOCUMENT)?;
    ours.ok(APPLY)?;
    let swap = |vm: &Vm| vm.ok("swapon --show=NAME,SIZE --noheadings; sysctl -n vm.swappiness");
    ansible.play(&[peer])?;
    ensure!(swap(ours)? == swap(peer)?, "the two hosts differ: {:?}, {:?}", swap(ours)?, swap(peer)?);

    let over_ssh = Times::of(runs, || ssh(ours, APPLY, "Nothing to change"))?;
    let floor = Times::of(runs, || ssh(ours, "true", ""))?;
    let playbook = Times::of(runs, || ansible.replay(&[peer]))?;
    let ratio = over_ssh.faster_than(&playbook);
    Ok(vec![
        Row {
            what: format!("an apply that changes nothing, over ssh; peer: {}", ansible.version),
            ours: over_ssh.to_string(),
            peer: playbook.to_string(),
            result: format!("{ratio:.1}x"),
            target: Target::at_least(MIN_RATIO, ratio),
        },
        Row {
            what: "the floor of that: `ssh host true`".to_owned(),
            ours: floor.to_string(),
            peer: "-".to_owned(),
            result: format!(
                "{:.2}x the floor",
                over_ssh.median().as_secs_f64() / floor.median().as_secs_f64()
            ),
            target: Target::None,
        },
    ])
}

/// Runs a command on a host over a new connection; its output must contain `part`.
fn ssh(vm: &Vm, command: &str, part: &str) -> Result<Duration> {
    let mut ssh = Command::new("ssh");
    ssh.args(ssh_options()).arg("-i").arg(vm.key()).args(["-p", &vm.ssh_port().to_string()]);
    ssh.args(["root@127.0.0.1", command]).stdin(Stdio::null());
    let started = Instant::now();
    let output = ssh.output().context("cannot run ssh")?;
    let time = started.elapsed();
    let stdout = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success() && stdout.contains(part),
        "`{command}` over ssh: {}\n{stdout}",
        output.status
    );
    Ok(time)
}

/// Options that make ssh accept a lab host, whose key changes at every boot.
pub fn ssh_options() -> Vec<&'static str> {
    let options = ["BatchMode=yes", "IdentitiesOnly=yes", "StrictHostKeyChecking=no"];
    let files = ["UserKnownHostsFile=/dev/null", "LogLevel=ERROR"];
    ["-F", "none"]
        .into_iter()
        .chain(options.into_iter().chain(files).flat_map(|option| ["-o", option]))
        .collect()
}
