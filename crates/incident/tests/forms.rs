//! Every form of a report says the same of who died.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // Helpers of tests are tests, too.

use oomguard_incident::render::{html, markdown, text};
use oomguard_incident::{Incident, Options, read_all};

fn incident(log: &str) -> Incident {
    read_all(log.as_bytes(), "-", &Options::default()).unwrap().incidents.pop().unwrap()
}

fn forms(incident: &Incident) -> [String; 3] {
    [text::text(incident, "-", 0), markdown::markdown(incident, "-", 0), html::html(incident, "-", 0, None)]
}

#[test]
fn log_cut_before_the_kill_has_no_victim() {
    let incident = incident("cc1 invoked oom-killer: gfp_mask=0x1, order=0, oom_score_adj=0\n");
    let [screen, issue, page] = forms(&incident);
    assert!(screen.contains("no process named in the log"), "{screen}");
    assert!(issue.contains("The log names no process.") && !issue.contains("| process |"), "{issue}");
    assert!(page.contains("The log names no process.") && !page.contains("<th>process"), "{page}");
}

#[test]
fn process_named_only_by_the_reaper_is_in_every_form() {
    let log = "cc1 invoked oom-killer: gfp_mask=0x1, order=0, oom_score_adj=0\n\
               oom_reaper: reaped process 4242 (rustc), now anon-rss:0kB, file-rss:0kB, shmem-rss:0kB\n";
    let incident = incident(log);
    for form in forms(&incident) {
        assert!(form.contains("rustc") && form.contains("4242"), "{form}");
    }
}

#[test]
fn rows_beyond_the_table_limit_are_counted() {
    let kill = |pid: u32| {
        format!(
            "cc1 invoked oom-killer: gfp_mask=0x1, order=0, oom_score_adj=0\n\
             Out of memory: Killed process {pid} (cc1) total-vm:400kB, anon-rss:360kB, file-rss:0kB, shmem-rss:0kB, \
             UID:0 pgtables:4kB oom_score_adj:0\n"
        )
    };
    let incident = incident(&(100..200).map(kill).collect::<String>());
    let [screen, issue, page] = forms(&incident);
    assert!(screen.starts_with("100 processes killed"), "{screen}");
    assert!(issue.contains("\n80 more.\n") && page.contains("<p>50 more</p>"), "{issue}{page}");
}
