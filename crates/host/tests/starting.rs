//! Programs that are started and not waited for.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // Helpers of tests are tests, too.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use oomguard_host::Host;
use oomguard_host::start::Started;
use tempfile::TempDir;

fn host(script: &str) -> (TempDir, Host) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("bin")).unwrap();
    let program = dir.path().join("bin/hook");
    std::fs::write(&program, format!("#!/bin/sh\ncd {}\n{script}\n", dir.path().display())).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let host = Host::folder(dir.path()).with_programs("/usr/bin:/bin");
    (dir, host)
}

fn end(started: &mut Started) -> (bool, String) {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(20) {
        if let Some(end) = started.ended().unwrap() {
            return end;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("it does not end");
}

#[test]
fn a_hook_gets_its_input_and_no_protection() {
    let (dir, host) =
        host("cat >input; cat /proc/self/oom_score_adj >score; env >environment; echo $1 >argument");
    let mut started = host.start("/bin/hook", &["one arg"], 300, b"{\"a\":1}").unwrap();
    assert!(end(&mut started).0);
    let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
    assert_eq!(read("input"), "{\"a\":1}");
    assert_eq!(read("score").trim(), "300");
    assert_eq!(read("argument").trim(), "one arg");
    assert!(!read("environment").contains("CARGO"), "{}", read("environment"));
}

#[test]
fn the_exit_status_is_reported() {
    let (_dir, host) = host("exit 3");
    // More than its standard input is ever read: it does not matter.
    let mut started = host.start("/bin/hook", &[], 0, &[b'x'; 60_000]).unwrap();
    let (well, words) = end(&mut started);
    assert!(!well && words.contains('3'), "{words}");
}

#[test]
fn drop_kills_the_process_group() {
    let (dir, host) = host("sleep 600 & echo $! >child; wait");
    let started = host.start("/bin/hook", &[], 0, b"").unwrap();
    let file = dir.path().join("child");
    let child = loop {
        match std::fs::read_to_string(&file) {
            Ok(text) if text.ends_with('\n') => break text.trim().to_owned(),
            _ => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    let dead = || {
        let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        // A zombie is dead; who reaps it is not up to us.
        stat.is_empty() || stat.contains(") Z ")
    };
    assert!(!dead());
    drop(started);
    let begun = Instant::now();
    while !dead() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{child} lives on");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn start_errors_name_the_program() {
    let (_dir, host) = host("exit 0");
    let error = host.start("/bin/other", &[], 0, b"").unwrap_err().to_string();
    assert_eq!(error, "cannot run /bin/other: not installed");
    assert!(host.start("/bin/hook", &[], 0, &vec![0; 70_000]).is_err());
    let folder = Host::folder(std::path::Path::new("/nonexistent"));
    assert!(folder.start("/bin/hook", &[], 0, b"").unwrap_err().to_string().contains("--root"));
}
