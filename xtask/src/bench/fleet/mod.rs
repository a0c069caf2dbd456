//! Many hosts at once: hundreds of sshd's on loopback addresses, beside plain `ssh true`.

mod delay;
mod scene;
mod sshd;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use wait4::Wait4;

use super::Row;
use super::report::Target;
use super::times::Times;
use crate::static_binary;
use scene::{Scene, Wrong, path};
use sshd::Sshd;

/// Added to whatever goes over the network, each way.
const DELAY: Duration = Duration::from_millis(20);
const FLOOR: f64 = 2.0;
const MEMORY_MB: f64 = 200.0;
/// So many hosts go wrong in each way, of 500.
const WRONG_OF_500: usize = 50;

/// How large the scene is.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Size {
    /// How many hosts `fleet` has
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u16).range(20..=2000))]
    hosts: u16,
    /// How many of them are asked at a time
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u16).range(1..=2000))]
    forks: u16,
}

/// The part that runs in namespaces of its own; `bench fleet` starts it.
#[derive(Debug, clap::Args)]
pub struct Inside {
    binary: PathBuf,
    sshd: PathBuf,
    libraries: String,
    runs: u32,
    #[command(flatten)]
    size: Size,
}

/// Times a check of all hosts beside `ssh true` on all, and then with some of them going wrong.
///
/// # Errors
/// When the namespaces or the hosts cannot be made, or a host is lost or reported for what it is not.
pub fn measure(root: &Path, binary: &Path, runs: u32, size: Size) -> Result<Vec<Row>> {
    let dir = static_binary::target_dir(root)?.join("bench");
    let sshd = sshd::find(&dir)?;
    // No way out of this machine's loopback; no mount and no process that outlives it.
    let mut inside = Command::new("unshare");
    inside.args(["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "--"]);
    inside.arg(std::env::current_exe().context("where is xtask?")?).arg("fleet-scene");
    inside.args(["--hosts", &size.hosts.to_string(), "--forks", &size.forks.to_string(), "--"]);
    inside.arg(binary).arg(&sshd.program).arg(&sshd.libraries).arg(runs.to_string());
    let output =
        inside.stdin(Stdio::null()).stderr(Stdio::inherit()).output().context("cannot run unshare")?;
    ensure!(output.status.success(), "the hosts: {}; only root may give them a network", output.status);
    let figures: Value = serde_json::from_slice(&output.stdout).context("the hosts' figures")?;
    rows(size, &figures)
}

fn rows(size: Size, figures: &Value) -> Result<Vec<Row>> {
    let millis = |name: &str| -> Result<Times> {
        let list = figures[name].as_array().with_context(|| format!("no figures of {name}"))?;
        let mut left = list.iter().filter_map(Value::as_u64).map(Duration::from_millis);
        Times::of(u32::try_from(list.len())?, || left.next().context("a time"))
    };
    let (check, floor, wrong) = (millis("check")?, millis("floor")?, millis("wrong")?);
    let ratio = 1.0 / check.faster_than(&floor);
    let memory = figures["peak_bytes"].as_u64().context("no peak")? as f64 / 1e6;
    let (hosts, forks) = (size.hosts, size.forks);
    let at_a_time = if forks >= hosts { "all at a time".to_owned() } else { format!("{forks} at a time") };
    Ok(vec![
        Row {
            what: format!(
                "a check of {hosts} hosts, {at_a_time}, {} ms each way; peer: `ssh HOST true` on all",
                DELAY.as_millis()
            ),
            ours: check.to_string(),
            peer: floor.to_string(),
            result: format!("{ratio:.2}x the floor"),
            target: Target::Is { words: format!("under {FLOOR}x the floor"), met: ratio < FLOOR },
        },
        Row {
            what: "its peak memory (maximum resident set)".to_owned(),
            ours: format!("{memory:.1} MB"),
            peer: "-".to_owned(),
            result: format!("{memory:.1} MB"),
            target: Target::Is { words: format!("under {MEMORY_MB} MB"), met: memory < MEMORY_MB },
        },
        Row {
            what: format!(
                "the same with {} hosts each: off, wrong key, full disk, no sudo, connection cut",
                wrong_each(hosts.into())
            ),
            ours: wrong.to_string(),
            peer: "-".to_owned(),
            result: format!("{} named rightly, {} fine", figures["named"], figures["fine"]),
            target: Target::Is {
                words: "each for what it is, the rest done, exit 3".to_owned(),
                met: figures["named"] == json!(wrong_each(hosts.into()) * Wrong::ALL.len()),
            },
        },
    ])
}

fn wrong_each(hosts: usize) -> usize {
    hosts * WRONG_OF_500 / 500
}

/// Makes the hosts, measures, and gives the figures as JSON.
///
/// # Errors
/// See [`measure`].
pub fn inside(args: &Inside) -> Result<Value> {
    ensure!(std::process::id() == 1, "this is a part of `cargo xtask bench fleet`");
    let hosts = usize::from(args.size.hosts);
    eprintln!("starting {hosts} sshd's");
    let sshd = Sshd { program: args.sshd.clone(), libraries: args.libraries.clone() };
    Scene::make_room()?;
    let sshd = sshd.moved_to(Path::new(&path("sshd-files")))?;
    let mut scene = Scene::start(&sshd, hosts, DELAY)?;
    let first = scene.addresses.first().context("no host")?.to_string();
    let pushed = check(args, &["--host", &first], 0)?;
    ensure!(fine(&pushed.report) == 1, "the first host is not fine: {}", pushed.report);
    scene.spread_program(0)?;

    let mut peak = 0;
    let (mut times, mut floor) = (Vec::new(), Vec::new());
    for run in 0..args.runs {
        eprintln!("run {} of {}", run + 1, args.runs);
        floor.push(millis(ssh_true(&scene, args.size.forks)?)?);
        let checked = check(args, &["--inventory", &path("hosts")], 0)?;
        ensure!(fine(&checked.report) == hosts, "a host was lost: {} of {hosts}", fine(&checked.report));
        peak = peak.max(checked.peak);
        times.push(millis(checked.time)?);
    }

    let each = wrong_each(hosts);
    for (group, wrong) in Wrong::ALL.into_iter().enumerate() {
        for number in 0..each {
            scene.spoil(at(group, number), wrong)?;
        }
    }
    // `no-sudo` is a failure only where root is asked for.
    let spoiled = check(args, &["--sudo", "--inventory", &path("hosts")], 3)?;
    let mut named = 0;
    for (group, wrong) in Wrong::ALL.into_iter().enumerate() {
        for number in 0..each {
            let outcome = &spoiled.report["hosts"][at(group, number)]["outcome"];
            ensure!(outcome["failure"]["kind"] == wrong.kind(), "{wrong:?}, and it says {outcome}");
            named += 1;
        }
    }
    let fine = fine(&spoiled.report);
    ensure!(fine == hosts - named, "{fine} hosts are fine, of {}", hosts - named);
    Ok(json!({
        "check": times, "floor": floor, "wrong": [millis(spoiled.time)?],
        "peak_bytes": peak.max(spoiled.peak), "named": named, "fine": fine,
    }))
}

/// Which hosts go wrong: ten in a row have one of each kind, the first host of all none.
fn at(group: usize, number: usize) -> usize {
    number * 10 + 1 + group
}

fn millis(time: Duration) -> Result<u64> {
    Ok(u64::try_from(time.as_millis())?)
}

fn fine(report: &Value) -> usize {
    let hosts = report["hosts"].as_array().map(Vec::as_slice).unwrap_or_default();
    hosts.iter().filter(|host| host["outcome"]["state"] == "fine").count()
}

struct Checked {
    time: Duration,
    /// Bytes.
    peak: u64,
    report: Value,
}

fn check(args: &Inside, hosts: &[&str], code: i32) -> Result<Checked> {
    let (out, runs) = (path("report.json"), path("runs"));
    let mut command = Command::new(&args.binary);
    command.args(["check", "--format", "json", "--spec", &path("policy.cspec")]).args(hosts);
    command.args(["--ssh-config", &path("ssh_config"), "--runs", &runs]);
    command.args(["--forks", &args.size.forks.to_string()]).env("PATH", "/usr/bin:/bin");
    command.stdin(Stdio::null()).stdout(fs::File::create(&out)?).stderr(fs::File::create(path("said"))?);
    let started = Instant::now();
    let mut child = command.spawn().with_context(|| format!("cannot run {}", args.binary.display()))?;
    let used = child.wait4()?;
    let time = started.elapsed();
    let report: Value = serde_json::from_slice(&fs::read(&out)?).unwrap_or_default();
    if used.status.code() != Some(code) {
        let said = fs::read_to_string(path("said")).unwrap_or_default();
        let last: Vec<&str> = said.lines().rev().take(20).collect();
        bail!("check ended with {:?}: {}", used.status, last.join("\n"));
    }
    fs::remove_dir_all(&runs)?;
    Ok(Checked { time, peak: used.rusage.maxrss, report })
}

/// `ssh HOST true` on all, `forks` at a time: the time of all of it.
fn ssh_true(scene: &Scene, forks: u16) -> Result<Duration> {
    let next = AtomicUsize::new(0);
    let one = || -> Result<()> {
        while let Some(address) = scene.addresses.get(next.fetch_add(1, Ordering::Relaxed)) {
            let mut ssh = Command::new("ssh");
            ssh.args(["-F", &path("ssh_config"), "-o", "BatchMode=yes", &address.to_string(), "true"]);
            let output = ssh.stdin(Stdio::null()).output().context("cannot run ssh")?;
            let said = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.success(), "ssh {address} true: {} {said}", output.status);
        }
        Ok(())
    };
    let started = Instant::now();
    std::thread::scope(|scope| {
        let hands: Vec<_> = (0..forks).map(|_| scope.spawn(one)).collect();
        hands.into_iter().try_for_each(|hand| hand.join().unwrap_or_else(|_| bail!("a thread panicked")))
    })?;
    Ok(started.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_has_hosts_of_its_own() {
        for hosts in [20, 500, 2000] {
            let ways = 0..Wrong::ALL.len();
            let mut all: Vec<usize> =
                ways.flat_map(|group| (0..wrong_each(hosts)).map(move |number| at(group, number))).collect();
            all.sort_unstable();
            all.dedup();
            assert_eq!(all.len(), wrong_each(hosts) * Wrong::ALL.len());
            assert!(all.iter().all(|at| (1..hosts).contains(at)), "{all:?}");
        }
    }
}
