//! A build of 20,000 short processes on a lab host, with and without the agent.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use oomguard_lab::{HostSpec, Lab, Release, Vm};

use super::Row;
use super::report::Target;
use super::times::Times;
use crate::{lab, tools};

/// Maximum additional wall time, in percent.
const MAX_PERCENT: f64 = 2.0;
const DOCUMENT: &[u8] =
    b"role: bench\nmemory_config:\n  oom_protection: {systemd_user: -900, tmux_sessions: -800, load: 0}\n";
/// Runs in a pane of a protected tmux server. Each program starts without another shell, as make(1) does with a simple
/// command, so that the guard's cost is as visible as possible.
const BUILD: &str = "#!/bin/sh\ni=0; while [ $i -lt COUNT ]; do /bin/true; i=$((i + 1)); done\n";
const REACTION: &str = include_str!("guard/reaction.py");
/// The maximum time until inherited protection is reset.
const MAX_REACTION: Duration = Duration::from_millis(100);
const LIMIT: Duration = Duration::from_secs(3000);

/// Times the build `runs` times with and without the agent.
///
/// # Errors
/// When the host does not boot or a command fails.
pub fn measure(binary: &Path, runs: u32, processes: u32) -> Result<Vec<Row>> {
    tools::need_lab()?;
    let vm = Lab::new(lab::cache(None)?)?.boot(&HostSpec::new(Release::Bookworm))?;
    super::push(&vm, binary)?;
    vm.write("/root/bench.cspec", DOCUMENT)?;
    vm.write("/usr/local/bin/build", BUILD.replace("COUNT", &processes.to_string()).as_bytes())?;
    vm.ok("chmod 755 /usr/local/bin/build; oomguard apply --spec /root/bench.cspec --yes")?;
    let session = vm.login("dev")?;
    vm.ok_as("dev", "tmux new-session -d -s work")?;
    let (mut with, mut without) = (Vec::new(), Vec::new());
    let before = agent_cpu_seconds(&vm)?;
    for _ in 0..runs {
        vm.ok("systemctl stop oomguard-agent")?;
        without.push(build(&vm)?);
        vm.ok("systemctl start oomguard-agent; sleep 1")?;
        with.push(build(&vm)?);
    }
    let cost = agent_cpu_seconds(&vm)?;
    let reactions = reactions(&vm)?;
    drop(session);
    let times = |list: Vec<Duration>| {
        let mut list = list.into_iter();
        Times::of(runs, || list.next().context("a time is missing"))
    };
    let (with, without) = (times(with)?, times(without)?);
    let more = (with.median().as_secs_f64() / without.median().as_secs_f64() - 1.0) * 100.0;
    Ok(vec![
        Row {
            what: format!("{processes} short processes in a pane; peer: the same host without the agent"),
            ours: with.to_string(),
            peer: without.to_string(),
            result: format!("{more:+.1} %"),
            target: Target::Is { words: format!("at most {MAX_PERCENT} % more"), met: more <= MAX_PERCENT },
        },
        Row {
            what: "processor time of the agent during the last of these".to_owned(),
            ours: format!("{:.2} s", (cost - before).max(0.0)),
            peer: "-".to_owned(),
            result: "-".to_owned(),
            target: Target::None,
        },
        Row {
            what: "from the exec of a program with inherited protection to the reset of its score".to_owned(),
            ours: reactions.to_string(),
            peer: "-".to_owned(),
            result: format!("{:.1} ms at worst", reactions.max().as_secs_f64() * 1e3),
            target: Target::Is {
                words: format!("at most {} ms", MAX_REACTION.as_millis()),
                met: reactions.max() <= MAX_REACTION,
            },
        },
    ])
}

/// How long 21 programs keep their inherited score on an idle host.
fn reactions(vm: &Vm) -> Result<Times> {
    vm.write("/root/reaction.py", REACTION.as_bytes())?;
    let output = vm.ok("python3 /root/reaction.py")?;
    let mut millis = output.lines().map(str::parse::<f64>);
    let runs = u32::try_from(output.lines().count()).context("too many lines")?;
    Times::of(runs, || {
        let ms = millis.next().context("a time is missing")?.context("a line is not a number")?;
        Ok(Duration::from_secs_f64(ms / 1e3))
    })
}

/// Runs one build in the pane, timed on the host.
fn build(vm: &Vm) -> Result<Duration> {
    let start = "rm -f /tmp/took; tmux send-keys -t work 'a=$(date +%s%N); build; echo $(($(date +%s%N) - a)) > /tmp/took.new; \
                 mv /tmp/took.new /tmp/took' Enter";
    vm.ok_as("dev", start)?;
    // A long interval, because polling takes CPU time too.
    let took = vm.run_for("until [ -e /tmp/took ]; do sleep 2; done; cat /tmp/took", LIMIT)?.stdout;
    Ok(Duration::from_nanos(took.trim().parse().context("the build did not report its duration")?))
}

/// The CPU time that the agent has used, in seconds.
fn agent_cpu_seconds(vm: &Vm) -> Result<f64> {
    let used = vm.ok("systemctl show -p CPUUsageNSec --value oomguard-agent")?;
    Ok(used.trim().parse::<f64>().unwrap_or(0.0) / 1e9)
}
