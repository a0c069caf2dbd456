//! What a team lives with, on a real host: an apply, its record, and the swap that a recorded load asks for.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // Helpers of tests are tests, too.

mod host;

use std::time::{Duration, Instant};

use host::{boot, ok, run};
use oomguard_lab::{HostSpec, Release};
use serde_json::Value;

/// Takes 300 MiB, and keeps them.
const EATER: &[u8] = b"import time
held = bytearray(b'x') * (300 << 20)
time.sleep(600)
";

#[test]
fn an_apply_its_record_and_advice_from_what_was_recorded() {
    let vm = boot(&HostSpec::new(Release::Bookworm));
    run(&vm, "oomguard record --title early").exits(1).says("nothing was applied on this host yet");
    ok(&vm, "oomguard apply --yes");

    ok(&vm, "oomguard record --title 'Swap for the lab' --from journal -o /root/session.cspec");
    run(&vm, "oomguard spec check /root/session.cspec").exits(0).says("/root/session.cspec: fine");
    run(&vm, "oomguard record --title again -o /root/session.cspec").exits(1).says("never overwritten");
    let text = ok(&vm, "cat /root/session.cspec");
    for part in [
        "status: completed",
        "hosts_applied:\n    - \"lab\"",
        "vm_swappiness_before: \"60\"",
        "- \"service: oomguard-agent started\"",
        "status: operational",
        "  - /etc/fstab\n",
        "  - /swapfile\n",
        "result: \"as expected\"",
        "next_steps: []",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    // It is the policy that was applied: there is nothing to change by it.
    run(&vm, "oomguard plan --spec /root/session.cspec").exits(0).says("Nothing to change");
    run(&vm, "oomguard runbook PolicyDrift").exits(0).says("# Undoing an apply");

    // The agent records from its start on. Once it has seen the eater, the advice has, too.
    vm.write("/root/eater.py", EATER).unwrap();
    ok(&vm, "systemd-run -q --unit eater python3 /root/eater.py");
    let advice = |arguments: &str| -> Value {
        serde_json::from_str(&ok(&vm, &format!("oomguard advise {arguments} --format json"))).expect("advice")
    };
    // It was recorded while it grew, too: the advice is asked until it knows the whole of it.
    let end = Instant::now() + Duration::from_secs(300);
    let advised = loop {
        let advised = advice("--compilers 0");
        let seen = &advised["evidence"]["recorded"];
        let (peak, least) = (seen["peak"].as_u64().unwrap(), seen["least"].as_u64().unwrap());
        if peak >= least + (200 << 20) {
            break advised;
        }
        assert!(Instant::now() < end, "{seen}");
        std::thread::sleep(Duration::from_secs(1));
    };
    let seen = &advised["evidence"]["recorded"];
    assert_eq!(
        (&seen["killed"], &advised["evidence"]["cores"]),
        (&false.into(), &ok_number(&ok(&vm, "nproc")))
    );
    let swap = advised["swap"].as_u64().unwrap();
    assert!(swap > 0 && swap <= advised["evidence"]["room"].as_u64().unwrap(), "{advised}");
    // More compilers than fit: as much swap as memory or the disk allows, and how many of them fit.
    let more = advice("--compilers 8 --each 500MB");
    assert!(more["swap"].as_u64().unwrap() >= swap && !more["limited_by"].is_null(), "{more}");
    assert!(more["processes_that_fit"].as_u64().unwrap() < 8, "{more}");
    run(&vm, "oomguard advise")
        .exits(0)
        .says("the recorded peak")
        .says("The rule of thumb (0.5x to 1x of memory)");
}

fn ok_number(text: &str) -> Value {
    text.trim().parse::<u64>().expect("a number").into()
}
