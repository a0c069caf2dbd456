//! Which sysctl file wins: the order of sysctl.d(5), masks, wildcards, exclusions, and procps' own order.

use oomguard_host::sysctl::{SysctlFile, all, parse_file, problems, winner, winner_procps};

fn files(list: &[(&str, &str)]) -> Vec<SysctlFile> {
    list.iter()
        .map(|(path, text)| SysctlFile { path: path.to_string(), bytes: text.as_bytes().to_vec() })
        .collect()
}

/// The value and path that win for vm.swappiness.
fn swappiness(list: &[(&str, &str)]) -> Option<(String, String)> {
    winner(&files(list), "vm.swappiness").map(|s| (s.value, s.path))
}

#[test]
fn lines_of_a_file() {
    let text = b"# comment\n; comment\n\n vm.swappiness = 10 \r\n-net/ipv4/conf/enp3s0.200/forwarding=1\n-net.ipv6.x\nkernel.core_pattern=|/bin/a b=c\nbare\n=5\n";
    let read: Vec<_> =
        parse_file(text).into_iter().map(|a| (a.line, a.key, a.value, a.ignore_errors, a.exclude)).collect();
    let row = |line: usize, key: &str, value: &str, ignore, exclude| {
        (line, key.to_string(), value.to_string(), ignore, exclude)
    };
    assert_eq!(
        read,
        [
            row(4, "vm.swappiness", "10", false, false),
            row(5, "net.ipv4.conf.enp3s0/200.forwarding", "1", true, false),
            row(6, "net.ipv6.x", "", true, true),
            row(7, "kernel.core_pattern", "|/bin/a b=c", false, false),
        ]
    );
    let lines: Vec<_> = problems(text).into_iter().map(|p| (p.line, p.what)).collect();
    assert_eq!(lines, [(8, "neither KEY=VALUE nor -KEY".to_string()), (9, "no key".to_string())]);
}

#[test]
fn the_first_separator_decides() {
    for (key, normal) in [
        ("a.b.c", "a.b.c"),
        ("a/b/c", "a.b.c"),
        ("a/b.c/d", "a.b/c.d"),
        ("a.b/c.d", "a.b/c.d"),
        ("a...b...c", "a.b.c"),
        ("a///b///c", "a.b.c"),
        (".a...b", "a.b"),
        ("/a///b", "a.b"),
        ("plain", "plain"),
    ] {
        assert_eq!(parse_file(format!("{key}=1").as_bytes())[0].key, normal, "{key}");
    }
}

#[test]
fn the_base_name_decides_across_directories() {
    let won = swappiness(&[
        ("/etc/sysctl.d/10-a.conf", "vm.swappiness=1"),
        ("/usr/lib/sysctl.d/50-b.conf", "vm.swappiness=2"),
        ("/run/sysctl.d/20-c.conf", "vm.swappiness=3"),
    ]);
    assert_eq!(won, Some(("2".to_string(), "/usr/lib/sysctl.d/50-b.conf".to_string())));
}

#[test]
fn debian_12_links_sysctl_conf_in_behind_a_drop_in() {
    let list = [
        ("/etc/sysctl.d/90-swap.conf", "vm.swappiness=10"),
        ("/etc/sysctl.d/99-sysctl.conf", "vm.swappiness=60"),
    ];
    assert_eq!(swappiness(&list).unwrap().0, "60");
    assert_eq!(swappiness(&list[..1]).unwrap().0, "10");
}

#[test]
fn the_stronger_directory_masks_a_base_name() {
    let order =
        ["/lib/sysctl.d", "/usr/lib/sysctl.d", "/usr/local/lib/sysctl.d", "/run/sysctl.d", "/etc/sysctl.d"];
    for strongest in 1..=order.len() {
        let list: Vec<_> = order[..strongest]
            .iter()
            .map(|d| (format!("{d}/a.conf"), format!("vm.swappiness={d}")))
            .collect();
        let list: Vec<_> = list.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert_eq!(swappiness(&list).unwrap().0, order[strongest - 1]);
    }
    let masked = [("/usr/lib/sysctl.d/a.conf", "vm.swappiness=1"), ("/etc/sysctl.d/a.conf", "")];
    assert_eq!(swappiness(&masked), None);
    assert_eq!(swappiness(&[("/etc/sysctl.d/a.conf.dpkg-old", "vm.swappiness=1")]), None);
}

#[test]
fn the_last_assignment_of_a_file_wins() {
    let list = files(&[("/etc/sysctl.d/a.conf", "vm/swappiness=1\nvm.swappiness=2\n")]);
    let won = winner(&list, "vm/swappiness").unwrap();
    assert_eq!((won.value.as_str(), won.line), ("2", 2));
    let values: Vec<_> = all(&list, "vm.swappiness").into_iter().map(|s| s.value).collect();
    assert_eq!(values, ["1", "2"]);
}

#[test]
fn wildcards_are_weaker_and_stay_in_their_component() {
    for (text, value) in [
        ("vm.swappiness=1\nvm.*=2", Some("1")),
        ("vm.*=2\nvm.swap*=3", Some("3")),
        ("vm.sw?ppiness=4", Some("4")),
        ("vm.[a-s]wappiness=5", Some("5")),
        ("vm.[!s]wappiness=6", None),
        ("*.swappiness=7", Some("7")),
        ("*=8", None),
        ("vm.*.x=9", None),
        ("vm.[=9", None),
        ("vm.*s*s=10", Some("10")),
        ("vm.*s*x=11", None),
    ] {
        let won = swappiness(&[("/etc/sysctl.d/a.conf", text)]).map(|w| w.0);
        assert_eq!(won.as_deref(), value, "{text}");
    }
    let list = files(&[("/etc/sysctl.d/a.conf", "net.ipv4.conf.*.rp_filter=2")]);
    assert!(winner(&list, "net.ipv4.conf.eth0/100.rp_filter").is_some());
    assert!(winner(&list, "net.ipv4.conf.a.b.rp_filter").is_none());
}

#[test]
fn exclusions() {
    for (text, systemd, procps) in [
        ("-vm.swappiness\nvm.*=1", None, None),
        ("vm.*=1\n-vm.swappiness", None, None),
        ("-vm.swappiness\nvm.swappiness=2", Some("2"), Some("2")),
        ("vm.swappiness=2\n-vm.swappiness", None, Some("2")),
        ("vm.*=1\n-vm.*", None, None),
        ("-vm.*\nvm.*=1", Some("1"), None),
        ("-vm.swap*\nvm.*=1", Some("1"), None),
        ("-vm*\nvm.*=1", Some("1"), None),
        ("-vm.swappiness=3", Some("3"), Some("3")),
    ] {
        let list = files(&[("/etc/sysctl.d/a.conf", text)]);
        let value = |s: Option<oomguard_host::sysctl::Setting>| s.map(|s| s.value);
        assert_eq!(value(winner(&list, "vm.swappiness")).as_deref(), systemd, "{text}");
        assert_eq!(value(winner_procps(&list, None, "vm.swappiness")).as_deref(), procps, "{text}");
    }
}

#[test]
fn procps_reads_sysctl_conf_last() {
    let list = files(&[("/etc/sysctl.d/zz.conf", "vm.swappiness=1")]);
    let won = winner_procps(&list, Some(b"\nvm.swappiness=60"), "vm.swappiness").unwrap();
    assert_eq!((won.path.as_str(), won.line, won.value.as_str()), ("/etc/sysctl.conf", 2, "60"));
    let by_wildcard = winner_procps(&list, Some(b"vm.*=60"), "vm.swappiness").unwrap();
    assert_eq!(by_wildcard.value, "1");
    assert_eq!(winner_procps(&list, None, "vm.swappiness").unwrap().value, "1");
}
