//! Readers of procfs on files as kernels write them, and on what they must refuse.

use oomguard_host::proc::{
    cgroup, kernel_cmdline, meminfo, mountinfo, oom_score_adj, pressure, stat, status, swaps, uptime, version,
};

const KIB: u64 = 1024;

#[test]
fn meminfo_is_read_in_bytes() {
    let info = meminfo::parse(include_bytes!("data/meminfo")).unwrap();
    assert_eq!(info.mem_total, 65_806_504 * KIB);
    assert_eq!(info.mem_available, Some(40_110_200 * KIB));
    assert_eq!(info.cached, 37_004_120 * KIB);
    assert_eq!((info.swap_total, info.swap_free), (33_554_428 * KIB, 31_457_276 * KIB));
    assert_eq!(info.swap_cached, 20_480 * KIB);
}

#[test]
fn meminfo_before_3_14_has_no_available() {
    let text = String::from_utf8_lossy(include_bytes!("data/meminfo")).replace("MemAvailable", "Other");
    assert_eq!(meminfo::parse(text.as_bytes()).unwrap().mem_available, None);
}

#[test]
fn meminfo_errors_name_the_field() {
    let data = String::from_utf8_lossy(include_bytes!("data/meminfo")).into_owned();
    for (from, to, message) in [
        ("65806504", "many", "line 1: MemTotal is not a number: \"many\""),
        ("65806504", "-1", "line 1: MemTotal is not a number: \"-1\""),
        ("65806504", "18446744073709551615", "line 1: MemTotal is too large"),
        ("65806504 kB", "65806504", "line 1: MemTotal is not in kB"),
        ("65806504 kB", "65806504 MB", "line 1: MemTotal is not in kB"),
        ("SwapFree:", "SwapFrei:", "SwapFree is missing: \""),
    ] {
        let error = meminfo::parse(data.replacen(from, to, 1).as_bytes()).unwrap_err();
        assert!(error.to_string().starts_with(message), "{error}");
        assert!(error.raw.chars().count() <= 80, "{error}");
    }
}

#[test]
fn swaps_of_every_kind() {
    let text = b"Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n\
        /swapfile                               file\t\t16777212\t1024\t\t10\n\
        /dev/vda5                               partition\t999420\t\t0\t\t-2\n\
        /srv/swap\\040two\\134x                   file\t\t1020\t\t0\t\t-3\n\
        /old\\040(deleted)                       file\t\t1020\t\t4\t\t5\n\
        /older (deleted)                        file\t\t1020\t\t4\t\t5\n";
    let areas = swaps::parse(text).unwrap();
    let paths: Vec<_> = areas.iter().map(|a| (a.path.as_str(), a.deleted)).collect();
    assert_eq!(
        paths,
        [
            ("/swapfile", false),
            ("/dev/vda5", false),
            ("/srv/swap two\\x", false),
            ("/old", true),
            ("/older", true)
        ]
    );
    assert_eq!(areas[0].size, (16 << 30) - 4096);
    assert_eq!((areas[0].used, areas[0].priority), (1 << 20, 10));
    assert_eq!((areas[1].kind, areas[1].priority), (swaps::SwapKind::Partition, -2));
}

#[test]
fn no_swap_means_no_areas() {
    for text in [&b"Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"[..], b""] {
        assert_eq!(swaps::parse(text).unwrap(), []);
    }
}

#[test]
fn swaps_errors_name_the_column() {
    for (row, message) in [
        ("/swapfile", "line 2: the type is neither file nor partition"),
        ("/swapfile socket 1 2 3", "line 2: the type is neither file nor partition"),
        ("/swapfile file x 2 3", "line 2: the size is not a number: \"x\""),
        ("/swapfile file 1 2", "line 2: the priority is not a number"),
        (" file 1 2 3", "line 2: the path is missing"),
    ] {
        let error = swaps::parse(format!("Filename Type\n{row}\n").as_bytes()).unwrap_err();
        assert!(error.to_string().starts_with(message), "{error}");
    }
    assert_eq!(swaps::parse(b"/swapfile file 1 2 3\n").unwrap_err().line, 1);
}

#[test]
fn pressure_with_and_without_full() {
    let some = "some avg10=1.53 avg60=0.87 avg300=0.20 total=58211231\n";
    let full = "full avg10=100.00 avg60=0.10 avg300=0.00 total=18446744073709551615\n";
    let both = pressure::parse(format!("{some}{full}").as_bytes()).unwrap();
    assert_eq!(both.some.total_us, 58_211_231);
    assert!((both.some.avg10 - 1.53).abs() < 1e-9);
    assert_eq!(both.full.unwrap().total_us, u64::MAX);
    assert_eq!(pressure::parse(some.as_bytes()).unwrap().full, None);
    for bad in
        ["", full, "some avg10=NaN avg60=0 avg300=0 total=1", "some avg10=inf avg60=0 avg300=0 total=1"]
    {
        assert!(pressure::parse(bad.as_bytes()).is_err(), "{bad}");
    }
    let error = pressure::parse(b"some avg10=0.00 avg60=0.00 total=1").unwrap_err();
    assert!(error.to_string().starts_with("line 1: avg300 is not a number"), "{error}");
}

/// A stat line with a name of the process's choosing.
fn stat_line(comm: &[u8]) -> Vec<u8> {
    let tail = b") S 1 812 811 0 -1 4194560 1206 0 4 0 12 3 0 0 20 0 1 0 9042 17100800 1536 18446744073709551615 1 1 0\n";
    [b"812 (", comm, tail].concat()
}

#[test]
fn stat_with_hostile_names() {
    for (comm, shown) in [
        (&b"tmux: server"[..], "tmux: server"),
        (b"(sd-pam)", "(sd-pam)"),
        (b") Z 0 0 0 0", ") Z 0 0 0 0"),
        (b"a\nb", "a\\x0ab"),
        (b"\x1b[2J", "\\x1b[2J"),
        (b"", ""),
        (b"\xff", "\\xff"),
        (b"((((", "(((("),
    ] {
        let stat = stat::parse(&stat_line(comm)).unwrap();
        assert_eq!(stat.comm, shown);
        assert_eq!((stat.pid, stat.state, stat.ppid, stat.session), (812, 'S', 1, 811));
        assert_eq!((stat.start_time, stat.rss_pages, stat.flags), (9042, 1536, 4_194_560));
        assert!(!stat.is_kernel_thread());
    }
}

#[test]
fn kernel_threads_carry_the_flag() {
    let line = b"2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 5 0 0 0 0";
    assert!(stat::parse(line).unwrap().is_kernel_thread());
}

#[test]
fn truncated_stat_names_the_field() {
    for (line, what) in [
        (&b""[..], "the name has no parentheses"),
        (b")(", "the name has no parentheses"),
        (b"x (a) S 1", "pid is not a number"),
        (b"1 (a)", "the state is not one letter"),
        (b"1 (a) SS 1", "the state is not one letter"),
        (b"1 (a) S 1 2", "session is not a number"),
        (b"1 (a) S 1 2 3 4 5 99999999999", "flags is not a number"),
        (b"1 (a) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19", "rss is not a number"),
    ] {
        assert_eq!(stat::parse(line).unwrap_err().what, what, "{line:?}");
    }
}

#[test]
fn the_real_uid() {
    let text = b"Name:\tbash\\nUid:\t0\nUmask:\t0022\nUid:\t1000\t0\t0\t0\nGid:\t5\t5\t5\t5\n";
    assert_eq!(status::parse_uid(text).unwrap(), 1000);
    assert_eq!(status::parse_uid(b"Uid:\t4294967295\n").unwrap(), u32::MAX);
    assert!(status::parse_uid(b"Uid:\n").is_err());
    assert!(status::parse_uid(b"").is_err());
}

#[test]
fn the_score_is_checked_against_its_range() {
    for (text, score) in [("-1000\n", -1000), ("0\n", 0), ("1000", 1000)] {
        assert_eq!(oom_score_adj::parse(text.as_bytes()).unwrap(), score);
    }
    for text in ["", "\n", "-1001\n", "1001\n", "1.5", "+1", "0x1", "99999999999"] {
        assert!(oom_score_adj::parse(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn membership_on_unified_hybrid_and_version_1() {
    let unified = cgroup::parse(b"0::/system.slice/ssh.service\n").unwrap();
    assert_eq!(unified.systemd_path(), Some("/system.slice/ssh.service"));
    let old = cgroup::parse(
        b"12:cpu,cpuacct:/a:b\n4:memory:/user.slice\n1:name=systemd:/user.slice/user-0.slice/session-1.scope\n0::/x\n",
    )
    .unwrap();
    assert_eq!(old.v1[0], ("cpu,cpuacct".to_string(), "/a:b".to_string()));
    assert_eq!(old.v2.as_deref(), Some("/x"));
    assert_eq!(old.systemd_path(), Some("/user.slice/user-0.slice/session-1.scope"));
    assert_eq!(cgroup::parse(b"").unwrap().systemd_path(), None);
    for bad in ["0:/x", "x::/", "0::x", "hello"] {
        assert!(cgroup::parse(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn units_of_cgroup_paths() {
    let manager = "/user.slice/user-1000.slice/user@1000.service";
    for (path, system, user) in [
        ("/".to_string(), None, None),
        ("".to_string(), None, None),
        ("/init.scope".to_string(), Some("init.scope"), None),
        ("/system.slice".to_string(), None, None),
        ("/system.slice/ssh.service".to_string(), Some("ssh.service"), None),
        ("/system.slice/ssh.service (deleted)".to_string(), Some("ssh.service"), None),
        ("/system.slice/system-getty.slice/getty@tty1.service".to_string(), Some("getty@tty1.service"), None),
        ("/system.slice/docker.service/inner.service".to_string(), Some("docker.service"), None),
        ("/system.slice/dev-hugepages.mount".to_string(), Some("dev-hugepages.mount"), None),
        ("/user.slice/user-1000.slice/session-3.scope".to_string(), Some("session-3.scope"), None),
        (manager.to_string(), Some("user@1000.service"), None),
        (format!("{manager}/init.scope"), Some("user@1000.service"), Some("init.scope")),
        (format!("{manager}/app.slice/x.service"), Some("user@1000.service"), Some("x.service")),
        (
            format!("{manager}/app.slice/app-a.slice/run-7.scope/k.service"),
            Some("user@1000.service"),
            Some("run-7.scope"),
        ),
        ("/docker/0123456789abcdef".to_string(), None, None),
        (
            "/kubepods.slice/kubepods-burstable.slice/cri-containerd-1.scope".to_string(),
            Some("cri-containerd-1.scope"),
            None,
        ),
        ("/lxc.payload.web/system.slice/ssh.service".to_string(), None, None),
        ("/../system.slice/ssh.service".to_string(), None, None),
        ("/system.slice/a b.service".to_string(), None, None),
        ("/system.slice/_cpu.service".to_string(), Some("cpu.service"), None),
    ] {
        assert_eq!(cgroup::unit_of(&path), system, "{path}");
        assert_eq!(cgroup::user_unit_of(&path), user, "{path}");
    }
}

#[test]
fn mounts_with_escapes_options_and_empty_sources() {
    let mounts = mountinfo::parse(include_bytes!("data/mountinfo")).unwrap();
    let vm = mounts.iter().find(|m| m.id == 41).unwrap();
    assert_eq!((vm.mount_point.as_str(), vm.root.as_str(), vm.parent), ("/srv/vm images", "/@data/vm", 40));
    let empty = mounts.iter().find(|m| m.id == 52).unwrap();
    assert_eq!(
        (empty.fs_type.as_str(), empty.source.as_str(), empty.super_options.as_str()),
        ("tmpfs", "", "rw")
    );
    assert_eq!(mounts.iter().find(|m| m.id == 28).unwrap().super_options, "rw,errors=remount-ro");
    for (line, what) in [
        ("x", "the mount id is not a number"),
        ("1 0 8:1 / /", "the mount options are missing"),
        ("1 0 8:1 / / rw shared:1", "the - separator is missing"),
        ("1 0 8:1 / / rw - ext4 /dev/vda", "the file system options are missing"),
    ] {
        assert_eq!(mountinfo::parse(line.as_bytes()).unwrap_err().what, what);
    }
}

#[test]
fn the_mount_of_a_path() {
    let mounts = mountinfo::parse(include_bytes!("data/mountinfo")).unwrap();
    let id = |path: &str| mountinfo::mount_of(&mounts, path).map(|m| m.id);
    for (path, expected) in [
        ("/swapfile", Some(28)),
        ("/", Some(28)),
        ("/srv", Some(40)),
        ("/srv/vm images/a", Some(41)),
        ("/srvx", Some(28)),
        ("/mnt/a", Some(52)),
        ("/proc/1/stat", Some(23)),
        // The tmpfs on /mnt came first and the stick was mounted beside it, below: the tmpfs hides it.
        ("/mnt/usb/a", Some(52)),
        // Likewise /var over the two on /var/lib.
        ("/var/lib/x", Some(62)),
        ("relative", None),
        ("", None),
    ] {
        assert_eq!(id(path), expected, "{path}");
    }
    // Without the mount on /var the last of the two on /var/lib is seen.
    let without: Vec<_> = mounts.iter().filter(|m| m.id != 62).cloned().collect();
    assert_eq!(mountinfo::mount_of(&without, "/var/lib/x").map(|m| m.id), Some(61));
}

#[test]
fn mounts_of_a_chroot_and_of_an_incomplete_list() {
    let chroot =
        mountinfo::parse(b"5 2 0:1 / /proc rw - proc proc rw\n6 5 0:2 / /proc/sys ro - proc proc ro\n")
            .unwrap();
    assert_eq!(mountinfo::mount_of(&chroot, "/proc/sys/vm").map(|m| m.id), Some(6));
    assert_eq!(mountinfo::mount_of(&chroot, "/etc"), None);
    let flat = mountinfo::parse(b"1 0 0:1 / / rw - ext4 a rw\n9 77 0:2 / /srv rw - xfs b rw\n").unwrap();
    assert_eq!(mountinfo::mount_of(&flat, "/srv/x").map(|m| m.id), Some(9));
    let circle =
        mountinfo::parse(b"1 1 0:1 / / rw - ext4 a rw\n2 3 0:1 / / rw - a a rw\n3 2 0:1 / / rw - b b rw\n")
            .unwrap();
    assert_eq!(mountinfo::mount_of(&circle, "/x").map(|m| m.id), Some(1));
}

#[test]
fn kernel_parameters() {
    let some = |name: &str, value: &str| (name.to_string(), Some(value.to_string()));
    let line = b"BOOT_IMAGE=/boot/vmlinuz-6.1 root=UUID=1-2 ro quiet dyndbg=\"file a.c +p\" \"x=y z\" resume=/dev/vda5 a= \n";
    assert_eq!(
        kernel_cmdline::parse(line),
        [
            some("BOOT_IMAGE", "/boot/vmlinuz-6.1"),
            some("root", "UUID=1-2"),
            ("ro".to_string(), None),
            ("quiet".to_string(), None),
            some("dyndbg", "file a.c +p"),
            some("x", "y z"),
            some("resume", "/dev/vda5"),
            some("a", ""),
        ]
    );
    assert_eq!(kernel_cmdline::parse(b"\n"), []);
    assert_eq!(kernel_cmdline::parse(b"a=\"open end"), [some("a", "open end")]);
}

#[test]
fn kernel_releases() {
    for (text, release) in [
        ("6.1.0-18-amd64\n", (6, 1)),
        ("5.10.0-0.deb10.16-cloud-amd64\n", (5, 10)),
        ("6.12-rc1\n", (6, 12)),
        ("7-custom\n", (7, 0)),
        ("", (0, 0)),
        ("next", (0, 0)),
    ] {
        assert_eq!(version::kernel_release(text.as_bytes()), release, "{text}");
    }
}

#[test]
fn uptime_is_in_the_ticks_of_start_times() {
    assert_eq!(uptime::parse(b"12.34 23.45\n").unwrap(), 1234);
    assert_eq!(uptime::parse(b"350735.47 234388.90\n").unwrap(), 35_073_547);
    for text in
        ["", "12", "12.3 1.00", "12.345 1.00", "-1.00 1.00", "1.-1", "x.00", "18446744073709551615.99 1.00"]
    {
        assert!(uptime::parse(text.as_bytes()).is_err(), "{text:?}");
    }
}
