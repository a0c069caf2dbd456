//! Hundreds of sshd processes on loopback addresses, compared with plain `ssh true`.

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

/// Network delay in each direction.
const DELAY: Duration = Duration::from_millis(20);
const MAX_FLOOR_RATIO: f64 = 2.0;
const MAX_MEMORY_MB: f64 = 200.0;
/// Hosts with each fault, of 500.
const FAULTY_OF_500: usize = 50;

/// The size of the scene.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Size {
    /// Number of hosts for `fleet`
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u16).range(20..=2000))]
    hosts: u16,
    /// Maximum number of concurrent hosts
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u16).range(1..=2000))]
    forks: u16,
}

/// The part that runs in its own namespaces; started by `bench fleet`.
#[derive(Debug, clap::Args)]
pub struct Inside {
    binary: PathBuf,
    sshd: PathBuf,
    libraries: String,
    runs: u32,
    #[command(flatten)]
    size: Size,
}

/// Times a check of all hosts and `ssh true` on all hosts, then a check with faulty hosts.
///
/// # Errors
/// When namespaces or hosts cannot be created, or a result is missing or wrong.
pub fn measure(root: &Path, binary: &Path, runs: u32, size: Size) -> Result<Vec<Row>> {
    let dir = static_binary::target_dir(root)?.join("bench");
    let sshd = sshd::find(&dir)?;
    // Only a loopback network; no mount or process outlives the namespaces.
    let mut inside = Command::new("unshare");
    inside.args(["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "--"]);
    inside.arg(std::env::current_exe().context("cannot find the path of xtask")?).arg("fleet-scene");
    inside.args(["--hosts", &size.hosts.to_string(), "--forks", &size.forks.to_string(), "--"]);
    inside.arg(binary).arg(&sshd.program).arg(&sshd.libraries).arg(runs.to_string());
    let output =
        inside.stdin(Stdio::null()).stderr(Stdio::inherit()).output().context("cannot run unshare")?;
    ensure!(
        output.status.success(),
        "the scene failed ({}); it needs root to create a network namespace",
        output.status
    );
    let figures: Value =
        serde_json::from_slice(&output.stdout).context("cannot parse the figures of the scene")?;
    rows(size, &figures)
}

fn rows(size: Size, figures: &Value) -> Result<Vec<Row>> {
    let millis = |name: &str| -> Result<Times> {
        let list = figures[name].as_array().with_context(|| format!("no figures for {name}"))?;
        let mut left = list.iter().filter_map(Value::as_u64).map(Duration::from_millis);
        Times::of(u32::try_from(list.len())?, || left.next().context("a time is missing"))
    };
    let (check, floor, wrong) = (millis("check")?, millis("floor")?, millis("wrong")?);
    let ratio = 1.0 / check.faster_than(&floor);
    let memory = figures["peak_bytes"].as_u64().context("no peak memory")? as f64 / 1e6;
    let (hosts, forks) = (size.hosts, size.forks);
    let at_a_time = if forks >= hosts { "all concurrent".to_owned() } else { format!("{forks} concurrent") };
    Ok(vec![
        Row {
            what: format!(
                "a check of {hosts} hosts, {at_a_time}, {} ms each way; peer: `ssh HOST true` on all",
                DELAY.as_millis()
            ),
            ours: check.to_string(),
            peer: floor.to_string(),
            result: format!("{ratio:.2}x the floor"),
            target: Target::Is {
                words: format!("under {MAX_FLOOR_RATIO}x the floor"),
                met: ratio < MAX_FLOOR_RATIO,
            },
        },
        Row {
            what: "its peak memory (maximum resident set)".to_owned(),
            ours: format!("{memory:.1} MB"),
            peer: "-".to_owned(),
            result: format!("{memory:.1} MB"),
            target: Target::Is { words: format!("under {MAX_MEMORY_MB} MB"), met: memory < MAX_MEMORY_MB },
        },
        Row {
            what: format!(
                "the same with {} hosts each: off, wrong key, full disk, no sudo, connection cut",
                faulty_each(hosts.into())
            ),
            ours: wrong.to_string(),
            peer: "-".to_owned(),
            result: format!("{} named correctly, {} fine", figures["named"], figures["fine"]),
            target: Target::Is {
                words: "each fault named, the rest checked, exit 3".to_owned(),
                met: figures["named"] == json!(faulty_each(hosts.into()) * Wrong::ALL.len()),
            },
        },
    ])
}

fn faulty_each(hosts: usize) -> usize {
    hosts * FAULTY_OF_500 / 500
}

/// Creates the hosts, measures, and returns the figures as JSON.
///
/// # Errors
/// See [`measure`].
pub fn inside(args: &Inside) -> Result<Value> {
    ensure!(std::process::id() == 1, "this command is internal to `cargo xtask bench fleet`");
    let hosts = usize::from(args.size.hosts);
    eprintln!("starting {hosts} sshd processes");
    let sshd = Sshd { program: args.sshd.clone(), libraries: args.libraries.clone() };
    Scene::create_folder()?;
    let sshd = sshd.moved_to(Path::new(&path("sshd-files")))?;
    let mut scene = Scene::start(&sshd, hosts, DELAY)?;
    let first = scene.addresses.first().context("no host")?.to_string();
    let pushed = check(args, &["--host", &first], 0)?;
    ensure!(fine(&pushed.report) == 1, "the first host failed: {}", pushed.report);
    scene.spread_program(0)?;

    let mut peak = 0;
    let (mut times, mut floor) = (Vec::new(), Vec::new());
    for run in 0..args.runs {
        eprintln!("run {} of {}", run + 1, args.runs);
        floor.push(millis(ssh_true(&scene, args.size.forks)?)?);
        let checked = check(args, &["--inventory", &path("hosts")], 0)?;
        ensure!(fine(&checked.report) == hosts, "only {} of {hosts} hosts are fine", fine(&checked.report));
        peak = peak.max(checked.peak);
        times.push(millis(checked.time)?);
    }

    let each = faulty_each(hosts);
    for (group, wrong) in Wrong::ALL.into_iter().enumerate() {
        for number in 0..each {
            scene.spoil(at(group, number), wrong)?;
        }
    }
    // `no-sudo` is a failure only if root is required.
    let spoiled = check(args, &["--sudo", "--inventory", &path("hosts")], 3)?;
    let mut named = 0;
    for (group, wrong) in Wrong::ALL.into_iter().enumerate() {
        for number in 0..each {
            let outcome = &spoiled.report["hosts"][at(group, number)]["outcome"];
            ensure!(outcome["failure"]["kind"] == wrong.kind(), "{wrong:?} was reported as {outcome}");
            named += 1;
        }
    }
    let fine = fine(&spoiled.report);
    ensure!(fine == hosts - named, "{fine} hosts are fine, expected {}", hosts - named);
    Ok(json!({
        "check": times, "floor": floor, "wrong": [millis(spoiled.time)?],
        "peak_bytes": peak.max(spoiled.peak), "named": named, "fine": fine,
    }))
}

/// The index of a faulty host: every ten hosts have one of each fault; the first host has none.
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
    command.stdin(Stdio::null()).stdout(fs::File::create(&out)?).stderr(fs::File::create(path("stderr"))?);
    let started = Instant::now();
    let mut child = command.spawn().with_context(|| format!("cannot run {}", args.binary.display()))?;
    let used = child.wait4()?;
    let time = started.elapsed();
    let report: Value = serde_json::from_slice(&fs::read(&out)?).unwrap_or_default();
    if used.status.code() != Some(code) {
        let stderr = fs::read_to_string(path("stderr")).unwrap_or_default();
        let last: Vec<&str> = stderr.lines().rev().take(20).collect();
        bail!("check exited with {:?}: {}", used.status, last.join("\n"));
    }
    fs::remove_dir_all(&runs)?;
    Ok(Checked { time, peak: used.rusage.maxrss, report })
}

/// The duration of `ssh HOST true` on all hosts, with `forks` concurrent connections.
fn ssh_true(scene: &Scene, forks: u16) -> Result<Duration> {
    let next = AtomicUsize::new(0);
    let one = || -> Result<()> {
        while let Some(address) = scene.addresses.get(next.fetch_add(1, Ordering::Relaxed)) {
            let mut ssh = Command::new("ssh");
            ssh.args(["-F", &path("ssh_config"), "-o", "BatchMode=yes", &address.to_string(), "true"]);
            let output = ssh.stdin(Stdio::null()).output().context("cannot run ssh")?;
            let stderr = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.success(), "ssh {address} true: {} {stderr}", output.status);
        }
        Ok(())
    };
    let started = Instant::now();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..forks).map(|_| scope.spawn(one)).collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().unwrap_or_else(|_| bail!("a thread panicked")))
    })?;
    Ok(started.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_has_its_own_hosts() {
        for hosts in [20, 500, 2000] {
            let ways = 0..Wrong::ALL.len();
            let mut all: Vec<usize> =
                ways.flat_map(|group| (0..faulty_each(hosts)).map(move |number| at(group, number))).collect();
            all.sort_unstable();
            all.dedup();
            assert_eq!(all.len(), faulty_each(hosts) * Wrong::ALL.len());
            assert!(all.iter().all(|at| (1..hosts).contains(at)), "{all:?}");
        }
    }
}
