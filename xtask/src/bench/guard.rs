//! A build of 20,000 short processes in a lab host, with the agent and without it, in turn.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use oomguard_lab::{HostSpec, Lab, Release, Vm};

use super::Row;
use super::report::Target;
use super::times::Times;
use crate::{lab, tools};

/// At most so much more wall time, in percent.
const MOST: f64 = 2.0;
const DOCUMENT: &[u8] =
    b"role: bench\nmemory_config:\n  oom_protection: {systemd_user: -900, tmux_sessions: -800, load: 0}\n";
/// Each starts a program without another shell, as make(1) does with a simple command: the less there is besides, the more the
/// guard shows. In a pane of a protected tmux server.
const BUILD: &str = "#!/bin/sh\ni=0; while [ $i -lt COUNT ]; do /bin/true; i=$((i + 1)); done\n";
const REACTION: &str = include_str!("guard/reaction.py");
/// Within so long protection is off a program that was started.
const SOON: Duration = Duration::from_millis(100);
const LIMIT: Duration = Duration::from_secs(3000);

/// Times the build `runs` times each way.
///
/// # Errors
/// When the host does not boot, or something in it fails.
pub fn measure(binary: &Path, runs: u32, processes: u32) -> Result<Vec<Row>> {
    tools::need_lab()?;
    let vm = Lab::new(lab::cache(None)?)?.boot(&HostSpec::new(Release::Bookworm))?;
    vm.push(binary, "/usr/local/bin/oomguard", 0o755)?;
    vm.write("/root/bench.cspec", DOCUMENT)?;
    vm.write("/usr/local/bin/build", BUILD.replace("COUNT", &processes.to_string()).as_bytes())?;
    vm.ok("chmod 755 /usr/local/bin/build; oomguard apply --spec /root/bench.cspec --yes")?;
    let session = vm.login("dev")?;
    vm.ok_as("dev", "tmux new-session -d -s work")?;
    let (mut with, mut without) = (Vec::new(), Vec::new());
    let before = heard(&vm)?;
    for _ in 0..runs {
        vm.ok("systemctl stop oomguard-agent")?;
        without.push(build(&vm)?);
        vm.ok("systemctl start oomguard-agent; sleep 1")?;
        with.push(build(&vm)?);
    }
    let cost = heard(&vm)?;
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
            target: Target::Is { words: format!("at most {MOST} % more"), met: more <= MOST },
        },
        Row {
            what: "processor time of the agent during the last of these".to_owned(),
            ours: format!("{:.2} s", (cost - before).max(0.0)),
            peer: "-".to_owned(),
            result: "-".to_owned(),
            target: Target::None,
        },
        Row {
            what: "from the exec of a program that inherited protection to its being taken off".to_owned(),
            ours: reactions.to_string(),
            peer: "-".to_owned(),
            result: format!("{:.1} ms at worst", reactions.most().as_secs_f64() * 1e3),
            target: Target::Is {
                words: format!("at most {} ms", SOON.as_millis()),
                met: reactions.most() <= SOON,
            },
        },
    ])
}

/// How long 21 programs keep what they inherited, while the host does nothing else.
fn reactions(vm: &Vm) -> Result<Times> {
    vm.write("/root/reaction.py", REACTION.as_bytes())?;
    let said = vm.ok("python3 /root/reaction.py")?;
    let mut millis = said.lines().map(str::parse::<f64>);
    let runs = u32::try_from(said.lines().count()).context("too many lines")?;
    Times::of(runs, || {
        let ms = millis.next().context("a time is missing")?.context("no time was said")?;
        Ok(Duration::from_secs_f64(ms / 1e3))
    })
}

/// One build in the pane, timed in the host.
fn build(vm: &Vm) -> Result<Duration> {
    let start = "rm -f /tmp/took; tmux send-keys -t work 'a=$(date +%s%N); build; echo $(($(date +%s%N) - a)) > /tmp/took.new; \
                 mv /tmp/took.new /tmp/took' Enter";
    vm.ok_as("dev", start)?;
    // Looked for seldom: looking is work, too.
    let took = vm.run_for("until [ -e /tmp/took ]; do sleep 2; done; cat /tmp/took", LIMIT)?.stdout;
    Ok(Duration::from_nanos(took.trim().parse().context("the build did not say how long it took")?))
}

/// The processor time that the agent has used, in seconds.
fn heard(vm: &Vm) -> Result<f64> {
    let used = vm.ok("systemctl show -p CPUUsageNSec --value oomguard-agent")?;
    Ok(used.trim().parse::<f64>().unwrap_or(0.0) / 1e9)
}
