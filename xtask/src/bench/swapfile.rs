//! A swap file of 4 GiB, made by oomguard and by dd, on the file systems that can have one.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use oomguard_lab::{Fs, HostSpec, Lab, Release, Vm};

use super::Row;
use super::report::Target;
use super::times::Times;
use crate::{lab, tools};

const WANTED: f64 = 20.0;
const LIMIT: Duration = Duration::from_secs(600);

/// What dd users do: the file, its mode, its header, and on.
const DD: &str = "set -e; touch $d/dd.img; [ $fs != btrfs ] || chattr +C $d/dd.img; \
                  dd if=/dev/zero of=$d/dd.img bs=1M count=4096 conv=fsync status=none; \
                  chmod 600 $d/dd.img; mkswap -q $d/dd.img; swapon $d/dd.img";
const DD_UNDO: &str = "swapoff $d/dd.img; rm $d/dd.img";

/// Times both in the host, in turn.
///
/// # Errors
/// When the host does not boot, or one of them fails.
pub fn measure(binary: &Path, runs: u32) -> Result<Vec<Row>> {
    tools::need_lab()?;
    let all = [Fs::Ext4, Fs::Xfs, Fs::Btrfs];
    let mut spec = HostSpec::new(Release::Bookworm);
    for fs in all {
        spec = spec.disk(fs, 12, &format!("/{}", fs.name()));
    }
    let vm = Lab::new(lab::cache(None)?)?.boot(&spec)?;
    vm.push(binary, "/usr/local/bin/oomguard", 0o755)?;
    let mut rows = Vec::new();
    for fs in all {
        rows.extend(on(&vm, fs.name(), runs)?);
    }
    Ok(rows)
}

fn on(vm: &Vm, fs: &str, runs: u32) -> Result<[Row; 2]> {
    let dir = format!("/{fs}");
    let place = format!("d={dir}; fs={fs}; ");
    let document = format!("role: bench\nmemory_config:\n  swap: {{size: 4GB, file: {dir}/swapfile}}\n");
    vm.write("/root/bench.cspec", document.as_bytes())?;
    let mut creations = Vec::new();
    let (mut applies, mut dds) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        dds.push(timed(vm, &format!("{place}{DD}"))?);
        vm.ok(&format!("{place}{DD_UNDO}; sync"))?;
        applies.push(timed(vm, "oomguard apply --spec /root/bench.cspec --yes >/root/said")?);
        vm.ok("oomguard rollback --yes && sync")?;
        creations.push(creation(vm)?);
        vm.ok("oomguard rollback --yes && sync")?;
    }
    let times = |list: Vec<Duration>| {
        let mut list = list.into_iter();
        Times::of(runs, || list.next().context("a time is missing"))
    };
    let (creations, applies, dds) = (times(creations)?, times(applies)?, times(dds)?);
    let row = |what: String, ours: &Times, target: &dyn Fn(f64) -> Target| {
        let ratio = ours.faster_than(&dds);
        Row {
            what,
            ours: ours.to_string(),
            peer: dds.to_string(),
            result: format!("{ratio:.1}x"),
            target: target(ratio),
        }
    };
    Ok([
        row(
            format!("swap file of 4 GiB on {fs}, from nothing to switched on; peer: dd"),
            &creations,
            &|ratio| Target::at_least(WANTED, ratio),
        ),
        row(format!("the same with fstab, reload and checks: a whole `apply` on {fs}"), &applies, &|_| {
            Target::None
        }),
    ])
}

/// How long a command takes in the host, by the host's own clock.
fn timed(vm: &Vm, command: &str) -> Result<Duration> {
    let line =
        format!("a=$(date +%s%N); ({command}) >&2; code=$?; b=$(date +%s%N); echo $((b - a)); exit $code");
    let output = vm.run_for(&line, LIMIT)?;
    // 2: it is applied, and something that a person has to decide is left.
    if output.status != 0 && output.status != 2 {
        anyhow::bail!("in the host, `{command}` ended with {}: {}", output.status, output.stderr);
    }
    nanoseconds(&output.stdout)
}

/// How long an apply takes from the first step of the swap file to the end of its last: it says each as it begins.
fn creation(vm: &Vm) -> Result<Duration> {
    let line = "oomguard apply --spec /root/bench.cspec --yes | python3 -uc '
import sys, time
first = last = None
for line in sys.stdin:
    now = time.monotonic_ns()
    if line.startswith(\"[\"):
        if first is None: first = now
        elif last is None and \"swapfile\" not in line: last = now
print(last - first)'";
    nanoseconds(&vm.ok(line)?)
}

fn nanoseconds(text: &str) -> Result<Duration> {
    let number = text.trim().parse().with_context(|| format!("no number of nanoseconds: {text:?}"))?;
    Ok(Duration::from_nanos(number))
}
