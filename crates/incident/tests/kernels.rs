//! Logs that real kernels printed: what is found in them, and how it is written down.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // Helpers of tests are tests, too.

use std::path::Path;

use oomguard_incident::model::{Cause, LimitOf, Scope};
use oomguard_incident::render::{cspec, html, markdown, text};
use oomguard_incident::{Minutes, Options, Report, Sample, Sized, read_all};
use snapbox::{Assert, Data};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data");

fn report(name: &str) -> Report {
    let file = std::fs::File::open(format!("{DATA}/{name}.log")).unwrap();
    read_all(file, name, &Options::default()).unwrap()
}

/// File, scope, cause, limit, victims, unit that went down.
type Row = (&'static str, Scope, Cause, LimitOf, &'static [&'static str], Option<&'static str>);

const TABLE: &[Row] = &[
    ("5.10-global-no-swap.short", Scope::Global, Cause::NoSwap, LimitOf::Host, &["959:python3"], None),
    ("5.10-global-no-swap.kmsg", Scope::Global, Cause::NoSwap, LimitOf::Host, &["1142:python3"], None),
    (
        "5.10-global-swap.dmesg",
        Scope::Global,
        Cause::MemoryAndSwapFull,
        LimitOf::Host,
        &["1036:python3"],
        None,
    ),
    (
        "5.10-memcg-swap.dmesg-T",
        Scope::Memcg,
        Cause::CgroupLimit,
        LimitOf::OwnCgroup,
        &["1100:python3"],
        None,
    ),
    (
        "5.10-oom-group.dmesg",
        Scope::Memcg,
        Cause::CgroupLimit,
        LimitOf::OwnCgroup,
        &["295:python3", "296:python3", "297:python3"],
        None,
    ),
    ("5.10-sysrq.monotonic", Scope::Global, Cause::Sysrq, LimitOf::Host, &["1069:python3"], None),
    ("5.10-tmpfs.iso", Scope::Global, Cause::Shmem, LimitOf::Host, &["998:python3"], None),
    ("6.1-global-no-swap.monotonic", Scope::Global, Cause::NoSwap, LimitOf::Host, &["362:python3"], None),
    ("6.1-global-swap.iso", Scope::Global, Cause::MemoryAndSwapFull, LimitOf::Host, &["445:python3"], None),
    (
        "6.1-memcg.json",
        Scope::Memcg,
        Cause::CgroupLimit,
        LimitOf::OwnCgroup,
        &["298:python3"],
        Some("memcg-limit.service"),
    ),
    (
        "6.1-oom-group.short",
        Scope::Memcg,
        Cause::CgroupLimit,
        LimitOf::OwnCgroup,
        &["329:python3", "330:python3", "331:python3"],
        Some("group-limit.service"),
    ),
    ("6.12-global-no-swap.dmesg-T", Scope::Global, Cause::NoSwap, LimitOf::Host, &["486:python3"], None),
    (
        "6.12-global-swap.short",
        Scope::Global,
        Cause::MemoryAndSwapFull,
        LimitOf::Host,
        &["567:python3"],
        None,
    ),
    ("6.12-memcg.kmsg", Scope::Memcg, Cause::CgroupLimit, LimitOf::OwnCgroup, &["407:python3"], None),
    (
        "6.12-oom-group.monotonic",
        Scope::Memcg,
        Cause::CgroupLimit,
        LimitOf::OwnCgroup,
        &["437:python3", "439:python3", "440:python3"],
        None,
    ),
];

#[test]
fn each_log_gives_the_expected_incident() {
    for (name, scope, cause, limit, victims, unit) in TABLE {
        let report = report(name);
        let [incident] = report.incidents.as_slice() else { panic!("{name}: {:#?}", report.incidents) };
        assert_eq!((incident.scope, incident.cause, incident.limit), (*scope, *cause, *limit), "{name}");
        let found: Vec<String> = incident
            .kills
            .iter()
            .map(|kill| format!("{}:{}", kill.pid.unwrap(), kill.comm.as_deref().unwrap()))
            .collect();
        assert_eq!(found, *victims, "{name}");
        for kill in &incident.kills {
            let all = [
                kill.total_vm_kib,
                kill.anon_rss_kib,
                kill.file_rss_kib,
                kill.shmem_rss_kib,
                kill.pgtables_kib,
            ];
            assert!(all.iter().all(Option::is_some) && kill.oom_score_adj.is_some(), "{name}: {kill:?}");
        }
        assert_eq!(incident.memory.page_kib, Some(4), "{name}");
        assert!(incident.evidence.len() >= 2 && !incident.triggers.is_empty(), "{name}");
        if let Some(unit) = unit {
            assert!(incident.lost.units.iter().any(|loss| loss.failed && loss.unit == *unit), "{name}");
        }
    }
}

#[test]
fn every_log_is_in_the_table() {
    for file in std::fs::read_dir(DATA).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        let Some(name) = name.strip_suffix(".log") else { continue };
        assert!(TABLE.iter().any(|row| row.0 == name), "{name}");
    }
}

#[track_caller]
fn matches(name: &str, is: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots").join(name);
    Assert::new().action_env("SNAPSHOTS").eq(is.to_owned(), Data::read_from(&path, None).raw());
}

#[test]
fn all_five_forms() {
    for name in ["5.10-global-no-swap.short", "5.10-memcg-swap.dmesg-T", "5.10-tmpfs.iso"] {
        let report = report(name);
        let incident = report.incidents.last().unwrap();
        let screen = text::text(incident, "FILE", report.lost_records);
        assert!(screen.lines().count() <= 24, "{name}: {screen}");
        matches(&format!("{name}.txt"), &screen);
        matches(&format!("{name}.md"), &markdown::markdown(incident, "FILE", report.lost_records));
        matches(&format!("{name}.html"), &html::html(incident, "FILE", report.lost_records, None));
        matches(&format!("{name}.cspec"), &cspec::cspec(incident, "FILE"));
        matches(&format!("{name}.json"), &(serde_json::to_string_pretty(&report).unwrap() + "\n"));
    }
}

#[test]
fn a_cspec_is_valid_and_its_policy_is_one() {
    for (name, ..) in TABLE {
        let report = report(name);
        let incident = report.incidents.last().unwrap();
        let document = cspec::cspec(incident, "FILE");
        let read = oomguard_spec::read("i.cspec", document.as_bytes()).unwrap();
        let said: Vec<_> = read.diagnostics().iter().cloned().chain(read.lint()).collect();
        assert!(said.is_empty(), "{name}: {said:#?}\n{document}");
        if incident.advice.iter().any(|advice| advice.policy.is_some()) {
            read.policy(None).unwrap();
        }
    }
}

#[test]
fn the_minutes_before_are_part_of_every_form() {
    let process = |rss_kib| Sized { pid: 959, comm: "<python3>".to_owned(), rss_kib, swap_kib: 0 };
    let sample = |n: i64| Sample {
        at: n * 10,
        mem_total_kib: 500_000,
        mem_available_kib: 480_000 - n as u64 * 20_000,
        swap_total_kib: 100_000,
        swap_free_kib: 100_000 - n as u64 * 1000,
        largest: vec![process(10_000 + n as u64 * 20_000)],
    };
    let minutes = Minutes { samples: (0..20).map(sample).collect() };
    let log = std::fs::read(format!("{DATA}/5.10-global-no-swap.short.log")).unwrap();
    let report = read_all(&*log, "FILE", &Options { since: None, minutes: Some(&minutes) }).unwrap();
    let incident = report.incidents.last().unwrap();
    let page = html::html(incident, "FILE", 0, Some(&minutes));
    assert!(page.contains("Before the kill") && page.contains("polyline"), "{page}");
    let grew = "grew the most: from 9.8 MiB to 380.9 MiB in 190 s";
    assert!(page.contains(&format!("&lt;python3&gt; {grew}")), "{page}");
    let screen = text::text(incident, "FILE", 0);
    assert!(screen.contains(&format!("growth     <python3> {grew}\n")), "{screen}");
    let markdown = markdown::markdown(incident, "FILE", 0);
    assert!(markdown.contains(&format!("&lt;python3&gt; {grew}.")), "{markdown}");
    assert_eq!(serde_json::to_value(incident).unwrap()["growth"]["to_kib"], 390_000);
    matches("minutes.html", &page);
}
