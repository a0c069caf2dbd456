//! Any bytes, in any pieces: never a panic, always the same, never more than there is.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // Helpers of tests are tests, too.

use std::io::{self, Read};

use oomguard_incident::line::Origin;
use oomguard_incident::record;
use oomguard_incident::render::{cspec, html, markdown, text};
use oomguard_incident::{Incident, LogError, Options, read_all, read_file};
use proptest::prelude::*;

fn incidents(log: &[u8]) -> Vec<Incident> {
    read_all(log, "-", &Options::default()).unwrap().incidents
}

fn json(log: impl Read) -> String {
    serde_json::to_string(&read_all(log, "-", &Options::default()).unwrap()).unwrap()
}

fn fixtures() -> Vec<Vec<u8>> {
    let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data")).unwrap();
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
    paths.sort();
    assert!(paths.len() > 3);
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// A log that comes in pieces.
struct Pieces<'a>(&'a [u8], usize);

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.1.min(self.0.len()).min(buffer.len());
        let (piece, rest) = self.0.split_at(count);
        buffer[..count].copy_from_slice(piece);
        self.0 = rest;
        Ok(count)
    }
}

/// Lines that could be of a log, with parts of real ones and nonsense.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let parts = prop::sample::select(vec![
        "Jun 20 12:47:02 host kernel: ",
        "[15180285.537297] ",
        "6,30574067,3816544225424,-;",
        "> ",
        "a invoked oom-killer: gfp_mask=0x1, order=0, oom_score_adj=0",
        "CPU: 1 PID: 7 Comm: a Not tainted 6.1",
        "Task in /a killed as a result of limit of /b",
        "memory: usage 4kB, limit 4kB, failcnt 8",
        "[ pid ]   uid  tgid total_vm      rss nr_ptes swapents oom_score_adj name",
        "[    7]     0     7      100       50     1        3             0 a",
        "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),global_oom,task_memcg=/a,task=a,pid=7,uid=0",
        "Out of memory: Killed process 7 (a) total-vm:1kB, anon-rss:2kB, oom_score_adj:0",
        "Killed process ",
        "Total swap = 0kB",
        "Linux version 6.1 (x)",
        "\"MESSAGE\":",
        "{",
        "systemd[1]: a.service: Failed with result 'oom-kill'.",
    ]);
    let piece = prop_oneof![
        3 => parts.prop_map(|part| part.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..12),
    ];
    prop::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

fn log() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(line(), 0..40).prop_map(|lines| lines.join(&b'\n'))
}

proptest! {
    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = record::read(&bytes, Origin::Kernel);
        let _ = incidents(&bytes);
    }

    #[test]
    fn any_lines_are_read_and_written(log in log()) {
        let text_of_log = String::from_utf8_lossy(&log).into_owned();
        let kills = text_of_log.matches("illed process ").count() + text_of_log.matches("oom-kill:").count();
        let found = incidents(&log);
        // No victim is invented.
        prop_assert!(found.iter().map(|incident| incident.kills.len()).sum::<usize>() <= kills);
        for incident in &found {
            let screen = text::text(incident, "-", 0);
            prop_assert!(!screen.contains(|c| c != '\n' && oomguard_text::is_unsafe(c)), "{screen:?}");
            prop_assert!(screen.lines().all(|line| textwrap::core::display_width(line) <= 100), "{screen}");
            prop_assert!(screen.lines().count() <= 24, "{screen}");
            let narrow = text::fitted(incident, "-", 0, 80);
            prop_assert!(narrow.lines().all(|line| textwrap::core::display_width(line) <= 80), "{narrow}");
            let document = cspec::cspec(incident, "-");
            for form in [&markdown::markdown(incident, "-", 0), &html::html(incident, "-", 0, None), &document] {
                prop_assert!(!form.contains(|c| c != '\n' && oomguard_text::is_unsafe(c)), "{form:?}");
            }
            prop_assert!(oomguard_spec::read("i.cspec", document.as_bytes()).is_ok(), "{document}");
        }
    }

    #[test]
    fn chunk_size_does_not_change_the_result(log in log(), size in 1usize..50) {
        prop_assert_eq!(json(Pieces(&log, size)), json(log.as_slice()));
    }

    #[test]
    fn a_real_log_may_be_cut_anywhere(number in 0usize..100, from in 0.0f64..1.0, to in 0.0f64..1.0) {
        let fixtures = fixtures();
        let log = &fixtures[number % fixtures.len()];
        let at = |part: f64| (part * log.len() as f64) as usize;
        let (from, to) = (at(from.min(to)), at(from.max(to)));
        let whole = incidents(log);
        let names: Vec<_> = whole.iter().flat_map(|incident| &incident.kills).map(|kill| kill.pid).collect();
        for kill in incidents(&log[from..to]).iter().flat_map(|incident| &incident.kills) {
            // The number itself may be cut.
            let pid = kill.pid.unwrap().to_string();
            prop_assert!(names.iter().flatten().any(|known| known.to_string().starts_with(&pid)), "{kill:?}");
        }
    }
}

#[test]
fn logs_one_after_the_other_have_the_incidents_of_each() {
    let mut all = Vec::new();
    let mut kills = Vec::new();
    for log in fixtures() {
        kills.extend(
            incidents(&log).into_iter().flat_map(|incident| incident.kills).map(|kill| (kill.pid, kill.comm)),
        );
        all.extend(log);
        all.extend(b"\n-- Boot 0 --\n");
    }
    let found: Vec<_> = incidents(&all)
        .into_iter()
        .flat_map(|incident| incident.kills)
        .map(|kill| (kill.pid, kill.comm))
        .collect();
    assert_eq!(found, kills);
}

#[test]
fn unrelated_lines_do_not_change_the_result() {
    for log in fixtures() {
        let kills = |log: &[u8]| {
            let all = incidents(log).into_iter().flat_map(|incident| incident.kills);
            all.map(|kill| (kill.pid, kill.comm, kill.total_vm_kib, kill.oom_score_adj)).collect::<Vec<_>>()
        };
        let noisy: Vec<u8> = log
            .split_inclusive(|byte| *byte == b'\n')
            .flat_map(|line| [line, b"Nov 24 15:47:27 lab cron[958]: (root) CMD (true)\n"].concat())
            .collect();
        assert_eq!(kills(&noisy), kills(&log));
    }
}

/// A large log, so that several threads look through it, with reports across the borders of their blocks.
#[test]
fn a_file_is_read_as_a_stream_is() {
    let reports = fixtures();
    let mut log = Vec::new();
    for number in 0..80_usize {
        for line in 0..(1000 + number * 7) {
            log.extend(
                format!("Nov 24 15:47:27 lab cron[{line}]: (root) CMD (test -x /usr/sbin/anacron)\n").bytes(),
            );
        }
        log.extend(&reports[number % reports.len()]);
        log.extend(b"\n-- Boot 0 --\n");
        if number == 40 {
            log.extend(vec![b'x'; 700_000]);
            log.push(b'\n');
        }
    }
    assert!(log.len() > 6_000_000);
    let path = std::env::temp_dir().join(format!("oomguard-incident-{}.log", std::process::id()));
    std::fs::write(&path, &log).unwrap();
    let streamed = serde_json::to_string(&incidents(&log)).unwrap();
    for threads in [1, 2, 5] {
        let mut found = Vec::new();
        let file = std::fs::File::open(&path).unwrap();
        let each = |incident| {
            found.push(incident);
            Ok::<(), LogError>(())
        };
        read_file(file, threads, &Options::default(), each).unwrap();
        assert_eq!(found.len(), 80);
        assert!(serde_json::to_string(&found).unwrap() == streamed, "with {threads} threads it differs");
    }
    std::fs::remove_file(&path).unwrap();
}
