//! The recorder under real memory pressure, after kill -9 and after a power cut.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::unwrap_used)] // Helpers of tests are tests, too.

mod host;

use host::{boot, ok, run};
use oomguard_lab::{HostSpec, Release, Vm};
use serde_json::Value;

/// Grows by 8 MiB every tenth of a second, to 900 MiB, and stays there.
const EATER: &[u8] = b"import time
held = []
for _ in range(112):
    held.append(bytearray(b'x') * (8 << 20))
    time.sleep(0.1)
time.sleep(600)
";

fn recording(vm: &Vm) -> Value {
    serde_json::from_str(&ok(vm, "oomguard recorder show --format json")).expect("a recording")
}

fn last(recording: &Value) -> &Value {
    let boot = recording["boots"].as_array().unwrap().last().expect("a boot");
    boot["records"].as_array().unwrap().last().expect("a record")
}

fn uptime_us(vm: &Vm) -> f64 {
    let text = ok(vm, "cat /proc/uptime");
    text.split(' ').next().unwrap().parse::<f64>().unwrap() * 1e6
}

#[test]
fn recording_survives_a_kill_and_a_power_cut() {
    let mut vm = boot(&HostSpec::new(Release::Bookworm));
    ok(
        &vm,
        "dd if=/dev/zero of=/swap bs=1M count=256 status=none && chmod 600 /swap && mkswap -q /swap && swapon /swap",
    );
    let record = "systemd-run -q --unit rec oomguard recorder run";
    ok(&vm, record);
    vm.write("/root/eater.py", EATER).unwrap();
    ok(&vm, "systemd-run -q --unit eater python3 /root/eater.py");
    // Memory is short and swap fills, so the recorder writes four records each second.
    ok(
        &vm,
        "timeout 60 sh -c 'until [ $(grep SwapFree /proc/meminfo | tr -dc 0-9) -lt 200000 ]; do sleep 0.3; done' && sleep 3",
    );

    let killed_at = uptime_us(&vm);
    ok(&vm, "systemctl kill -s KILL rec; systemctl reset-failed rec; true");
    let seen = recording(&vm);
    let end = last(&seen);
    let age = killed_at - end["since_boot_us"].as_f64().unwrap();
    assert!(age < 2e6, "kill -9 lost {age} us");
    assert_eq!(end["pressed"], true);
    let first = &end["processes"][0];
    assert_eq!(
        (first["name"].as_str(), first["unit"].as_str()),
        (Some("python3"), Some("eater.service")),
        "{first}"
    );
    assert!(first["swap"].as_u64().unwrap() > 1 << 20, "{first}");
    assert!(end["cgroups"].to_string().contains("/system.slice/eater.service"), "{}", end["cgroups"]);
    let records = seen["boots"][0]["records"].as_array().unwrap();
    assert!(records.iter().any(|one| one["processes"][0]["growth"].as_i64().unwrap_or(0) > 4 << 20));
    let pressed: Vec<f64> = records
        .iter()
        .filter(|one| one["pressed"] == true)
        .map(|one| one["since_boot_us"].as_f64().unwrap())
        .collect();
    let span = (pressed.last().unwrap() - pressed[0]) / 1e6;
    println!("{} records under pressure in {span:.1} s", pressed.len());
    assert!(pressed.len() as f64 > span * 2.0, "{} records in {span} s", pressed.len());

    // The same file after a power cut has everything older than two seconds.
    ok(&vm, &record.replace("--unit rec", "--unit rec2"));
    ok(&vm, "sleep 5");
    let cut_at = uptime_us(&vm);
    vm.power_cut();
    vm.power_on().unwrap();
    let seen = recording(&vm);
    let end = last(&seen);
    let age = (cut_at - end["since_boot_us"].as_f64().unwrap()) / 1e6;
    println!("the power cut lost {age:.2} s");
    assert!(age < 2.0, "the power cut lost {age} s");
    assert_eq!(seen["boots"].as_array().unwrap().len(), 1);

    // A new boot is separate, and the numbering continues.
    let before = end["number"].as_u64().unwrap();
    run(&vm, "oomguard recorder run --for 1s").exits(0).says("1 record");
    let seen = recording(&vm);
    assert_eq!(seen["boots"].as_array().unwrap().len(), 2, "{}", seen["boots"][0]["id"]);
    assert_eq!(seen["boots"][1]["id"].as_str().unwrap(), vm.boot_id().unwrap());
    assert_eq!(last(&seen)["number"], before + 1);
    run(&vm, "oomguard recorder show").exits(0).says("eater.service");
    assert_eq!(ok(&vm, "stat -c '%a %s' /var/lib/oomguard/recorder").trim(), "600 15998976");
}
