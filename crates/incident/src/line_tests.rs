use super::*;

const TEXT: &[u8] = b"foo invoked oom-killer: gfp_mask=0x0";

#[track_caller]
fn read(prefix: &str) -> Line<'static> {
    let raw = [prefix.as_bytes(), TEXT].concat().leak();
    let line = Line::read(raw);
    assert_eq!(String::from_utf8_lossy(&line.text), String::from_utf8_lossy(TEXT), "{prefix}");
    line
}

#[test]
fn prefixes_of_many_logs() {
    // Prefix, who, seconds since boot, wall clock.
    let table = [
        ("", Origin::Unknown, None, None),
        ("[  702.895936] ", Origin::Unknown, Some(702), None),
        ("[  702.895936][  T123] ", Origin::Unknown, Some(702), None),
        ("> [   52.835327] ", Origin::Unknown, Some(52), None),
        (
            "> > Jun 20 12:47:02 host kernel: [15180285.537297] ",
            Origin::Kernel,
            Some(15_180_285),
            Some("Jun 20 12:47:02"),
        ),
        ("Jun 20 12:47:02 host kernel: ", Origin::Kernel, None, Some("Jun 20 12:47:02")),
        ("    Jun  2 12:47:02 host kernel: ", Origin::Kernel, None, Some("Jun  2 12:47:02")),
        ("Jun 20 12:47:02 kernel: ", Origin::Kernel, None, Some("Jun 20 12:47:02")),
        ("Jun 20 12:47:02 host [123.4] ", Origin::Unknown, Some(123), Some("Jun 20 12:47:02")),
        (
            "2026-01-23T13:38:00.123456+00:00 host kernel: [ 1.5] ",
            Origin::Kernel,
            Some(1),
            Some("2026-01-23T13:38:00.123456+00:00"),
        ),
        ("2026-01-23 13:38:00 host kernel: ", Origin::Kernel, None, Some("2026-01-23 13:38:00")),
        ("2026-01-23T13:38:00+0100 host kernel[0]: ", Origin::Kernel, None, Some("2026-01-23T13:38:00+0100")),
        ("[Thu Dec  7 00:05:14 2017] ", Origin::Unknown, None, Some("Thu Dec  7 00:05:14 2017")),
        ("[四 3月 18 18:47:12 2021] ", Origin::Unknown, None, Some("四 3月 18 18:47:12 2021")),
        ("[Do, 23. Jan 2026, 13:38:00] ", Origin::Unknown, None, Some("Do, 23. Jan 2026, 13:38:00")),
        ("[12345.678901] host kernel: ", Origin::Kernel, Some(12345), None),
        ("6,30574067,3816544225424,-;", Origin::Kernel, Some(3_816_544), None),
        ("14,30574067,3816544225424,-;", Origin::Program(b""), Some(3_816_544), None),
        ("<6>[  1.250000] ", Origin::Unknown, Some(1), None),
        ("<4>1 2026-01-23T13:38:00Z host kernel: ", Origin::Kernel, None, Some("2026-01-23T13:38:00Z")),
        ("kern  :err   : [  1.5] ", Origin::Kernel, Some(1), None),
        (
            "kern: warning: [2026-01-12T20:27:31.913975631Z]: ",
            Origin::Kernel,
            None,
            Some("2026-01-12T20:27:31.913975631Z"),
        ),
        ("Jun 20 12:47:02 host logger[12]: ", Origin::Program(b"logger"), None, Some("Jun 20 12:47:02")),
        ("[  517.923918] systemd[1]: ", Origin::Program(b"systemd"), Some(517), None),
    ];
    for (prefix, origin, uptime, wall) in table {
        let line = read(prefix);
        assert_eq!(line.origin, origin, "{prefix}");
        assert_eq!(line.time.uptime_us.map(|us| us / 1_000_000), uptime, "{prefix}");
        assert_eq!(line.time.wall.map(|wall| wall.shown.text()).as_deref(), wall, "{prefix}");
        assert_eq!(line.prefixed, !prefix.trim().is_empty() && prefix.trim() != ">", "{prefix}");
    }
}

#[test]
fn kernel_messages_are_not_mistaken_for_prefixes() {
    for text in [
        "[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name",
        "[   1217]     0  1217     5121      970    86016        0             0 bash",
        "memory: usage 51200kB, limit 51200kB, failcnt 37",
        "oom_reaper: reaped process 210 (stress), now anon-rss:0kB",
        "Out of memory: Killed process 1 (x) total-vm:1kB",
        "CPU: 5 PID: 13536 Comm: x Not tainted",
        "Free swap  = 0kB",
        "Mem-Info:",
        "Node 0 DMA: 1*4kB 2*8kB = 20kB",
    ] {
        let line = Line::read(text.as_bytes());
        assert_eq!(String::from_utf8_lossy(&line.text), text);
        assert!(!line.prefixed, "{text}");
    }
}

#[test]
fn lines_nested_in_a_record_are_unwrapped() {
    assert_eq!(&*Line::read(b"a:1#012 b:2\\x0ac").text, b"a:1\n b:2\nc");
}
