//! `oomguard status`: one screen.

use crate::hosts::Folder;

#[test]
fn a_fresh_host() {
    Folder::fresh().run(&["status"]).exits(0).quietly().matches("status/fresh.txt");
}

#[test]
fn a_good_host() {
    Folder::good().run(&["status"]).exits(0).quietly().matches("status/good.txt");
}

#[test]
fn a_swap_that_the_next_boot_does_not_have() {
    let host = Folder::good();
    host.0.write("/etc/fstab", "/dev/vda / ext4 defaults 0 1\n");
    host.run(&["status"]).exits(0).prints("NOT on after boot");
}

#[test]
fn what_is_not_known_is_said() {
    let host = Folder::good();
    host.remove("/proc/pressure");
    host.remove("/proc/sys/vm/swappiness");
    host.run(&["status"]).exits(0).matches("status/unknown.txt");
    host.make_unreadable("/proc/swaps");
    let screen = host.run(&["status"]).exits(0);
    assert!(!screen.out.contains("Swap\n  none"), "nobody knows that:\n{}", screen.out);
}

#[test]
fn a_leak_is_marked() {
    let host = Folder::good();
    host.0.process(900, 801, "rustc", -800, "/user.slice/user-1000.slice/session-3.scope");
    let line = host.run(&["status"]).exits(0).out;
    let line = line.lines().find(|line| line.contains("rustc")).unwrap();
    assert!(line.contains("-800") && line.contains("SHOULD BE 0 or higher"), "{line}");
}

#[test]
fn json_for_programs() {
    let screen = Folder::good().run(&["status", "--format", "json"]).exits(0).quietly().json();
    assert_eq!(screen["schema"], "oomguard.status/1");
    assert_eq!(screen["swap"][0]["path"], "/swapfile");
    assert_eq!(screen["swap"][0]["made_by"], "oomguard");
    assert_eq!(screen["swappiness"], 10);
}
