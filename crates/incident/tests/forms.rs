//! One report in every form that a log is saved or pasted in: the same victim, whatever is around it.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // Helpers of tests are tests, too.

use oomguard_incident::{Incident, Options, read_all};

/// A report of a real kernel, without prefixes.
fn report() -> Vec<String> {
    let text = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/data/5.10-global-swap.dmesg.log"
    ));
    // dmesg gives the later lines of one record no time.
    let message = |line: &str| line.split_once("] ").map_or(line, |(_, message)| message).to_owned();
    let lines: Vec<String> = text.unwrap().lines().map(message).collect();
    assert!(lines.len() > 50);
    lines
}

#[track_caller]
fn found(log: &str) -> Incident {
    let mut report = read_all(log.as_bytes(), "-", &Options::default()).unwrap();
    assert_eq!(report.incidents.len(), 1, "{log}");
    report.incidents.pop().unwrap()
}

#[track_caller]
fn is_whole(form: &str, log: &str) {
    let incident = found(log);
    let [kill] = incident.kills.as_slice() else { panic!("{form}: {:?}\n{log}", incident.kills) };
    assert_eq!((kill.pid, kill.comm.as_deref(), kill.uid), (Some(1036), Some("python3"), Some(0)), "{form}");
    assert_eq!((kill.oom_score_adj, kill.anon_rss_kib.is_some()), (Some(300), true), "{form}");
    assert_eq!(kill.memcg.as_deref(), Some("/system.slice/capture.service"), "{form}");
    assert_eq!(incident.triggers[0].comm.as_deref(), Some("systemd-journal"), "{form}");
    assert_eq!(incident.memory.swap_free_kib, Some(0), "{form}");
    assert_eq!(incident.culprit.unwrap().program, "python3", "{form}");
}

#[test]
fn prefixes() {
    for prefix in [
        "",
        "[  702.895936] ",
        "[  702.895936][  T123] ",
        "> [   52.835327] ",
        "Jun 20 12:47:02 host kernel: [15180285.537297] ",
        "2026-01-23T13:38:00.123456+00:00 host kernel: ",
        "[Thu Dec  7 00:05:14 2017] ",
        "[四 3月 18 18:47:12 2021] ",
        "[lun. janv. 23 13:38:00 2026] ",
        "[12345.678901] host kernel: ",
        "6,30574067,3816544225424,-;",
        "<6>[  1.250000] ",
        "kern  :info  : [  1.250000] ",
        "\x1b[32m[  702.895936] \x1b[0m",
        "    > > Jun 20 12:47:02 host kernel: ",
    ] {
        let log: String = report().iter().map(|line| format!("{prefix}{line}\n")).collect();
        is_whole(prefix, &log);
        is_whole(prefix, &log.replace('\n', "\r\n"));
    }
}

#[test]
fn json() {
    let journal = |line: &String| {
        let message = serde_json::Value::from(line.as_str());
        format!(
            "{{\"_TRANSPORT\":\"kernel\",\"__REALTIME_TIMESTAMP\":\"1769171401000000\",\"MESSAGE\":{message}}}\n"
        )
    };
    is_whole("journal", &report().iter().map(journal).collect::<String>());
    let wrapped = |line: &String| {
        let message = serde_json::Value::from(format!("Jun 20 12:47:02 host kernel: {line}"));
        format!("{{\"log\":{message}}}\n")
    };
    is_whole("wrapped", &report().iter().map(wrapped).collect::<String>());
    // The journal writes what is not all UTF-8 as an array of bytes.
    let bytes = |line: &String| {
        let message = serde_json::Value::from(line.as_bytes());
        format!("{{\"_TRANSPORT\":\"kernel\",\"MESSAGE\":{message}}}\n")
    };
    is_whole("bytes", &report().iter().map(bytes).collect::<String>());
}

#[test]
fn wrapped_lines() {
    for width in [60, 72, 79, 80, 100, 132] {
        let mut words = String::new();
        for line in report() {
            // Rows and statistics are narrow; what is long is wrapped between words, as a mail program does.
            let mut length = 0;
            let line = format!("[  702.895936] {line}");
            for word in line.split_inclusive(' ') {
                if length + word.len() > width && length > 30 {
                    words.push('\n');
                    length = 0;
                }
                words.push_str(word);
                length += word.len();
            }
            words.push('\n');
        }
        let incident = found(&words);
        let kill = &incident.kills[0];
        assert_eq!(
            (kill.pid, kill.oom_score_adj, kill.uid),
            (Some(1036), Some(300), Some(0)),
            "{width}\n{words}"
        );
        assert!(
            kill.total_vm_kib.is_some() && kill.shmem_rss_kib.is_some() && kill.pgtables_kib.is_some(),
            "{width}"
        );
        // Anywhere, as a terminal does.
        let cut: String = report()
            .iter()
            .flat_map(|line| {
                let line: Vec<char> = format!("[  702.895936] {line}").chars().collect();
                let parts: Vec<String> =
                    line.chunks(width).map(|part| part.iter().collect::<String>() + "\n").collect();
                parts
            })
            .collect();
        let kills = found(&cut).kills;
        assert_eq!(
            (kills.len(), kills[0].pid, kills[0].oom_score_adj),
            (1, Some(1036), Some(300)),
            "{width}\n{cut}"
        );
    }
}

#[test]
fn lost_records_are_counted() {
    let log: String = report()
        .iter()
        .enumerate()
        .filter(|(number, _)| !(10..24).contains(number))
        .map(|(number, line)| format!("6,{},{number},-;{line}\n", 500 + number))
        .collect();
    let report = read_all(log.as_bytes(), "-", &Options::default()).unwrap();
    assert_eq!((report.lost_records, report.incidents.len()), (14, 1));
}

#[test]
fn a_lost_kill_line_is_made_up_by_the_summary() {
    let log: String = report()
        .iter()
        .filter(|line| !line.contains("Killed process"))
        .map(|line| format!("{line}\n"))
        .collect();
    let incident = found(&log);
    let kill = &incident.kills[0];
    assert_eq!((kill.pid, kill.comm.as_deref(), kill.total_vm_kib), (Some(1036), Some("python3"), None));
    // The table has it.
    assert_eq!(kill.oom_score_adj, Some(300));
}
