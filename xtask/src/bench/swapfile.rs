//! Creating a 4 GiB swap file with oomguard and with dd, on each supported file system.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use oomguard_lab::{Fs, HostSpec, Lab, Release, Vm};

use super::Row;
use super::report::Target;
use super::times::Times;
use crate::{lab, tools};

const MIN_RATIO: f64 = 20.0;
const LIMIT: Duration = Duration::from_secs(600);

/// The usual recipe with dd: create the file, set its mode, write the header, switch it on.
const DD: &str = "set -e; touch $d/dd.img; [ $fs != btrfs ] || chattr +C $d/dd.img; \
                  dd if=/dev/zero of=$d/dd.img bs=1M count=4096 conv=fsync status=none; \
                  chmod 600 $d/dd.img; mkswap -q $d/dd.img; swapon $d/dd.img";
const DD_UNDO: &str = "swapoff $d/dd.img; rm $d/dd.img";

/// Times both on the host, alternating.
///
/// # Errors
/// When the host does not boot or a command fails.
pub fn measure(binary: &Path, runs: u32) -> Result<Vec<Row>> {
    tools::need_lab()?;
    let all = [Fs::Ext4, Fs::Xfs, Fs::Btrfs];
    let mut spec = HostSpec::new(Release::Bookworm);
    for fs in all {
        spec = spec.disk(fs, 12, &format!("/{}", fs.name()));
    }
    let vm = Lab::new(lab::cache(None)?)?.boot(&spec)?;
    super::push(&vm, binary)?;
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
        applies.push(timed(vm, "oomguard apply --spec /root/bench.cspec --yes >/root/output")?);
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
            &|ratio| Target::at_least(MIN_RATIO, ratio),
        ),
        row(format!("the same with fstab, reload and checks: a whole `apply` on {fs}"), &applies, &|_| {
            Target::None
        }),
    ])
}

/// The duration of a command on the host, by the host's clock.
fn timed(vm: &Vm, command: &str) -> Result<Duration> {
    let line =
        format!("a=$(date +%s%N); ({command}) >&2; code=$?; b=$(date +%s%N); echo $((b - a)); exit $code");
    let output = vm.run_for(&line, LIMIT)?;
    // 2: applied, but some findings need a decision.
    if output.status != 0 && output.status != 2 {
        anyhow::bail!("on the host, `{command}` exited with {}: {}", output.status, output.stderr);
    }
    nanoseconds(&output.stdout)
}

/// The duration of an apply's swap file steps. It prints each step when the step begins.
fn creation(vm: &Vm) -> Result<Duration> {
    // Python starts the apply, so that the clock runs before the first line.
    let line = "python3 -uc '
import subprocess, time
apply = [\"oomguard\", \"apply\", \"--spec\", \"/root/bench.cspec\", \"--yes\"]
first = last = None
for line in subprocess.Popen(apply, stdout=subprocess.PIPE, text=True, bufsize=1).stdout:
    now = time.monotonic_ns()
    if line.startswith(\"[\"):
        if first is None: first = now
        elif last is None and \"swapfile\" not in line: last = now
print(last - first)'";
    nanoseconds(&vm.ok(line)?)
}

fn nanoseconds(text: &str) -> Result<Duration> {
    let number = text.trim().parse().with_context(|| format!("not a number of nanoseconds: {text:?}"))?;
    Ok(Duration::from_nanos(number))
}
