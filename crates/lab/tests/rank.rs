//! Compares `rank` with the kernel: its oom_score of every process and the process that it kills.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::unwrap_used)] // Helpers of tests are tests, too.

mod host;

use std::collections::BTreeMap;

use host::{boot, ok, session_with_tmux};
use oomguard_lab::{HostSpec, Release, Vm};
use serde_json::Value;

/// Grows until it is killed.
const EATER: &[u8] = b"import time
held = []
while True:
    held.append(bytearray(b'x') * (4 << 20))
    time.sleep(0.05)
";

fn ranking(vm: &Vm) -> Value {
    serde_json::from_str(&ok(vm, "oomguard rank --format json")).expect("a ranking")
}

/// What the kernel shows of every process.
fn kernel_scores(vm: &Vm) -> BTreeMap<u64, i64> {
    let text = ok(vm, "cd /proc; for p in [0-9]*; do echo $p $(cat $p/oom_score 2>/dev/null); done");
    let number = |word: Option<&str>| word.and_then(|word| word.parse::<i64>().ok());
    text.lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            Some((number(words.next())? as u64, number(words.next())?))
        })
        .collect()
}

/// Every surviving process has the kernel's position, within the change of its memory.
fn in_the_kernels_order(vm: &Vm) {
    let ranking = ranking(vm);
    let kernel = kernel_scores(vm);
    let order: Vec<(u64, i64)> = ranking["order"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rank| (rank["pid"].as_u64().unwrap(), rank["oom_score"].as_i64().unwrap()))
        .filter(|(pid, _)| kernel.contains_key(pid))
        .collect();
    assert!(order.len() > 12, "only {} processes", order.len());
    // 1 is 1.5 thousandths of all memory, by which a process may have changed between the two reads.
    let mut apart = 0;
    for (pid, ours) in &order {
        assert!((kernel[pid] - ours).abs() <= 1, "{pid}: the kernel has {}, we have {ours}", kernel[pid]);
        apart += i64::from(kernel[pid] != *ours);
    }
    println!("{} processes ranked, {apart} one off", order.len());
    assert!(apart * 4 <= order.len() as i64, "{apart} of {} are off", order.len());
    for pair in order.windows(2) {
        assert!(kernel[&pair[0].0] + 1 >= kernel[&pair[1].0], "{pair:?}");
    }
    // A process that is missing in the order is never killed (oom_score 0), or started or ended meanwhile.
    let never = ranking["never"].as_array().unwrap();
    for one in never {
        assert!(kernel.get(&one["pid"].as_u64().unwrap()).is_none_or(|score| *score == 0), "{one}");
    }
    let ranked: Vec<u64> = order.iter().map(|(pid, _)| *pid).collect();
    let missing: Vec<u64> = kernel
        .iter()
        .filter(|(pid, score)| **score > 0 && !ranked.contains(pid))
        .map(|(pid, _)| *pid)
        .collect();
    for pid in missing {
        let still = ok(vm, &format!("cat /proc/{pid}/comm 2>/dev/null; true"));
        // The processes of this connection start and end.
        assert!(
            ["", "sh", "bash", "sshd", "sshd-session", "cat"].contains(&still.trim()),
            "{pid} {still} is not ranked"
        );
    }
}

fn the_order_is_the_kernels(release: Release) {
    let vm = boot(&HostSpec::new(release));
    let session = session_with_tmux(&vm);
    // Processes with different scores, and a larger one.
    for (name, score, mib) in [("low", -500, 60), ("high", 500, 20), ("plain", 0, 120), ("never", -1000, 30)]
    {
        let program = format!("import time; held = bytearray(b\"x\") * ({mib} << 20); time.sleep(600)");
        ok(&vm, &format!("systemd-run -q --unit {name} -p OOMScoreAdjust={score} python3 -c '{program}'"));
    }
    ok(&vm, "sleep 3");
    in_the_kernels_order(&vm);

    // Without swap, the kernel kills the process that rank lists first just before memory runs out.
    ok(&vm, "systemctl stop high");
    vm.write("/root/eater.py", EATER).unwrap();
    ok(&vm, "systemd-run -q --unit eater python3 /root/eater.py");
    // A ranking is valid only if it was complete before the kill.
    let watch = "for i in $(seq 300); do oomguard rank --format json >/run/rank.new; \
                 dmesg | grep -q 'Killed process' && break; mv /run/rank.new /run/rank; done; cat /run/rank";
    let before: Value = serde_json::from_str(&ok(&vm, watch)).expect("a ranking");
    let line = ok(&vm, "dmesg | grep -m1 'Killed process'");
    let killed: u64 = line
        .split("Killed process ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next())
        .unwrap()
        .parse()
        .unwrap();
    let first = &before["order"][0];
    println!("{}: rank has {} first; {}", release.suite(), first["pid"], line.trim());
    assert_eq!(first["pid"].as_u64(), Some(killed), "{first}\n{line}");
    drop(session);
}

#[test]
fn debian_11() {
    the_order_is_the_kernels(Release::Bullseye);
}

#[test]
fn debian_12() {
    the_order_is_the_kernels(Release::Bookworm);
}

#[test]
fn debian_13() {
    the_order_is_the_kernels(Release::Trixie);
}
