use super::*;

fn killed(text: &str) -> Killed {
    match read(text.as_bytes()) {
        Some((Record::Killed(killed), _)) => killed,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn kill_lines_of_many_kernels() {
    let now = killed(
        "Out of memory: Killed process 2811 (dnf) total-vm:771032kB, anon-rss:144864kB, file-rss:988kB, \
         shmem-rss:3kB, UID:501 pgtables:476kB oom_score_adj:-200",
    );
    assert_eq!((now.limit, now.pid, now.comm.as_deref()), (Limit::Host, 2811, Some(&b"dnf"[..])));
    assert_eq!(
        (now.total_vm_kib, now.anon_rss_kib, now.file_rss_kib),
        (Some(771_032), Some(144_864), Some(988))
    );
    assert_eq!((now.shmem_rss_kib, now.uid, now.pgtables_kib), (Some(3), Some(501), Some(476)));
    assert_eq!(now.oom_score_adj, Some(-200));

    let el6 = killed("Killed process 40738, UID 27, (mysqld) total-vm:6kB, anon-rss:5kB, file-rss:4kB");
    assert_eq!((el6.uid, el6.comm.as_deref(), el6.anon_rss_kib), (Some(27), Some(&b"mysqld"[..]), Some(5)));
    let el7 = killed(
        "Killed process 9684 (java), UID 1000, total-vm:6kB, anon-rss:5kB, file-rss:4kB, shmem-rss:0kB",
    );
    assert_eq!((el7.uid, el7.comm.as_deref(), el7.total_vm_kib), (Some(1000), Some(&b"java"[..]), Some(6)));
    let old = killed("Killed process 12 (httpd) vsz:90kB, anon-rss:80kB, file-rss:7kB");
    assert_eq!((old.total_vm_kib, old.anon_rss_kib), (Some(90), Some(80)));
    let oldest = killed("Out of Memory: Killed process 4321 (httpd).");
    assert_eq!(
        (oldest.limit, oldest.comm.as_deref(), oldest.total_vm_kib),
        (Limit::Host, Some(&b"httpd"[..]), None)
    );
    assert_eq!(killed("Memory cgroup out of memory: Killed process 1 (x) total-vm:1kB").limit, Limit::Cgroup);
}

#[test]
fn names_with_anything_in_them() {
    for name in ["((agetty)", "a) total", "in:imjournal", "GC Thread#9", "a, b", "x (y) z", ")", ""] {
        let line = format!("Killed process 7 ({name}) total-vm:1kB, anon-rss:2kB");
        assert_eq!(killed(&line).comm.as_deref(), Some(name.as_bytes()), "{line}");
    }
}

#[test]
fn what_is_cut_is_not_there() {
    let cut = killed("Out of memory: Killed process 7 (foo) total-vm:12kB, anon-rss:3");
    assert_eq!((cut.total_vm_kib, cut.anon_rss_kib), (Some(12), None));
    assert_eq!(killed("Killed process 7 (fo").comm, None);
    for text in [
        "Out of memory: Killed process 48",
        "Out of memory: Killed process 48...",
        "Killed process 48\u{2026}",
    ] {
        let read = read(text.as_bytes());
        assert!(!matches!(read, Some((Record::Killed(_), _))), "{text}: {read:?}");
    }
    let dots = killed("Killed process 48 (python3) total-vm:293428kB, anon-...");
    assert_eq!((dots.total_vm_kib, dots.anon_rss_kib), (Some(293_428), None));
}

#[test]
fn prose_about_kills_is_not_a_kill() {
    for text in [
        "I saw that it Killed process 12 (foo) yesterday",
        "Kill process 12 (foo) sharing same memory",
        "Killed process group",
        "operator asked to Kill process 12 (foo) score 3",
    ] {
        let read = read(text.as_bytes());
        assert!(!matches!(read, Some((Record::Killed(_) | Record::Selected(_), _))), "{text}: {read:?}");
    }
}
