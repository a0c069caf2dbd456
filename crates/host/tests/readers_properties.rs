//! What holds of the readers for any input.

use oomguard_host::ParseError;
use oomguard_host::fstab::{Fstab, swap_line};
use oomguard_host::{cpus, proc, swap_header, sysctl, unit_file};
use proptest::prelude::*;

/// Bytes near to what the readers look for, so that their branches are reached.
fn near(alphabet: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => proptest::sample::select(alphabet).prop_map(|s| s.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..4),
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn table() -> impl Strategy<Value = Vec<u8>> {
    near(&[
        "/swapfile",
        "none",
        "swap",
        "sw,nofail,pri=10",
        " ",
        " ",
        "\t",
        "0",
        "\n",
        "\n",
        "\r\n",
        "#",
        "UUID=a",
        "\\040",
        "\\",
        "\"",
        ",",
        "\0",
    ])
}

/// Errors are one line, bounded, and safe to print.
fn printable(error: &ParseError) {
    let text = error.to_string();
    assert!(error.raw.chars().count() <= 80, "{text}");
    assert!(!text.chars().any(char::is_control), "{text}");
}

fn check<T>(result: Result<T, ParseError>) {
    if let Err(error) = result {
        printable(&error);
    }
}

fn read_with_everything(bytes: &[u8]) {
    check(cpus::count(bytes));
    check(proc::meminfo::parse(bytes));
    check(proc::swaps::parse(bytes));
    check(proc::vmstat::parse(bytes));
    check(proc::memory_events::parse(bytes));
    check(proc::kmsg::parse(bytes));
    check(proc::pressure::parse(bytes));
    check(proc::stat::parse(bytes));
    check(proc::status::parse_uid(bytes));
    check(proc::oom_score_adj::parse(bytes));
    check(proc::uptime::parse(bytes));
    check(proc::mountinfo::parse(bytes));
    check(proc::cgroup::parse(bytes));
    check(swap_header::parse(bytes));
    proc::kernel_cmdline::parse(bytes);
    proc::version::kernel_release(bytes);
    sysctl::problems(bytes).iter().for_each(printable);
    unit_file::parse(bytes).problems.iter().for_each(printable);
    Fstab::parse(bytes).problems().iter().for_each(printable);
    let text = String::from_utf8_lossy(bytes);
    proc::cgroup::unit_of(&text);
    proc::cgroup::user_unit_of(&text);
    unit_file::drop_in_dirs(&text);
    check(swap_line(&text, None));
}

#[test]
fn an_error_shows_at_most_80_characters() {
    let long = ParseError::new(3, "is odd", &[b'x'; 5000]);
    assert_eq!(long.to_string(), format!("line 3: is odd: \"{}...\"", "x".repeat(77)));
    let full = ParseError::new(3, "is odd", &[b'x'; 80]);
    assert_eq!(full.raw, "x".repeat(80));
    let odd = ParseError::new(0, "is odd", b"\"\\\x1b\xff\n\xe2\x80\xae\xc3\xa4");
    assert_eq!(odd.to_string(), r#"is odd: ""\\x1b\xff\x0a\u{202e}ä""#);
}

proptest! {
    #[test]
    fn parsers_take_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        read_with_everything(&bytes);
    }

    #[test]
    fn parsers_take_almost_valid_bytes(bytes in near(&[
        "MemTotal:", "kB", "Filename", "file", "partition", "(deleted)", "some", "full", "avg10=", "total=", "(", ")", "S",
        "Uid:", "0::/", "name=systemd", "/user.slice", "/user@1000.service", ".scope", "1", "-1", " ", ":", "=", "\n", "-",
        "[Service]", "OOMScoreAdjust", "\\", "\\\n", ".", "/", "*", "[", "]", "\"", "@", "\u{202e}",
    ])) {
        read_with_everything(&bytes);
    }

    #[test]
    fn an_unedited_table_keeps_every_byte(bytes in table()) {
        prop_assert_eq!(Fstab::parse(&bytes).to_bytes(), bytes);
    }

    #[test]
    fn adding_a_line_keeps_the_others(bytes in table()) {
        let table = Fstab::parse(&bytes);
        let line = swap_line("/new", Some(3)).unwrap();
        let edited = table.with_line(line.as_bytes());
        let out = edited.to_bytes();
        prop_assert!(out.starts_with(&bytes));
        let last = [line.as_bytes(), b"\n"].concat();
        prop_assert!(out.ends_with(&last));
        let extra = out.len() - bytes.len() - line.len() - 1;
        prop_assert_eq!(extra, usize::from(!bytes.is_empty() && !bytes.ends_with(b"\n")));
        prop_assert_eq!(edited.entries().count(), table.entries().count() + 1);
        prop_assert_eq!(Fstab::parse(&out), edited);
    }

    #[test]
    fn removing_or_replacing_a_line_keeps_the_others(bytes in table(), pick in any::<usize>()) {
        let lines: Vec<&[u8]> = bytes.split_inclusive(|&b| b == b'\n').collect();
        prop_assume!(!lines.is_empty());
        let index = pick % lines.len();
        let table = Fstab::parse(&bytes);
        let (before, after) = (lines[..index].concat(), lines[index + 1..].concat());
        prop_assert_eq!(table.without_line(index + 1).to_bytes(), [before.clone(), after.clone()].concat());
        let replaced = table.with_line_replaced(index + 1, b"NEW").to_bytes();
        prop_assert!(replaced.starts_with(&before));
        prop_assert!(replaced.ends_with(&after));
        let middle = &replaced[before.len()..replaced.len() - after.len()];
        prop_assert!(middle == b"NEW" || middle == b"NEW\n" || middle == b"NEW\r\n");
        prop_assert_eq!(middle.ends_with(b"\n"), lines[index].ends_with(b"\n"));
    }

    #[test]
    fn a_swap_line_round_trips_its_path(path in "/[^\\p{Cc}]{0,40}|/[ \\t\\n\\\\a07]{0,40}", priority in proptest::option::of(0i16..)) {
        prop_assume!(!path.contains(|c| oomguard_text::is_unsafe(c) && c != '\t' && c != '\n'));
        let table = Fstab::parse(b"").with_line(swap_line(&path, priority).unwrap().as_bytes());
        let entry = table.swap_entries().next().unwrap();
        prop_assert_eq!(table.entries().count(), 1);
        prop_assert_eq!(entry.spec, path);
    }

    #[test]
    fn a_hostile_name_does_not_change_other_fields(comm in proptest::collection::vec(any::<u8>(), 0..64)) {
        let mut line = b"7 (".to_vec();
        line.extend_from_slice(&comm);
        line.extend_from_slice(b") D 3 7 9 0 -1 2097152 0 0 0 0 0 0 0 0 20 0 1 0 55 0 66 0\n");
        let stat = proc::stat::parse(&line).unwrap();
        prop_assert_eq!((stat.pid, stat.state, stat.ppid, stat.session), (7, 'D', 3, 9));
        prop_assert_eq!((stat.start_time, stat.rss_pages), (55, 66));
        prop_assert!(stat.is_kernel_thread());
        prop_assert!(!stat.comm.chars().any(char::is_control));
    }

    #[test]
    fn the_winner_is_the_last_applied_in_any_order_of_files(
        texts in proptest::collection::vec(near(&["vm.swappiness", "vm.*", "=", "=1", "=2", "\n", "-"]), 1..6),
        rotate in 0usize..6,
    ) {
        let mut files: Vec<_> = texts.into_iter().enumerate().map(|(i, bytes)| sysctl::SysctlFile {
            path: format!("/etc/sysctl.d/{i}.conf"),
            bytes,
        }).collect();
        let won = sysctl::winner(&files, "vm.swappiness");
        prop_assert_eq!(won.clone(), sysctl::all(&files, "vm.swappiness").pop());
        let count = files.len();
        files.rotate_left(rotate % count);
        prop_assert_eq!(sysctl::winner(&files, "vm/swappiness"), won);
    }
}
