//! The far end of a session, on a folder that stands for a host.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // Helpers of tests are tests, too.

#[path = "../../converge/tests/fixture/mod.rs"]
mod fixture;

use std::io::{self, Write};

use fixture::{Fixture, policy};
use oomguard_converge::Facts;
use oomguard_converge::change::Change;
use oomguard_fleet::job::{Job, NamedPolicy, Task};
use oomguard_fleet::lines::Line;
use oomguard_fleet::remote::{self, JobError, Program};
use oomguard_fleet::setup::{Phase, Step};
use oomguard_host::Host;
use oomguard_report::{CheckReport, IncidentReport, Report};

struct Stub;

impl Program for Stub {
    fn version(&self) -> &str {
        "0.1.0"
    }

    fn incidents(&self, since: Option<&str>, _: Option<i32>) -> Result<IncidentReport, JobError> {
        let log = "Jan 23 14:00:00 h kernel: Out of memory: Killed process 7 (a) total-vm:4kB, anon-rss:4kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:4kB oom_score_adj:0\n";
        match since {
            Some("never") => Err(JobError::Program("no such time".to_owned())),
            _ => Ok(oomguard_incident::read_all(log.as_bytes(), "journal", &Default::default()).unwrap()),
        }
    }

    fn change_line(&self, _: &Change) -> String {
        "a change".to_owned()
    }

    fn check_lines(&self, report: &CheckReport, _: &Facts) -> Vec<String> {
        vec![format!("{} findings", report.findings.len())]
    }

    fn swap_lines(&self) -> Vec<String> {
        vec!["swap".to_owned()]
    }
}

fn job(task: Task) -> Job {
    Job::new(task, NamedPolicy { name: "test".to_owned(), policy: policy(64) })
}

fn answer(job: &Job) -> Vec<Line> {
    let fixture = Fixture::new();
    fixture.write("/etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n");
    fixture.write("/run/systemd/system/unit", "");
    let mut out = Vec::new();
    let host = Host::folder(&fixture.root());
    remote::run(&host, &Stub, job.to_line().as_bytes(), &mut out).unwrap();
    let lines: Vec<Line> =
        out.split_inclusive(|byte| *byte == b'\n').map(|line| Line::parse(line).unwrap()).collect();
    assert!(matches!(lines.first(), Some(Line::Header { version, .. }) if version == "0.1.0"), "{lines:?}");
    assert_eq!(lines.last(), Some(&Line::End));
    lines
}

#[test]
fn a_plan_answers_with_status_check_and_plan() {
    let lines = answer(&job(Task::Plan));
    let [_, Line::Status { status }, Line::Report { report: Report::Check(check) }, Line::Plan(plan), _] =
        lines.as_slice()
    else {
        panic!("{lines:#?}")
    };
    assert!(status.swap.is_empty() && !check.fine && check.policy == "test");
    assert_eq!((plan.changes, plan.unfinished.as_ref()), (plan.plan.changes.len(), None));
    assert!(plan.changes > 0 && plan.plan.digest.len() == 64);
}

#[test]
fn rank_and_incident_answer_with_their_reports() {
    let rank = answer(&job(Task::Rank { add: vec!["load:1G*2".to_owned()], as_policy: true }));
    let Line::Report { report: Report::Rank(report) } = &rank[1] else { panic!("{rank:#?}") };
    assert_eq!(report.policy.as_deref(), Some("test"));
    assert_eq!(report.ranking.order.iter().filter(|rank| rank.name == "load").count(), 2);
    let incident = answer(&job(Task::Incident { since: None, boot: None }));
    let Line::Report { report: Report::Incident(report) } = &incident[1] else { panic!("{incident:#?}") };
    assert_eq!((report.source.as_str(), report.incidents.len()), ("journal", 1));
}

#[test]
fn a_dry_run_of_a_setup_goes_through_all_steps_and_changes_nothing() {
    let lines = answer(&job(Task::Setup { phase: Phase::DryRun }));
    let said = lines.iter().filter_map(|line| match line {
        Line::Setup { said } => Some(said.step),
        _ => None,
    });
    let steps: Vec<Step> = said.collect();
    assert!(steps.starts_with(&[Step::Rights, Step::System, Step::Room]), "{steps:?}");
    assert!(!lines.iter().any(|line| matches!(line, Line::Done { .. } | Line::Failed { .. })), "{lines:#?}");
}

#[test]
fn a_job_that_fails_says_why() {
    let failures = [
        (Task::Apply, "--root"),
        (Task::Rollback { to: None }, "--root"),
        (Task::Undo { to: None }, "--root"),
        (Task::Rank { add: vec!["x".to_owned()], as_policy: false }, "--add: "),
        (Task::Incident { since: Some("never".to_owned()), boot: None }, "no such time"),
    ];
    for (task, words) in failures {
        let lines = answer(&job(task));
        let [_, Line::Failed { message, refusals }, Line::End] = lines.as_slice() else {
            panic!("{lines:#?}")
        };
        assert!(message.contains(words) && refusals.is_empty(), "{message}");
    }
}

#[test]
fn input_that_is_not_a_job_is_an_error() {
    let fixture = Fixture::new();
    let mut out = Vec::new();
    let host = Host::folder(&fixture.root());
    assert!(remote::run(&host, &Stub, &b"what?\n"[..], &mut out).is_err());
    assert!(out.is_empty());
}

/// A reader that went after some lines.
struct Gone(usize);

impl Write for Gone {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(1).ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_job_ends_without_an_error_when_its_reader_is_gone() {
    let fixture = Fixture::new();
    let host = Host::folder(&fixture.root());
    remote::run(&host, &Stub, job(Task::Check).to_line().as_bytes(), &mut Gone(1)).unwrap();
}
