//! `oomguard check` on hosts of every kind.

use crate::hosts::Folder;
use crate::run::{Ran, run};
use crate::xml::elements;

const USER: &str = "/user.slice/user-1000.slice";

/// The ids of all findings with their severity.
fn ids(ran: &Ran) -> Vec<String> {
    let report = ran.json();
    let findings = report["findings"].as_array().unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    findings.iter().map(|one| format!("{} {}", text(&one["severity"]), text(&one["id"]))).collect()
}

fn json(host: &Folder) -> Ran {
    host.run(&["check", "--format", "json"])
}

/// A good host on which protection has leaked, in every way that there is.
fn leaking() -> Folder {
    let host = Folder::good();
    let process =
        |pid, parent, name: &str, score, group: &str| host.0.process(pid, parent, name, score, group);
    process(900, 801, "rustc", -800, &format!("{USER}/session-3.scope"));
    process(901, 700, "node", -900, &format!("{USER}/user@1000.service/app.slice/agent.service"));
    // Daemons protect themselves: that is declared, by them or by their unit.
    process(910, 1, "sshd", -1000, "/system.slice/ssh.service");
    process(911, 1, "systemd-udevd", -1000, "/system.slice/systemd-udevd.service");
    // What a daemon starts is not declared by anybody, and none of our business but to say so.
    process(912, 910, "helper", -1000, "/system.slice/ssh.service");
    host
}

#[test]
fn a_fresh_host() {
    Folder::fresh().run(&["check"]).exits(2).quietly().matches("check/fresh.txt");
}

#[test]
fn a_good_host() {
    let host = Folder::good();
    host.run(&["check"]).exits(0).quietly().matches("check/good.txt");
    assert_eq!(ids(&json(&host).exits(0)), [""; 0]);
}

#[test]
fn a_host_with_leaks() {
    let host = leaking();
    let ran = host.run(&["check"]).exits(2).quietly();
    assert!(!ran.out.contains("sshd") && !ran.out.contains("udevd"), "{}", ran.out);
    ran.matches("check/leaks.txt");
    assert_eq!(
        ids(&json(&host).exits(2)),
        ["critical protection-leak", "critical protection-leak", "advice undeclared-protection"]
    );
}

#[test]
fn advice_alone_is_no_difference() {
    let host = leaking();
    for pid in [900, 901] {
        host.remove(&format!("/proc/{pid}"));
    }
    host.run(&["check"]).exits(0).quietly().matches("check/advice.txt");
}

#[test]
fn one_of_everything_is_not_a_plural() {
    let host = leaking();
    host.remove("/proc/901");
    host.run(&["check"]).exits(2).prints("\n1 critical: `sudo oomguard apply` fixes it\n");
    host.0.write("/proc/sys/vm/swappiness", "60\n");
    host.run(&["check"]).exits(2).prints("\n1 critical, 1 warning: `sudo oomguard apply` fixes both\n");
    host.remove("/proc/900");
    host.run(&["check"]).exits(2).prints("\n1 warning: `sudo oomguard apply` fixes it\n");
}

#[test]
fn a_hundred_leaks_do_not_fill_the_screen() {
    let host = Folder::good();
    for pid in 1000..1100 {
        host.0.process(pid, 801, "rustc", -800, &format!("{USER}/session-3.scope"));
    }
    let ran = host.run(&["check"]).exits(2).prints(" 95 more of ");
    assert!(ran.out.lines().count() < 60, "{}", ran.out);
    assert_eq!(ids(&json(&host)).len(), 100);
}

#[test]
fn a_container() {
    let host = Folder::fresh();
    host.0.write("/run/systemd/container", "lxc\n");
    host.run(&["check"]).exits(2).quietly().matches("check/container.txt");
}

#[test]
fn cgroups_of_version_1() {
    let host = leaking();
    for entry in std::fs::read_dir(host.0.real("/proc")).unwrap() {
        let cgroup = entry.unwrap().path().join("cgroup");
        if let Ok(text) = std::fs::read_to_string(&cgroup) {
            let path = text.trim().strip_prefix("0::").unwrap().to_owned();
            let v1 = format!("12:name=systemd:{path}\n4:memory:{path}\n1:cpu,cpuacct:/\n0::{path}\n");
            std::fs::write(&cgroup, v1).unwrap();
        }
    }
    let mounts =
        "22 1 254:0 / / rw - ext4 /dev/vda rw\n30 22 0:26 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw\n";
    host.0.write("/proc/self/mountinfo", mounts);
    assert_eq!(ids(&json(&host).exits(2)).len(), 3);
}

#[test]
fn a_kernel_without_psi() {
    let host = Folder::good();
    host.remove("/proc/pressure");
    host.run(&["check"])
        .exits(0)
        .prints("the kernel has no PSI")
        .prints("\nOK: everything that could be read");
}

#[test]
fn swaps_that_cannot_be_read() {
    let host = Folder::good();
    host.make_unreadable("/proc/swaps");
    let ran = host.run(&["check"]).quietly().prints("Cannot be read:\n  /proc/swaps: ");
    assert!(!ran.out.contains("should be 32 MiB"), "nothing is guessed: {}", ran.out);
    assert_eq!(json(&host).json()["unread"][0]["what"], "/proc/swaps");
}

#[test]
fn processes_of_others_that_are_hidden() {
    let host = Folder::good();
    for pid in [1, 700, 701, 800, 801] {
        host.remove(&format!("/proc/{pid}"));
    }
    host.0.process(802, 801, "oomguard", 0, &format!("{USER}/session-3.scope"));
    host.run(&["check"]).exits(0).quietly().matches("check/hidepid.txt");
}

#[test]
fn no_proc_at_all() {
    let host = Folder::fresh();
    host.remove("/proc");
    host.run(&["check"]).exits(1).complains("/proc/meminfo");
}

#[test]
fn a_process_cannot_paint_the_terminal_or_break_the_document() {
    let host = Folder::good();
    let name = "\u{1b}[2J<&\">\u{7}";
    host.0.process(900, 801, name, -800, &format!("{USER}/session-3.scope"));
    host.0.write("/proc/sys/kernel/hostname", "we\u{1b}[31mb\n");
    for args in [&["check"][..], &["check", "--format", "junit"], &["status"], &["plan"]] {
        let ran = host.run(args);
        let control = |c: char| c.is_control() && c != '\n';
        assert!(!ran.out.contains(control) && !ran.err.contains(control), "{args:?}: {:?}", ran.out);
    }
    elements(&host.run(&["check", "--format", "junit"]).out);
}

#[test]
fn json_for_programs() {
    let report = json(&Folder::fresh()).exits(2).quietly().json();
    assert_eq!(report["schema"], "oomguard.check/1");
    assert_eq!(report["host"], "web1");
    assert_eq!(report["policy"], "built-in role workstation");
    assert_eq!(report["fine"], false);
    assert_eq!(report["findings"][0]["id"], "no-swap");
    assert_eq!(report["unread"].as_array().unwrap().len(), 0);
}

#[test]
fn junit_for_ci_systems() {
    let host = leaking();
    let document = host.run(&["check", "--format", "junit"]).exits(2).quietly().out;
    let all = elements(&document);
    let named = |name: &str| all.iter().filter(|element| element.name == name).count();
    let suite = &all[1];
    assert_eq!(suite.name, "testsuite");
    assert_eq!(suite.attribute("tests"), named("testcase").to_string());
    assert_eq!(suite.attribute("failures"), named("failure").to_string());
    assert_eq!((named("testcase"), named("failure"), named("system-out")), (3, 2, 1));

    host.remove("/proc/pressure");
    let document = host.run(&["check", "--format", "junit"]).out;
    assert_eq!(elements(&document).last().unwrap().name, "system-err");

    let fine = elements(&Folder::good().run(&["check", "--format", "junit"]).exits(0).out);
    assert_eq!(fine[1].attribute("failures"), "0");
    assert_eq!(fine[2].attribute("name"), "as the policy says");
}

#[test]
fn a_pipe_gets_whole_lines() {
    let report = Folder::fresh().run(&["check"]).out;
    for words in ["/etc/systemd/system/user@.service.d/50-oomguard.conf", "OOMScoreAdjust=-900"] {
        assert!(report.contains(words) && !report.contains("..."), "{words} in\n{report}");
    }
}

#[test]
fn every_role_and_document_of_this_repository() {
    let host = Folder::fresh();
    for role in ["workstation", "ci", "validator"] {
        host.run(&["check", "--role", role]).exits(2).prints(&format!("policy: built-in role {role}"));
    }
    for (file, roles) in [
        ("specs/ci-infrastructure.cspec", &["ci"][..]),
        ("specs/testnet-deployment-requirements.cspec", &["validator"]),
        ("specs/deployment.cspec", &["ci", "validator"]),
        ("crates/spec/tests/documents/notes.cspec", &["ci_servers", "testnet_validators", "all_servers"]),
    ] {
        for role in roles {
            let ran = host.run(&["check", "--spec", file, "--role", role]).exits(2);
            ran.prints(&format!("policy: {file}, role {role}\n"));
        }
    }
}

#[test]
fn what_to_do_next_names_the_same_policy() {
    let host = Folder::good();
    let small = tempfile::tempdir().unwrap();
    let file = small.path().join("it's small.cspec");
    std::fs::write(&file, "memory_config: {swappiness: 20}\n").unwrap();
    let file = file.to_str().unwrap();
    let ran = host.run(&["check", "--spec", file]).exits(2);
    let typed = file.replace('\'', "'\\''");
    ran.prints(&format!("`sudo oomguard apply --spec '{typed}' --role default` fixes both\n"));
}

#[test]
fn a_document_with_several_roles_asks_which() {
    let host = Folder::fresh();
    host.run(&["check", "--spec", "specs/deployment.cspec"])
        .exits(64)
        .complains("--role")
        .complains("validator");
    run(["check", "--spec", "specs/ci-infrastructure.cspec", "--role", "validator"])
        .exits(64)
        .complains("its roles are: ci");
}
