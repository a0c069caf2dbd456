//! promtool checks the metrics and the alert rules; the rules, the dashboard and docs/metrics.md name metrics that exist.
//!
//! `promtool` comes with Debian's package `prometheus`, which `cargo xtask test` installs. Without it these tests fail.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // Helpers of tests are tests, too.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use oomguard_agent::event::{Constraint, Event, SwapStep};
use oomguard_agent::exposition::{Format, print};
use oomguard_agent::metrics::Metrics;
use oomguard_agent::rules::{RUNBOOK_BASE, RuleSet};
use oomguard_converge::{Finding, FindingKind, Severity};
use oomguard_report::runbook::{ALL, Runbook, find};

const RULES: [&str; 2] = ["oomguard", "node-exporter"];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).unwrap()
}

/// Whether promtool succeeds, and what it prints on both streams.
fn promtool(args: &[&str], dir: &Path, input: &str) -> (bool, String) {
    let mut child = Command::new("promtool")
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is not installed: `apt-get install prometheus`, or `cargo xtask test`, which installs it");
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

fn finding(kind: FindingKind, severity: Severity) -> Finding {
    let empty = String::new;
    Finding {
        kind,
        severity,
        subject: empty(),
        is: empty(),
        should: empty(),
        why: empty(),
        fix: None,
        changes: Vec::new(),
        advice: None,
    }
}

/// The metrics of an agent with some events.
fn printed(format: Format) -> String {
    let (metrics, registry) = Metrics::new("1.2.3-\"odd\\version\"");
    metrics.count(&Event::UnloggedKills { count: 3 });
    metrics.count(&Event::OomKill {
        pid: 812,
        comm: "secret-comm".into(),
        uid: Some(1),
        score: Some(0),
        rss_bytes: Some(1),
        constraint: Constraint::Memcg,
        limited_cgroup: Some("/secret.slice".into()),
        cgroup: Some("/secret.slice".into()),
    });
    metrics.set_alerts(SwapStep::Critical, true);
    metrics.set_findings(&[
        finding(FindingKind::NoSwap, Severity::Warning),
        finding(FindingKind::ProtectionLeak, Severity::Critical),
        finding(FindingKind::SwapOff, Severity::Warning),
        finding(FindingKind::ProtectionLeak, Severity::Advice),
    ]);
    metrics.full_avg60.set(0.25);
    metrics.heartbeat.set(1_769_177_106.789);
    print(&registry, format)
}

/// The type of each metric, by the name of its series.
fn registered() -> BTreeMap<String, String> {
    let text = printed(Format::Text);
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    types.map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect()
}

/// The words of a text that look like one of our metrics.
fn named(text: &str) -> BTreeSet<String> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split(|c| !word(c)).filter(|found| found.starts_with("oomguard_")).map(str::to_owned).collect()
}

#[test]
fn promtool_accepts_the_metrics() {
    let (good, said) = promtool(&["check", "metrics"], &repository(), &printed(Format::Text));
    assert!(good && said.trim().is_empty(), "{said}");
    // And it does reject a bad one.
    let (good, said) =
        promtool(&["check", "metrics"], &repository(), "# TYPE bad_count counter\nbad_count 1\n");
    assert!(!good && said.contains("_total"), "{said}");
}

#[test]
fn values_are_encoded() {
    let text = printed(Format::Text);
    for line in [
        "oomguard_build_info{version=\"1.2.3-\\\"odd\\\\version\\\"\"} 1",
        "oomguard_oom_kills_total{constraint=\"unknown\"} 3",
        "oomguard_oom_kills_total{constraint=\"memcg\"} 1",
        "oomguard_oom_kills_total{constraint=\"global\"} 0",
        "oomguard_events_total{kind=\"oom_kill\"} 1",
        "oomguard_events_total{kind=\"agent_stopped\"} 0",
        "oomguard_alert_active{alert=\"swap_critical\"} 1",
        "oomguard_drift_findings{severity=\"warning\"} 2",
        "oomguard_drift_findings{severity=\"advice\"} 1",
        "oomguard_leaks 1",
        "oomguard_notifications_total{target=\"webhook\",result=\"dropped\"} 0",
        "oomguard_heartbeat_timestamp_seconds 1769177106.789",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    for secret in ["812", "secret"] {
        assert!(!text.contains(secret), "a label holds {secret}");
    }
}

#[test]
fn rules_pass_promtool() {
    let dir = repository().join("integrations/prometheus");
    for name in RULES {
        let (good, said) = promtool(&["check", "rules", &format!("{name}.rules.yml")], &dir, "");
        assert!(good, "{said}");
        let (good, said) = promtool(&["test", "rules", &format!("{name}.test.yml")], &dir, "");
        assert!(good, "{said}");
    }
}

/// The tests of one alert: all of them take minutes on a slow machine.
fn tests_of(alert: &str, tests: &str) -> String {
    let mut parts = tests.split("\n  - name: ");
    let mut chosen = parts.next().unwrap().to_owned();
    for part in parts.filter(|part| part.contains(&format!("alertname: {alert}\n"))) {
        chosen.push_str("\n  - name: ");
        chosen.push_str(part);
    }
    assert!(chosen.contains("exp_alerts"), "{alert} has no test");
    chosen
}

#[test]
fn rule_tests_catch_changed_thresholds() {
    let dir = tempfile::tempdir().unwrap();
    for name in RULES {
        let rules = read(&format!("integrations/prometheus/{name}.rules.yml"));
        let tests = dir.path().join(format!("{name}.test.yml"));
        let all_tests = read(&format!("integrations/prometheus/{name}.test.yml"));
        let changes = [
            ("for: 5m", "for: 4m30s"),
            ("for: 1m", "for: 30s"),
            ("for: 2m", "for: 1m30s"),
            ("for: 15m", "for: 14m30s"),
            ("> 0.5", "> 0.49"),
            ("> 0.8", "> 0.9"),
            ("> 0.1\n", "> 0.04\n"),
            ("and (", "or ("),
        ];
        for (from, to) in changes {
            // Each place on its own.
            for (at, _) in rules.match_indices(from) {
                let changed = format!("{}{to}{}", &rules[..at], &rules[at + from.len()..]);
                std::fs::write(dir.path().join(format!("{name}.rules.yml")), changed).unwrap();
                let alert = rules[..at].rsplit("- alert: ").next().unwrap().lines().next().unwrap();
                std::fs::write(&tests, tests_of(alert, &all_tests)).unwrap();
                let (good, _) = promtool(&["test", "rules", tests.to_str().unwrap()], dir.path(), "");
                let line = rules[..at].lines().count();
                assert!(!good, "{name}.rules.yml:{line}: `{to}` for `{from}` is not caught");
            }
        }
    }
}

#[test]
fn rules_with_another_runbook_base_are_valid() {
    let dir = tempfile::tempdir().unwrap();
    for (rules, alerts) in [(RuleSet::Agent, 9), (RuleSet::NodeExporter, 6)] {
        let text = rules.with_runbook_base("https://wiki.example.com/a?b=[c]&d=100%25,e;f").unwrap();
        std::fs::write(dir.path().join("moved.rules.yml"), text).unwrap();
        let (good, said) = promtool(&["check", "rules", "moved.rules.yml"], dir.path(), "");
        assert!(good && said.contains(&format!("{alerts} rules found")), "{said}");
    }
}

#[test]
fn each_alert_has_a_runbook_and_a_test() {
    assert!(RUNBOOK_BASE.starts_with("https://"));
    for name in RULES {
        let rules = read(&format!("integrations/prometheus/{name}.rules.yml"));
        let tests = read(&format!("integrations/prometheus/{name}.test.yml"));
        let alerts: Vec<&str> =
            rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
        for alert in &alerts {
            let rule = rules.split(&format!("- alert: {alert}\n")).nth(1).unwrap();
            let link = rule.split("runbook_url: ").nth(1).unwrap().lines().next().unwrap();
            let runbook = find(alert).unwrap_or_else(|| panic!("no runbook begins with {alert}"));
            let page = link.strip_prefix(RUNBOOK_BASE).unwrap_or_else(|| panic!("{alert}: {link}"));
            assert_eq!(page, format!("/{}.md", runbook.name), "{name}: {alert}");
            assert_eq!(read(&format!("docs/runbooks{page}")), runbook.text);
            assert!(
                tests.contains(&format!("alertname: {alert}\n        exp_alerts:\n")),
                "{name}: {alert} fires"
            );
            assert!(
                tests.contains(&format!("alertname: {alert}, exp_alerts: []")),
                "{name}: {alert} is silent"
            );
        }
        assert_eq!(rules.matches("runbook_url:").count(), alerts.len());
        if name == "oomguard" {
            let led: Vec<&str> = ALL.iter().flat_map(Runbook::alerts).collect();
            assert!(led.iter().all(|alert| alerts.contains(alert)), "{led:?} and {alerts:?}");
        }
        let all = [
            "SwapMissing",
            "SwapUsageHigh",
            "SwapUsageCritical",
            "OomKill",
            "ProtectedProcessKilled",
            "MemoryPressureHigh",
            "ProtectionLeak",
            "PolicyDrift",
            "AgentDown",
        ];
        match name {
            "oomguard" => assert_eq!(alerts, all),
            _ => assert!(alerts.iter().all(|alert| all.contains(alert)) && alerts.len() == 6),
        }
    }
}

#[test]
fn rules_and_dashboard_use_existing_metrics() {
    let registered = registered();
    let unknown = |text: &str| -> Vec<String> {
        named(text).into_iter().filter(|name| !registered.contains_key(name)).collect()
    };
    for file in ["oomguard.rules.yml", "oomguard.test.yml"] {
        let text = read(&format!("integrations/prometheus/{file}"));
        assert!(named(&text).len() > 5);
        assert_eq!(unknown(&text), Vec::<String>::new(), "{file}");
    }
    assert!(named(&read("integrations/prometheus/node-exporter.rules.yml")).is_empty());

    let dashboard: serde_json::Value =
        serde_json::from_str(&read("integrations/grafana/oomguard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut shown = BTreeSet::new();
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty(), "{}", panel["title"]);
        for target in targets {
            let expression = target["expr"].as_str().unwrap();
            assert_eq!(unknown(expression), Vec::<String>::new(), "{}", panel["title"]);
            assert!(!named(expression).is_empty(), "{}", panel["title"]);
            shown.extend(named(expression));
        }
    }
    for needed in [
        "oomguard_swap_used_bytes",
        "oomguard_memory_pressure_stalled_seconds_total",
        "oomguard_oom_kills_total",
        "oomguard_protected_processes",
        "oomguard_fastest_growth_bytes_per_second",
    ] {
        assert!(shown.contains(needed), "the dashboard does not show {needed}");
    }
    let ids: BTreeSet<i64> = panels.iter().map(|panel| panel["id"].as_i64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "panels share an id");
    let variables = &dashboard["templating"]["list"];
    assert_eq!(unknown(&variables.to_string()), Vec::<String>::new());
}

#[test]
fn dashboard_expressions_are_valid() {
    let dashboard: serde_json::Value =
        serde_json::from_str(&read("integrations/grafana/oomguard.json")).unwrap();
    let targets =
        dashboard["panels"].as_array().unwrap().iter().filter_map(|panel| panel["targets"].as_array());
    let mut rules = String::from("groups:\n  - name: dashboard\n    rules:\n");
    for (number, target) in targets.flatten().enumerate() {
        let expression = target["expr"].as_str().unwrap();
        rules.push_str(&format!("      - {{record: \"panel:{number}\", expr: {expression:?}}}\n"));
    }
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("dashboard.yml"), &rules).unwrap();
    let (good, said) = promtool(&["check", "rules", "dashboard.yml"], dir.path(), "");
    assert!(good, "{said}\n{rules}");
}

#[test]
fn docs_list_every_metric() {
    let page = read("docs/metrics.md");
    let mut rows = BTreeMap::new();
    for line in page.lines().filter(|line| line.starts_with("| `oomguard_")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let name = cells[0].trim_matches('`').to_owned();
        assert!(cells.len() == 4 && !cells[3].is_empty(), "{line}");
        let unit = cells[2];
        let stem = name.trim_end_matches("_total");
        for (word, ending) in [("bytes", "_bytes"), ("seconds", "_seconds"), ("ratio", "_ratio")] {
            assert_eq!(unit == word, stem.ends_with(ending), "{line}");
        }
        assert!(rows.insert(name, cells[1].to_owned()).is_none(), "{line}");
    }
    assert_eq!(rows, registered());
}
