//! The incident that led to this project, reproduced with its names on a host that is out of memory.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // Helpers of tests are tests, too.

mod host;

use std::time::{Duration, Instant};

use host::{boot, ok, run};
use oomguard_lab::{HostSpec, Release, Vm};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(600);

/// Grows with its siblings until the user manager is killed, like a build on a host without swap.
const GROW: &str = "\
import os, sys, time
manager = sys.argv[1]
while not os.path.exists('/run/go'):
    time.sleep(0.1)
held = []
def alive():
    try:
        return open(f'/proc/{manager}/stat').read().rsplit(')', 1)[1].split()[0] not in 'ZX'
    except OSError:
        return False
while alive() and len(held) < 900:
    held.append(b'x' * (1 << 20))
    time.sleep(0.002)
time.sleep(600)
";

/// Stops the compilers as soon as the manager is killed; they would notice late because their pages are on disk. Uses only
/// shell builtins, so that it needs no memory.
const WATCH: &str = "manager=$1; shift
while read -r _ _ state _ 2>/dev/null </proc/$manager/stat; do case $state in Z | X) break ;; esac; done
kill -STOP \"$@\"
";

/// Allocates some memory and waits.
const HOLD: &str = "import sys, time\nheld = b'x' * (int(sys.argv[1]) << 20)\ntime.sleep(600)\n";

/// The programs have the names of the incident. Scores make the kernel kill the victims in order; the compilers have the
/// score that they inherited from a protected keeper.
fn crowd(vm: &Vm) -> String {
    vm.write("/srv/grow.py", GROW.as_bytes()).unwrap();
    vm.write("/srv/hold.py", HOLD.as_bytes()).unwrap();
    vm.write("/srv/watch.sh", WATCH.as_bytes()).unwrap();
    ok(
        vm,
        "mkdir -p /srv/bin && for name in rustc radicle-node dbus-daemon; do cp $(readlink -f /usr/bin/python3) /srv/bin/$name; done; \
         chmod -R a+rX /srv; systemd-run -q --unit=radicle-node -p OOMScoreAdjust=900 /srv/bin/radicle-node /srv/hold.py 24",
    );
    let manager = ok(vm, "until pgrep -o -u dev -x systemd; do sleep 0.5; done").trim().to_owned();
    let user = |unit: &str, command: &str| {
        vm.run_as(
            "dev",
            &format!("XDG_RUNTIME_DIR=/run/user/$(id -u) systemd-run --user -q --unit={unit} {command}"),
        )
        .unwrap()
    };
    assert_eq!(user("bus", "/srv/bin/dbus-daemon /srv/hold.py 16").status, 0);
    for number in 0..4 {
        assert_eq!(
            user(&format!("build-{number}"), &format!("/srv/bin/rustc /srv/grow.py {manager}")).status,
            0
        );
    }
    ok(
        vm,
        "until [ $(pgrep -c -u dev -x rustc) = 4 ] && pgrep -u dev -x dbus-daemon && pgrep -x radicle-node; do sleep 0.5; done",
    );
    ok(
        vm,
        &format!(
            "for pid in $(pgrep -u dev -x rustc); do echo -800 >/proc/$pid/oom_score_adj; done; \
             echo 700 >/proc/$(pgrep -u dev -x dbus-daemon -f /srv)/oom_score_adj 2>/dev/null || \
             echo 700 >/proc/$(pgrep -u dev -f /srv/bin/dbus-daemon)/oom_score_adj; \
             echo 500 >/proc/{manager}/oom_score_adj; \
             systemd-run -q --unit watch -p OOMScoreAdjust=-1000 sh /srv/watch.sh {manager} $(pgrep -u dev -x rustc)"
        ),
    );
    manager
}

#[test]
fn incident_explains_the_loss_of_dbus_and_the_user_manager() {
    let vm = boot(&HostSpec::new(Release::Bookworm).memory_mib(512));
    let login = vm.login("dev").unwrap();
    let manager = crowd(&vm);
    ok(&vm, "systemd-run -q --unit rec -p OOMScoreAdjust=-900 oomguard recorder run; sleep 6");
    ok(&vm, "touch /run/go");
    // Uses the console, because a host without free memory hardly answers.
    let began = Instant::now();
    let killed = |line: &str| line.contains("Killed process") && line.contains("(systemd)");
    while !vm.console().lines().any(killed) {
        assert!(began.elapsed() < LIMIT, "the user manager is not killed after {} s", LIMIT.as_secs());
        std::thread::sleep(Duration::from_millis(500));
    }
    drop(login);
    // systemd needs a moment to notice.
    ok(&vm, "sleep 5; sync");

    let json = run(&vm, "oomguard incident --boot 0 --format json").exits(0).text;
    let report: Value = serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {json}"));
    let incident = &report["incidents"][0];
    let victims: Vec<&str> =
        incident["kills"].as_array().unwrap().iter().filter_map(|kill| kill["comm"].as_str()).collect();
    assert!(victims.starts_with(&["radicle-node", "dbus-daemon", "systemd"]), "{victims:?}\n{json}");
    assert_eq!(incident["kills"][2]["pid"].to_string(), manager);

    // Cause, culprit and loss.
    assert_eq!(incident["scope"], "global");
    assert_eq!(incident["cause"], "no_swap", "{json}");
    assert_eq!(incident["also"], serde_json::json!(["burst"]), "{json}");
    assert_eq!(incident["culprit"]["program"], "rustc");
    assert_eq!((&incident["culprit"]["processes"], &incident["culprit"]["killed"]), (&4.into(), &0.into()));
    assert_eq!(incident["lost"]["user_managers"].as_array().unwrap().len(), 1, "{json}");
    let lost = incident["lost"]["what"][0].as_str().unwrap();
    assert!(lost.starts_with("systemd --user") && lost.contains("every session"), "{lost}");
    let why = incident["why"].to_string();
    assert!(why.contains("rustc held the most memory and survived: it had oom_score_adj -800"), "{why}");

    // The report includes the recording.
    let growth = &incident["growth"];
    assert_eq!((&growth["program"], &growth["processes"]), (&"rustc".into(), &4.into()), "{growth}");
    assert!(growth["to_kib"].as_u64().unwrap() > 2 * growth["from_kib"].as_u64().unwrap(), "{growth}");
    let page = run(&vm, "oomguard incident --format html").exits(0).text;
    assert!(page.contains("Before the kill") && page.contains("rustc (4 processes) grew the most"), "{page}");

    let screen = run(&vm, "oomguard incident").exits(0).text;
    assert!(screen.lines().count() <= 24, "{screen}");
    assert!(screen.contains("rustc (4 processes)") && screen.contains("no swap was configured"), "{screen}");

    // The suggested change is a policy that this host accepts.
    run(&vm, "oomguard incident --format cspec >/root/i.cspec && oomguard spec check /root/i.cspec").exits(0);
    let plan = run(&vm, "oomguard plan --spec /root/i.cspec").text;
    assert!(
        plan.contains("create the swap file /swapfile") && plan.contains("OOMScoreAdjust=-900"),
        "{plan}"
    );

    // The same from the kernel log, without the journal.
    ok(&vm, "mv /usr/bin/journalctl /usr/bin/journalctl.off");
    let json = run(&vm, "oomguard incident --format json").exits(0).text;
    let kmsg: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(kmsg["source"], "/dev/kmsg");
    let pids = |report: &Value| {
        let kills = report["incidents"][0]["kills"].as_array().unwrap().iter();
        kills.map(|kill| kill["pid"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(pids(&kmsg), pids(&report));
}
