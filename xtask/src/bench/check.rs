//! `oomguard check` on this machine with a thousand extra processes.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use wait4::Wait4;

use super::Row;
use super::report::Target;
use super::times::Times;

const PROCESSES: usize = 1000;
const MAX_TIME: Duration = Duration::from_millis(30);
const MAX_MEMORY_MB: f64 = 10.0;

/// Times `check` and `ps`, which reads the same files of each process.
///
/// # Errors
/// When one of them cannot be run.
pub fn measure(binary: &Path, runs: u32) -> Result<Vec<Row>> {
    let _sleepers = Sleepers::start(PROCESSES)?;
    let mut peak = 0;
    let ours = Times::of(runs * 4, || {
        let ran = run(Command::new(binary).arg("check"), &[0, 2])?;
        peak = peak.max(ran.peak);
        Ok::<_, anyhow::Error>(ran.time)
    })?;
    let peer =
        Times::of(runs * 4, || Ok::<_, anyhow::Error>(run(Command::new("ps").arg("aux"), &[0])?.time))?;
    let memory = peak as f64 / 1e6;
    let ratio = ours.faster_than(&peer);
    let words = format!("at most {} ms", MAX_TIME.as_millis());
    Ok(vec![
        Row {
            what: format!("`check`, {PROCESSES} extra processes; peer: `ps aux`"),
            ours: ours.to_string(),
            peer: peer.to_string(),
            result: format!("{ratio:.1}x"),
            target: Target::Is { words, met: ours.median() <= MAX_TIME },
        },
        Row {
            what: "its peak memory (maximum resident set)".to_owned(),
            ours: format!("{memory:.1} MB"),
            peer: "-".to_owned(),
            result: format!("{memory:.1} MB"),
            target: Target::Is { words: format!("at most {MAX_MEMORY_MB} MB"), met: memory <= MAX_MEMORY_MB },
        },
    ])
}

struct Ran {
    time: Duration,
    /// Bytes.
    peak: u64,
}

fn run(command: &mut Command, may_exit_with: &[i32]) -> Result<Ran> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let started = Instant::now();
    let mut child = command.spawn().with_context(|| format!("cannot run {command:?}"))?;
    let used = child.wait4().with_context(|| format!("cannot wait for {command:?}"))?;
    let time = started.elapsed();
    let code = used.status.code();
    ensure!(code.is_some_and(|code| may_exit_with.contains(&code)), "{command:?} ended with {code:?}");
    Ok(Ran { time, peak: used.rusage.maxrss })
}

/// Processes that do nothing, until this is dropped.
struct Sleepers(Vec<Child>);

impl Sleepers {
    fn start(count: usize) -> Result<Self> {
        let mut sleepers = Self(Vec::with_capacity(count));
        for _ in 0..count {
            let child = Command::new("sleep").arg("600").stdin(Stdio::null()).spawn();
            sleepers.0.push(child.context("cannot run sleep")?);
        }
        Ok(sleepers)
    }
}

impl Drop for Sleepers {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
