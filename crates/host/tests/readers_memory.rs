//! The readers of memory: of a process, and of the whole machine's counters.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // Helpers of tests are tests, too.

use oomguard_host::proc::{cgroup, meminfo, statm, status, vmstat};
use proptest::prelude::*;

const STATUS: &[u8] = b"Name:\ttmux: server\nUmask:\t0077\nState:\tS (sleeping)\nUid:\t1000\t1000\t1000\t1000\n\
VmPeak:\t    9000 kB\nVmRSS:\t    5120 kB\nRssAnon:\t    4000 kB\nRssFile:\t    1120 kB\nRssShmem:\t       0 kB\n\
VmPTE:\t      56 kB\nVmSwap:\t     128 kB\nThreads:\t1\n";

#[test]
fn the_memory_of_a_process() {
    let memory = status::parse_memory(STATUS).unwrap().unwrap();
    assert_eq!((memory.rss, memory.swap, memory.page_tables), (5120 << 10, 128 << 10, 56 << 10));
    assert_eq!(status::parse_memory(b"Name:\tkthreadd\nUid:\t0\t0\t0\t0\n").unwrap(), None);
    let error = status::parse_memory(b"Name:\tx\nVmSwap:\tmuch kB\n").unwrap_err();
    assert_eq!((error.line, error.raw.as_str()), (2, "much"));
    assert!(status::parse_memory(b"VmRSS:\t18446744073709551615 kB\n").is_err());
}

#[test]
fn nearest_unit_prefers_user_units() {
    let manager = "/user.slice/user-1000.slice/user@1000.service";
    for (path, unit) in [
        (format!("{manager}/init.scope"), Some("user@1000.service")),
        (format!("{manager}/app.slice/agent.service"), Some("agent.service")),
        ("/system.slice/ssh.service".to_owned(), Some("ssh.service")),
        ("/".to_owned(), None),
    ] {
        assert_eq!(cgroup::nearest_unit(&path), unit, "{path}");
    }
}

#[test]
fn resident_pages() {
    assert_eq!(statm::parse_resident(b"5000 1234 800 10 0 900 0\n"), Ok(1234));
    assert_eq!(statm::parse_resident(b"0 0 0 0 0 0 0\n"), Ok(0));
    for wrong in [&b""[..], b"1", b"1 x", b"1 -2", b"\n"] {
        assert!(statm::parse_resident(wrong).is_err());
    }
}

#[test]
fn counters_and_sums_of_counters() {
    let text =
        b"nr_free_pages 9\nallocstall_dma 1\nallocstall_normal 2\npswpin 7\npswpinx 8\noom_kill x\nodd\n";
    assert_eq!(
        vmstat::counters(text, ["pswpin", "allocstall_*", "oom_kill", "pswpout"]),
        [Some(7), Some(3), None, None]
    );
}

#[test]
fn selected_lines_of_meminfo() {
    let text = b"MemTotal:  2 kB\nSlab: 3 kB\nSlab: 4 kB\nHugePages_Total: 5\nDirty: x kB\n";
    assert_eq!(
        meminfo::values(text, ["Slab", "MemTotal", "HugePages_Total", "Dirty", "Gone"]),
        [Some(3 << 10), Some(2 << 10), None, None, None]
    );
}

proptest! {
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = status::parse_memory(&bytes);
        let _ = statm::parse_resident(&bytes);
        let _ = vmstat::counters(&bytes, ["a", "a*"]);
        let _ = meminfo::values(&bytes, ["a"]);
    }

    #[test]
    fn a_changed_status_file(at in 0..STATUS.len(), byte in any::<u8>()) {
        let mut bytes = STATUS.to_vec();
        bytes[at] = byte;
        let _ = status::parse_memory(&bytes);
    }
}
