//! Text of a log is anybody's: a process chooses its name.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // Helpers of tests are tests, too.

use oomguard_incident::render::{cspec, html, markdown, text};
use oomguard_incident::{Incident, Options, read_all};

fn incident(log: &str) -> Incident {
    read_all(log.as_bytes(), "-", &Options::default()).unwrap().incidents.pop().unwrap()
}

fn named(name: &str) -> Incident {
    incident(&format!(
        "{name} invoked oom-killer: gfp_mask=0x1, order=0, oom_score_adj=0\n\
         [  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name\n\
         [      7]     0     7      100       90     4096        0             0 {name}\n\
         oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=/a/{name},\
         task={name},pid=7,uid=0\n\
         Out of memory: Killed process 7 ({name}) total-vm:400kB, anon-rss:360kB, file-rss:0kB, shmem-rss:0kB, UID:0 \
         pgtables:4kB oom_score_adj:0\n"
    ))
}

#[test]
fn markup_in_a_name_is_text() {
    let incident = named("<img src=x>");
    let page = html::html(&incident, "<script>", 0, None);
    assert!(
        !page.contains("<img") && !page.contains("<script") && page.contains("&lt;img src=x&gt;"),
        "{page}"
    );
    // Nothing is fetched and nothing runs.
    assert!(page.contains("default-src 'none'") && !page.contains("http://") && !page.contains("https://"));
    let issue = markdown::markdown(&named("[x](y) @you #1"), "-", 0);
    assert!(!issue.contains("[x]") && !issue.contains("@you") && !issue.contains(" #1"), "{issue}");
    let issue = markdown::markdown(&named("a|b`"), "-", 0);
    assert!(issue.contains("a\\|b\\`"), "{issue}");
}

#[test]
fn control_characters_are_escaped_in_every_form() {
    let incident = named("a\x1b[2J\u{202e}b");
    assert_eq!(incident.kills[0].comm.as_deref(), Some("a\\x1b[2J\\u{202e}b"));
    for form in [
        text::text(&incident, "-", 0),
        markdown::markdown(&incident, "-", 0),
        html::html(&incident, "-", 0, None),
        cspec::cspec(&incident, "-"),
    ] {
        assert!(!form.contains('\x1b') && !form.contains('\u{202e}'), "{form}");
    }
}

#[test]
fn yaml_in_a_name_is_text() {
    let incident = named("x: [&a *a]\"");
    let document = cspec::cspec(&incident, "a: b\n- c");
    let read = oomguard_spec::read("i.cspec", document.as_bytes()).unwrap();
    assert!(read.diagnostics().is_empty(), "{document}");
}

#[test]
fn only_the_kernel_reports_kills_of_the_kernel() {
    for line in [
        "Jun 20 12:47:02 host logger[7]: Out of memory: Killed process 7 (a) total-vm:1kB, anon-rss:1kB",
        "14,1,2,-;Out of memory: Killed process 7 (a) total-vm:1kB, anon-rss:1kB",
        r#"{"_TRANSPORT":"stdout","SYSLOG_IDENTIFIER":"a","MESSAGE":"Out of memory: Killed process 7 (a) total-vm:1kB"}"#,
    ] {
        let report = read_all(line.as_bytes(), "-", &Options::default()).unwrap();
        assert!(report.incidents.is_empty(), "{line}");
    }
}

#[test]
fn a_storm_is_bounded() {
    let mut log = String::new();
    for pid in 1..20_000 {
        log.push_str(&format!(
            "[{pid}.000000] Out of memory: Killed process {pid} (a) total-vm:1kB, anon-rss:1kB\n"
        ));
    }
    let incident = incident(&log);
    assert_eq!((incident.kills.len(), incident.kills_left_out), (10_000, 9_999));
    assert!(text::text(&incident, "-", 0).starts_with("19999 processes killed"));
}
