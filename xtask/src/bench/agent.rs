//! The agent's memory and CPU budgets, compared with earlyoom and node_exporter on one lab host.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use oomguard_lab::{HostSpec, Lab, Release, Vm};

use super::Row;
use super::report::Target;
use super::times::Times;
use crate::{lab, static_binary, tools};

const DOCUMENT: &[u8] =
    b"role: bench\nmemory_config:\n  swap: {size: 512MB, file: /swapfile}\n  oom_protection: \
                          {systemd_user: -900, tmux_sessions: -800, load: 0}\n";
const SCRAPES: &str = include_str!("agent/scrapes.py");
const THRASH: &str = include_str!("agent/thrash.py");
/// The Debian packages of the peers, and the program in each.
const PEERS: [(&str, &str); 2] =
    [("earlyoom", "usr/bin/earlyoom"), ("prometheus-node-exporter", "usr/bin/prometheus-node-exporter")];
/// The idle period for CPU time. It contains one of the scans that the agent runs four times an hour.
const IDLE: Duration = Duration::from_secs(900);
/// How long memory is exhausted.
const THRASHING: Duration = Duration::from_secs(180);

const MAX_RESIDENT_MIB: f64 = 4.0;
const MIN_SCRAPE_RATIO: f64 = 20.0;
const MAX_ANSWER_MS: f64 = 1000.0;

/// Measures an idle period, then `minutes` of scrapes, then a period without memory.
///
/// # Errors
/// When a peer is not available, the host does not boot, or a command fails.
pub fn measure(root: &Path, binary: &Path, minutes: u64) -> Result<Vec<Row>> {
    tools::need_lab()?;
    let peers = peers(&static_binary::target_dir(root)?.join("bench/peers"))?;
    let vm = Lab::new(lab::cache(None)?)?.boot(&HostSpec::new(Release::Bookworm))?;
    super::push(&vm, binary)?;
    for peer in &peers {
        let name = peer.file_name().context("a program has no name")?.to_string_lossy();
        vm.push(peer, &format!("/usr/local/bin/{name}"), 0o755)?;
    }
    vm.write("/root/bench.cspec", DOCUMENT)?;
    vm.write("/root/scrapes.py", SCRAPES.as_bytes())?;
    vm.write("/root/thrash.py", THRASH.as_bytes())?;
    vm.ok("oomguard apply --spec /root/bench.cspec --yes")?;
    // With the options of their packages.
    vm.ok("systemd-run -q --unit earlyoom -p OOMScoreAdjust=-100 /usr/local/bin/earlyoom -r 3600")?;
    vm.ok("systemd-run -q --unit node-exporter /usr/local/bin/prometheus-node-exporter --web.listen-address=127.0.0.1:9100")?;
    sleep(Duration::from_secs(60));

    let before = [cpu_seconds(&vm, "oomguard-agent")?, cpu_seconds(&vm, "earlyoom")?];
    sleep(IDLE);
    let idle = [cpu_seconds(&vm, "oomguard-agent")? - before[0], cpu_seconds(&vm, "earlyoom")? - before[1]];
    let scraped = output_of(&vm, "scrapes.py", Duration::from_secs(minutes * 60))?;
    // earlyoom would kill the load before memory is exhausted.
    vm.ok("systemctl stop earlyoom node-exporter")?;
    let thrashed = output_of(&vm, "thrash.py", THRASHING)?;
    Ok(vec![
        resident(&scraped, minutes)?,
        idle_row(idle),
        scrapes(&scraped)?,
        answers(&thrashed)?,
        late(&thrashed)?,
        kills(&thrashed)?,
    ])
}

/// The peers' programs from Debian's packages.
fn peers(dir: &Path) -> Result<Vec<PathBuf>> {
    fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    for (package, program) in PEERS {
        if dir.join(program).exists() {
            continue;
        }
        tools::run(Command::new("apt-get").args(["download", package]).current_dir(dir))?;
        let unpack = format!("dpkg-deb -x {package}_*.deb .");
        tools::run(Command::new("sh").args(["-c", &unpack]).current_dir(dir))?;
    }
    Ok(PEERS.map(|(_, program)| dir.join(program)).to_vec())
}

/// The CPU time that a unit has used, in seconds.
fn cpu_seconds(vm: &Vm, unit: &str) -> Result<f64> {
    let used = vm.ok(&format!("systemctl show -p CPUUsageNSec --value {unit}"))?;
    Ok(used.trim().parse::<f64>().with_context(|| format!("no CPU accounting for {unit}: {used}"))? / 1e9)
}

/// The measurements of a script: lines of a topic, a name and a number.
fn output_of(vm: &Vm, script: &str, length: Duration) -> Result<Vec<(String, f64)>> {
    let seconds = length.as_secs();
    let command = format!("python3 -u /root/{script} {seconds} 2>&1");
    let output = vm.run_for(&command, length + Duration::from_secs(600))?;
    ensure!(output.status == 0, "{script} exited with {}: {}", output.status, output.stdout);
    output
        .stdout
        .lines()
        .map(|line| {
            let (key, number) =
                line.rsplit_once(' ').with_context(|| format!("unexpected output of {script}: `{line}`"))?;
            Ok((
                key.to_owned(),
                number.parse().with_context(|| format!("unexpected output of {script}: `{line}`"))?,
            ))
        })
        .collect()
}

fn numbers(measured: &[(String, f64)], key: &str) -> Result<Vec<f64>> {
    let found: Vec<f64> =
        measured.iter().filter(|(name, _)| name == key).map(|(_, number)| *number).collect();
    ensure!(!found.is_empty(), "no measurement of {key}");
    Ok(found)
}

fn times(measured: &[(String, f64)], key: &str) -> Result<Times> {
    let mut millis = numbers(measured, key)?.into_iter();
    let runs = u32::try_from(millis.len()).context("too many runs")?;
    Times::of(runs, || millis.next().map(|ms| Duration::from_secs_f64(ms / 1e3)).context("a time is missing"))
}

fn resident(measured: &[(String, f64)], minutes: u64) -> Result<Row> {
    let mib =
        |name: &str| Ok::<_, anyhow::Error>(numbers(measured, &format!("resident {name}"))?[0] / 1024.0);
    let (ours, exporter, earlyoom) = (mib("agent")?, mib("exporter")?, mib("earlyoom")?);
    Ok(Row {
        what: format!(
            "resident memory after {minutes} minutes of scrapes every 15 s; peers: node_exporter, earlyoom"
        ),
        ours: format!("{ours:.2} MiB"),
        peer: format!("{exporter:.1} MiB, {earlyoom:.1} MiB"),
        result: format!("{ours:.2} MiB"),
        target: Target::Is {
            words: format!("at most {MAX_RESIDENT_MIB} MiB"),
            met: ours <= MAX_RESIDENT_MIB,
        },
    })
}

fn idle_row([ours, peer]: [f64; 2]) -> Row {
    let minutes = IDLE.as_secs() / 60;
    Row {
        what: format!("CPU time in {minutes} idle minutes; peer: earlyoom"),
        ours: format!("{ours:.2} s"),
        peer: format!("{peer:.2} s"),
        result: format!("{:.2}x", ours / peer),
        target: Target::Is { words: "at most that of earlyoom".to_owned(), met: ours <= peer },
    }
}

fn scrapes(measured: &[(String, f64)]) -> Result<Row> {
    let (ours, peer) = (times(measured, "scrape agent")?, times(measured, "scrape exporter")?);
    let ratio = ours.faster_than(&peer);
    Ok(Row {
        what: "a scrape; peer: node_exporter".to_owned(),
        ours: ours.to_string(),
        peer: peer.to_string(),
        result: format!("{ratio:.1}x"),
        target: Target::at_least(MIN_SCRAPE_RATIO, ratio),
    })
}

fn answers(measured: &[(String, f64)]) -> Result<Row> {
    let times = times(measured, "healthz agent")?;
    let worst = numbers(measured, "healthz agent")?.into_iter().fold(0.0, f64::max);
    Ok(Row {
        what: format!("/healthz in {} s without memory, five times a second", THRASHING.as_secs()),
        ours: times.to_string(),
        peer: "-".to_owned(),
        result: format!("{worst:.0} ms at worst"),
        target: Target::Is { words: format!("at most {MAX_ANSWER_MS} ms"), met: worst <= MAX_ANSWER_MS },
    })
}

fn late(measured: &[(String, f64)]) -> Result<Row> {
    let ms = numbers(measured, "late recorder")?[0];
    Ok(Row {
        what: "from a shortage of memory to the recorder's first record at its fast rate".to_owned(),
        ours: format!("{ms:.0} ms"),
        peer: "-".to_owned(),
        result: format!("{ms:.0} ms"),
        target: Target::None,
    })
}

fn kills(measured: &[(String, f64)]) -> Result<Row> {
    let (kernel, missed) = (numbers(measured, "kills kernel")?[0], numbers(measured, "kills missed")?[0]);
    Ok(Row {
        what: "OOM kills that it did not count; peer: the kernel's count".to_owned(),
        ours: format!("{missed}"),
        peer: format!("{kernel}"),
        result: format!("{missed} missed"),
        target: Target::Is { words: "none missed".to_owned(), met: missed == 0.0 && kernel > 0.0 },
    })
}
