//! The fstab editor: what is an entry agrees with libmount; what is not edited stays as it is.

use oomguard_host::fstab::{Fstab, swap_line};

const TABLE: &str = "# /etc/fstab: static file system information.\n\
    UUID=6d1e6c3c-0c1f-4c0f-9f0e-3f2504e04f89 /               ext4    errors=remount-ro 0       1\n\
    \n\
    LABEL=data\t/srv/my\\040data\text4\tdefaults,noatime\t0 2\n\
    /swapfile none swap sw,nofail,pri=10 0 0\n\
    /dev/vda5 none            swap    sw              0       0\n\
    # the last line has no newline\n\
    tmpfs /tmp tmpfs";

#[test]
fn entries_with_their_lines() {
    let table = Fstab::parse(TABLE.as_bytes());
    let all: Vec<_> = table.entries().map(|e| (e.line, e.spec, e.file, e.vfs_type)).collect();
    let row = |line: usize, a: &str, b: &str, c: &str| (line, a.to_string(), b.to_string(), c.to_string());
    assert_eq!(
        all,
        [
            row(2, "UUID=6d1e6c3c-0c1f-4c0f-9f0e-3f2504e04f89", "/", "ext4"),
            row(4, "LABEL=data", "/srv/my data", "ext4"),
            row(5, "/swapfile", "none", "swap"),
            row(6, "/dev/vda5", "none", "swap"),
            row(8, "tmpfs", "/tmp", "tmpfs"),
        ]
    );
    assert_eq!(table.problems(), []);
    assert_eq!(table.duplicates(), []);
    let swap: Vec<_> = table.swap_entries().collect();
    assert_eq!((swap[0].priority(), swap[1].priority()), (Some(10), None));
    assert!(swap[0].has_option("nofail") && swap[0].has_option("pri") && !swap[0].has_option("noauto"));
    assert_eq!(swap[0].raw, b"/swapfile none swap sw,nofail,pri=10 0 0");
}

#[test]
fn lines_are_added_replaced_and_removed() {
    let table = Fstab::parse(TABLE.as_bytes());
    let added = table.with_line(b"/swap2 none swap sw 0 0");
    assert_eq!(added.to_bytes(), format!("{TABLE}\n/swap2 none swap sw 0 0\n").into_bytes());
    assert_eq!(added.without_line(9).to_bytes(), format!("{TABLE}\n").into_bytes());
    let replaced = table.with_line_replaced(5, b"/other none swap sw 0 0\n");
    let expected = TABLE.replace("/swapfile none swap sw,nofail,pri=10 0 0", "/other none swap sw 0 0");
    assert_eq!(replaced.to_bytes(), expected.into_bytes());
    for outside in [0, 99] {
        assert_eq!(table.without_line(outside), table);
        assert_eq!(table.with_line_replaced(outside, b"x"), table);
    }
    assert_eq!(Fstab::parse(b"").with_line(b"x").to_bytes(), b"x\n");
}

#[test]
fn a_replaced_line_keeps_its_ending() {
    for (input, expected) in [("a\r\nb\r\n", "a\r\nNEW\r\n"), ("a\nb", "a\nNEW"), ("a\nb\n", "a\nNEW\n")] {
        let edited = Fstab::parse(input.as_bytes()).with_line_replaced(2, b"NEW");
        assert_eq!(edited.to_bytes(), expected.as_bytes());
    }
}

#[test]
fn lines_that_libmount_refuses_are_problems() {
    for (line, refused) in [
        ("/a none swap sw 0 0", false),
        ("/a none swap", false),
        ("/a none swap sw 0 0 7 trailing", false),
        ("/a none swap sw 0 0 # trailing", false),
        ("/a none swap sw -1 +2", false),
        ("/a none swap sw,,nofail", false),
        ("   # comment", false),
        ("", false),
        (" \t", false),
        ("/a none", true),
        ("/a", true),
        ("/a none swap sw, nofail 0 0", true),
        ("/a none swap sw # trailing", true),
        ("/a none swap sw 0 1x", true),
        ("/a none swap sw - 0", true),
        ("LABEL=\"a b\" none swap sw 0 0", true),
        ("/a none swap sw 0 0\0", true),
        ("\0\0\0\0", true),
        ("# a comment\0", true),
    ] {
        for ending in ["\n", "\r\n"] {
            let bytes = format!("{line}{ending}");
            let table = Fstab::parse(bytes.as_bytes());
            assert_eq!(!table.problems().is_empty(), refused, "{bytes:?}");
            assert_eq!(table.to_bytes(), bytes.as_bytes());
            if refused {
                assert_eq!((table.problems()[0].line, table.entries().count()), (1, 0));
            }
        }
    }
}

#[test]
fn options_are_split_as_in_libmount() {
    let options = |field: &str| {
        Fstab::parse(format!("/a none swap {field} 0 0\r\n").as_bytes()).entries().next().unwrap()
    };
    assert_eq!(options("sw\\054pri=3").priority(), Some(3));
    assert_eq!(options("context=\"a,b\",pri=4").options, ["context=\"a,b\"", "pri=4"]);
    assert_eq!(options("pri=1,pri=2").priority(), Some(2));
    assert_eq!(options("pri=high").priority(), None);
    assert_eq!(options("pri=-1").priority(), Some(-1));
    assert_eq!(options("sw,noauto").options, ["sw", "noauto"]);
}

#[test]
fn duplicate_swap_entries_are_found() {
    let table = Fstab::parse(
        b"/swapfile none swap sw 0 0\n/swapfile /mnt ext4 x 0 0\n//swapfile none swap sw,pri=3 0 0\nUUID=a none swap\nUUID=b none swap\nUUID=a none swap sw\n/swapfile none swap\n",
    );
    assert_eq!(table.duplicates(), [(1, 3), (4, 6), (1, 7)]);
}

#[test]
fn the_line_for_a_swap_file() {
    assert_eq!(swap_line("/swapfile", Some(10)).unwrap(), "/swapfile none swap sw,nofail,pri=10 0 0");
    assert_eq!(swap_line("/swapfile", None).unwrap(), "/swapfile none swap sw,nofail 0 0");
    assert_eq!(
        swap_line("/a b\t\\\n", Some(0)).unwrap(),
        "/a\\040b\\011\\134\\012 none swap sw,nofail,pri=0 0 0"
    );
    for (path, priority) in [("swapfile", None), ("", None), ("/a\0", None), ("/a\r", None), ("/a", Some(-1))]
    {
        assert!(swap_line(path, priority).is_err(), "{path:?}");
    }
}
