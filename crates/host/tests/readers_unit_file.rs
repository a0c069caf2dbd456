//! Unit files as systemd reads them, and the directories of their drop-ins.

use oomguard_host::unit_file::{drop_in_dirs, effective, parse};

#[test]
fn sections_keys_and_repeats() {
    let unit = parse(
        b"\xef\xbb\xbf[Unit]\nDescription = a = b \n; comment\n# comment\n\n[Service]\nExecStart=/bin/true\nOOMScoreAdjust=-100\n  OOMScoreAdjust = -900\r\n[Unit]\nAfter=x\n",
    );
    assert_eq!(unit.problems, []);
    assert_eq!(unit.last("Unit", "Description"), Some((2, "a = b".to_string())));
    assert_eq!(unit.last("Service", "OOMScoreAdjust"), Some((9, "-900".to_string())));
    assert_eq!(unit.last("Unit", "After"), Some((11, "x".to_string())));
    assert_eq!(unit.last("Unit", "OOMScoreAdjust"), None);
    assert_eq!(unit.last("Service", "oomscoreadjust"), None);
}

#[test]
fn continued_lines() {
    let unit = parse(
        b"[Service]\nExecStart=/bin/a \\\n# between\n  ; too\n  -b \\\n  -c\nPath=C:\\\\\nNext=1\nEnd=x\\",
    );
    assert_eq!(unit.last("Service", "ExecStart"), Some((2, "/bin/a    -b    -c".to_string())));
    assert_eq!(unit.last("Service", "Path"), Some((7, "C:\\\\".to_string())));
    assert_eq!(unit.last("Service", "Next"), Some((8, "1".to_string())));
    assert_eq!(unit.last("Service", "End"), Some((9, "x".to_string())));
    assert_eq!(parse(b"[S]\nA=b\\\r\nc\r\n").last("S", "A"), Some((2, "b c".to_string())));
}

#[test]
fn an_empty_assignment_resets() {
    let unit = parse(b"[Service]\nOOMScoreAdjust=-900\nOOMScoreAdjust=\n");
    assert_eq!(unit.last("Service", "OOMScoreAdjust"), None);
}

#[test]
fn ignored_lines_are_problems() {
    let unit = parse(b"Early=1\n[Service]\nno assignment\n=x\n[Broken\nA=\xff\nB=1\n");
    let problems: Vec<_> = unit.problems.iter().map(|p| (p.line, p.what.as_str())).collect();
    assert_eq!(
        problems,
        [
            (1, "outside a section"),
            (3, "not an assignment"),
            (4, "no key before ="),
            (5, "the section header has no ]"),
            (6, "not UTF-8"),
        ]
    );
}

#[test]
fn a_section_name_is_bounded() {
    let unit = parse(format!("[S]\n[{}]\nA=1\n", "x".repeat(256)).as_bytes());
    assert_eq!(unit.assignments, []);
    assert_eq!(unit.problems.iter().map(|p| p.line).collect::<Vec<_>>(), [2, 3]);
}

#[test]
fn drop_ins_override_in_order() {
    let file = |path: &str, text: &str| (path.to_string(), parse(text.as_bytes()));
    let mut files = vec![
        file("/lib/systemd/system/a.service", "[Service]\nOOMScoreAdjust=0\nOOMPolicy=stop\n"),
        file("/etc/systemd/system/a.service.d/10.conf", "[Service]\nOOMScoreAdjust=-500\n"),
        file("/etc/systemd/system/a.service.d/20.conf", "[Service]\n\nOOMScoreAdjust=-900\n"),
    ];
    let won = effective(&files, "Service", "OOMScoreAdjust").unwrap();
    assert_eq!(
        (won.path.as_str(), won.line, won.value.as_str()),
        ("/etc/systemd/system/a.service.d/20.conf", 3, "-900")
    );
    assert_eq!(effective(&files, "Service", "OOMPolicy").unwrap().path, "/lib/systemd/system/a.service");
    files.push(file("/etc/systemd/system/a.service.d/30.conf", "[Service]\nOOMScoreAdjust=\n"));
    assert_eq!(effective(&files, "Service", "OOMScoreAdjust"), None);
    assert_eq!(effective(&[], "Service", "OOMScoreAdjust"), None);
}

#[test]
fn drop_in_directories_in_order_of_precedence() {
    for (unit, dirs) in [
        ("ssh.service", &["service.d", "ssh.service.d"][..]),
        ("user@1000.service", &["service.d", "user@.service.d", "user@1000.service.d"]),
        ("user@.service", &["service.d", "user@.service.d"]),
        (
            "foo-bar-baz.service",
            &["service.d", "foo-.service.d", "foo-bar-.service.d", "foo-bar-baz.service.d"],
        ),
        (
            "foo-bar@x.service",
            &[
                "service.d",
                "foo-@.service.d",
                "foo-@x.service.d",
                "foo-.service.d",
                "foo-bar@.service.d",
                "foo-bar@x.service.d",
            ],
        ),
        (
            "a-b-c@x.service",
            &[
                "service.d",
                "a-@.service.d",
                "a-@x.service.d",
                "a-b-@.service.d",
                "a-b-@x.service.d",
                "a-.service.d",
                "a-b-.service.d",
                "a-b-c@.service.d",
                "a-b-c@x.service.d",
            ],
        ),
        ("user-1000.slice", &["slice.d", "user-.slice.d", "user-1000.slice.d"]),
        ("-.slice", &["slice.d", "-.slice.d"]),
        ("a-.service", &["service.d", "a-.service.d"]),
        ("a@b-c@d.service", &["service.d", "a@.service.d", "a@b-c@d.service.d"]),
        ("nothing", &[]),
        (".service", &[]),
        ("a/b.service", &[]),
    ] {
        assert_eq!(drop_in_dirs(unit), dirs, "{unit}");
    }
}
