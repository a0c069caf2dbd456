//! `oomguard incident` on a large log, compared with ripgrep, which only counts lines.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use wait4::Wait4;

use super::Row;
use super::report::Target;
use super::times::Times;

const REPORTS: u64 = 1000;
const MAX_RATIO: f64 = 1.5;

/// A report of a real kernel, in the format of `dmesg`.
const REPORT: &str = "crates/incident/tests/data/5.10-global-swap.dmesg.log";

/// Times `incident` and `rg -c` on the same file in the page cache.
///
/// # Errors
/// When one of them cannot be run or misses a report.
pub fn measure(root: &Path, binary: &Path, runs: u32, megabytes: u64) -> Result<Vec<Row>> {
    let log = write_log(root, megabytes)?;
    let mut peak = 0;
    let ours = Times::of(runs, || {
        let ran = run(Command::new(binary).args(["incident", "--format", "json"]).arg(&log))?;
        peak = peak.max(ran.peak);
        let found = ran.out.matches("\"by\": \"kernel\"").count() as u64;
        ensure!(found == REPORTS, "{found} of {REPORTS} kills were found");
        Ok(ran.time)
    })?;
    let peer = Times::of(runs, || {
        let ran = run(Command::new("rg").args(["-c", "Killed process"]).arg(&log))?;
        ensure!(ran.out.trim() == REPORTS.to_string(), "rg counts {}", ran.out.trim());
        Ok::<_, anyhow::Error>(ran.time)
    })?;
    fs::remove_file(&log).context("cannot remove the log")?;
    let ratio = 1.0 / ours.faster_than(&peer);
    let memory = peak as f64 / 1e6;
    Ok(vec![
        Row {
            what: format!("a log of {megabytes} MB with {REPORTS} reports; peer: `rg -c \"Killed process\"`"),
            ours: ours.to_string(),
            peer: peer.to_string(),
            result: format!("{ratio:.2}x the time"),
            target: Target::Is { words: format!("at most {MAX_RATIO}x the time"), met: ratio <= MAX_RATIO },
        },
        Row {
            what: "its peak memory (maximum resident set)".to_owned(),
            ours: format!("{memory:.1} MB"),
            peer: "-".to_owned(),
            result: format!("{memory:.1} MB"),
            target: Target::None,
        },
    ])
}

/// Writes ordinary lines with reports between them, each with its own hour and pid.
fn write_log(root: &Path, megabytes: u64) -> Result<PathBuf> {
    let report = fs::read_to_string(root.join(REPORT)).with_context(|| format!("cannot read {REPORT}"))?;
    let start = report.find("] Out of memory: Killed process ").context("the report has no kill")?;
    let pid: String =
        report.get(start + 32..).unwrap_or_default().chars().take_while(char::is_ascii_digit).collect();
    ensure!(!pid.is_empty(), "the kill has no pid");
    let path = crate::static_binary::target_dir(root)?.join("bench-incident.log");
    let mut out =
        BufWriter::new(File::create(&path).with_context(|| format!("cannot write {}", path.display()))?);
    let each = megabytes * 1_000_000 / REPORTS;
    let mut number = 0u64;
    for hour in 1..=REPORTS {
        let mut written = 0;
        while written < each {
            number += 1;
            let line = ordinary(number, hour);
            out.write_all(line.as_bytes())?;
            written += line.len() as u64;
        }
        for line in report.lines() {
            let message = line.split_once("] ").map_or(line, |(_, message)| message);
            let message = message.replace(&pid, &(100_000 + hour).to_string());
            writeln!(out, "{} lab kernel: [{}.000000] {message}", stamp(hour), hour * 3600)?;
        }
    }
    out.into_inner().context("cannot write the log")?.sync_all()?;
    Ok(path)
}

fn stamp(hour: u64) -> String {
    format!("2026-01-{:02}T{:02}:00:00+00:00", 1 + hour / 24 % 28, hour % 24)
}

/// A typical line of a server's log.
fn ordinary(number: u64, hour: u64) -> String {
    let time = stamp(hour);
    match number % 6 {
        0 => format!(
            "{time} lab sshd[{number}]: Accepted publickey for dev from 10.0.2.2 port {} ssh2\n",
            number % 60_000
        ),
        1 => format!("{time} lab systemd[1]: Started Session {number} of user dev.\n"),
        2 => format!(
            "{time} lab CRON[{number}]: (root) CMD (test -x /usr/sbin/anacron || run-parts /etc/cron.daily)\n"
        ),
        3 => format!(
            "{time} lab nginx[812]: 10.0.2.{} \"GET /item/{number} HTTP/1.1\" 200 {}\n",
            number % 250,
            number % 9999
        ),
        4 => format!(
            "{time} lab kernel: [{}.{number:06}] eth0: link is up, 1000 Mbps, full duplex\n",
            hour * 3600
        ),
        _ => format!(
            "{time} lab postgres[991]: [{number}-1] LOG:  checkpoint complete: wrote {} buffers\n",
            number % 777
        ),
    }
}

struct Ran {
    time: Duration,
    /// Bytes.
    peak: u64,
    out: String,
}

/// Runs a program. Its output goes to a file, so that reading it is not part of the measurement.
fn run(command: &mut Command) -> Result<Ran> {
    let output = tempfile::NamedTempFile::new().context("cannot make a file for the output")?;
    command.stdin(Stdio::null()).stdout(output.reopen()?).stderr(Stdio::inherit());
    let started = Instant::now();
    let mut child =
        command.spawn().with_context(|| format!("cannot run {command:?}; rg is Debian's package ripgrep"))?;
    let used = child.wait4().with_context(|| format!("cannot wait for {command:?}"))?;
    let time = started.elapsed();
    ensure!(used.status.code() == Some(0), "{command:?} exited with {:?}", used.status.code());
    Ok(Ran { time, peak: used.rusage.maxrss, out: fs::read_to_string(output.path())? })
}
