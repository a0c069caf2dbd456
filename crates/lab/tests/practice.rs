//! Everyday use on a real host: an apply, its record, advice from recorded load, drills.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // Helpers of tests are tests, too.

mod host;

use std::time::{Duration, Instant};

use host::{boot, ok, run};
use oomguard_lab::{HostSpec, Release};
use serde_json::Value;

/// Allocates 300 MiB and keeps them.
const EATER: &[u8] = b"import time
held = bytearray(b'x') * (300 << 20)
time.sleep(600)
";

#[test]
fn record_and_advice_use_recorded_data() {
    let vm = boot(&HostSpec::new(Release::Bookworm));
    run(&vm, "oomguard record --title early").exits(1).says("nothing was applied on this host yet");
    ok(&vm, "oomguard apply --yes");

    ok(&vm, "oomguard record --title 'Swap for the lab' --from history -o /root/session.cspec");
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
    // The record contains the applied policy, so its plan is empty.
    run(&vm, "oomguard plan --spec /root/session.cspec").exits(0).says("Nothing to change");
    run(&vm, "oomguard runbook PolicyDrift").exits(0).says("# Undoing an apply");

    // The agent records from its start, so the advice includes the eater once it is recorded.
    vm.write("/root/eater.py", EATER).unwrap();
    ok(&vm, "systemd-run -q --unit eater python3 /root/eater.py");
    let advice = |arguments: &str| -> Value {
        serde_json::from_str(&ok(&vm, &format!("oomguard advise {arguments} --format json"))).expect("advice")
    };
    // Repeats the advice until the eater is recorded at full size.
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
    // More compilers than fit: the advice is limited by memory or disk and says how many fit.
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

/// Runs a drill that must exit with the given code.
fn drill(vm: &oomguard_lab::Vm, arguments: &str, code: i32) -> Value {
    let said = run(vm, &format!("oomguard drill --yes --format json {arguments} 2>/root/told")).exits(code);
    // Nothing of the drill is left behind.
    run(vm, "ls -d /run/oomguard-drill-* /sys/fs/cgroup/user.slice/oomguard-drill-*").exits(2);
    serde_json::from_str(&said.text).expect("a report")
}

fn roles(report: &Value) -> Vec<&str> {
    report["killed"].as_array().unwrap().iter().map(|kill| kill["role"].as_str().unwrap()).collect()
}

fn fails(report: &Value) -> Vec<&str> {
    let tried = report["tried"].as_array().unwrap().iter();
    tried.filter(|tried| tried["good"] == false).map(|tried| tried["what"].as_str().unwrap()).collect()
}

#[test]
fn drill_proves_protection_and_detects_missing_protection() {
    let vm = boot(&HostSpec::new(Release::Bookworm));
    // The team's first attempt: tmux at -800 by hand, without a reset for its panes.
    for scene in ["compile", "leak"] {
        let report = drill(&vm, &format!("--scene {scene} --keeper-score -800"), 2);
        assert_eq!(roles(&report).first(), Some(&"bystander"), "{scene}: {report}");
        let fails = fails(&report);
        assert!(matches!(fails.as_slice(), [_, _]), "{scene}: {fails:?}");
        assert!(fails[0].contains("the bystander was killed"), "{scene}: {fails:?}");
        assert!(fails[1].contains("the load ran at -800"), "{scene}: {fails:?}");
    }
    let report = drill(&vm, "", 2);
    assert_eq!(fails(&report), ["the keeper ran at 0, and the policy says -800 (the agent does not run)"]);

    ok(&vm, "oomguard apply --yes");
    let agent = ok(&vm, "systemctl show -p MainPID --value oomguard-agent");
    // The same keeper at -800: the agent resets the score of its shell before the load begins.
    for arguments in ["", "--scene swarm --keeper-score -800", "--command 'tail /dev/zero'"] {
        let report = drill(&vm, arguments, 0);
        assert!(roles(&report).iter().all(|role| *role == "load"), "{arguments}: {report}");
        let keeper = &report["protection"]["keeper"];
        assert_eq!(
            (&keeper["name"], &keeper["score"]),
            (&"tmux: server".into(), &(-800).into()),
            "{arguments}"
        );
        assert_eq!(report["swap"]["most"], report["swap"]["before"], "the host's swap is not touched");
        let seen = report["protected"].as_array().unwrap();
        assert!(seen.iter().any(|process| process["pid"] == ok_number(&agent)), "{report}");
        assert!(seen.iter().all(|process| process["outcome"] == "lives"), "{report}");
    }
    // An interrupted drill leaves nothing behind, and only one drill can run.
    let mut long = vm.spawn("exec oomguard drill --yes --command 'sleep 500' 2>&1").unwrap();
    while !long.read_line(host::LINE).unwrap().contains("runs at -800") {}
    run(&vm, "oomguard drill --yes").exits(1).says("another drill is running: oomguard-drill-");
    ok(&vm, "pkill -INT -x oomguard");
    assert_eq!(long.wait(host::LINE), Some(1));
    run(&vm, "ls -d /run/oomguard-drill-* /sys/fs/cgroup/user.slice/oomguard-drill-*").exits(2);
}
