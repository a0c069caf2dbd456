//! From documents to policies, and what is said about them.
#![allow(clippy::panic, clippy::unwrap_used)] // Helpers of tests are tests, too.

use oomguard_spec::policy::{Policy, SwapPolicy, SwapSize, Threshold};
use oomguard_spec::size::Bytes;
use oomguard_spec::{Builtin, Document, PolicyError, Severity, builtin, read};

const NOTES: &str = include_str!("documents/notes.cspec");

fn document(text: &str) -> Document {
    read("test.cspec", text.as_bytes()).unwrap_or_else(|rejected| panic!("{rejected}"))
}

fn policy(text: &str) -> Policy {
    document(text).policy(None).unwrap_or_else(|error| panic!("{error}"))
}

fn json(policy: &Policy) -> String {
    serde_json::to_string_pretty(policy).unwrap()
}

/// The only message about a wrong policy: its code, and the help.
fn wrong(config: &str) -> (&'static str, String) {
    let document = document(&format!("memory_config:\n  {config}\n"));
    match document.policy(None) {
        Err(PolicyError::Invalid { diagnostics, .. }) => {
            assert_eq!(diagnostics.len(), 1, "{config}: {diagnostics:?}");
            assert_eq!(diagnostics[0].primary.line, 2);
            (diagnostics[0].code, diagnostics[0].help.clone().unwrap_or_default())
        }
        other => panic!("{config}: {other:?}"),
    }
}

#[test]
fn a_memory_config_with_everything() {
    let policy = policy(
        "memory_config:\n  swap: {size: 32GB, minimum: 16GB, file: /swapfile, priority: 10, encrypted: false}\n  \
         swappiness: 10\n  oom_protection:\n    systemd_user: -1000\n    tmux_sessions: -800\n    \
         services: {adnet.service: -900, a.service: {score: -500, memory_low: 2GB}}\n    load: 0\n    \
         expendable: {\"ci-job@*.service\": 500}\n  alerts:\n    \
         swap_usage: {warning: {above: 50%, for: 5m}, critical: {above: 80%}}\n    oom_events: any\n    \
         memory_pressure: {full_avg60_above: 10%, for: 1m}\n",
    );
    insta::assert_snapshot!("everything", json(&policy));
}

#[test]
fn invalid_value_is_reported_with_a_fix() {
    let cases = [
        ("swap: {size: 32 GB}", "size", "`32GB`"),
        ("swap: {size: -1GB}", "size", "32GB"),
        ("swap: {size: 1e99GB}", "size", "32GB"),
        ("swap: {size: 0.5y}", "size", "0.5x"),
        ("swap: {size: 32gb}", "size", "`32GB`"),
        ("swap: {size: 0GB}", "size", "32GB"),
        ("swap: {size: 32}", "size", "`32GB`"),
        ("swap: {size: 99999999999999999999GB}", "size", "32GB"),
        ("swap: {size: 65TB}", "size", "32GB"),
        ("swap: {minimum: 1GB}", "no-swap-size", "size: 32GB"),
        ("oom_protection: {processes: [{user: build, score: -800}]}", "no-process", "exe"),
        ("oom_protection: {processes: [{exe: /usr/bin/screen}]}", "no-score", "score: -800"),
        ("oom_protection: {processes: [{exe: screen, score: -800}]}", "process-rule", "readlink"),
        ("oom_protection: {processes: [{exe: /usr/../screen, score: -800}]}", "process-rule", "readlink"),
        ("oom_protection: {processes: [{command: 16-bytes-are-out, score: -800}]}", "process-rule", "comm"),
        ("oom_protection: {processes: [{cgroup: user.slice, score: -800}]}", "process-rule", "/user.slice"),
        ("oom_protection: {processes: [{exe: /a, user: 'a b', score: -800}]}", "process-rule", "build"),
        ("oom_protection: {processes: [{exe: /a, usr: x, score: -800}]}", "unknown-key", "`user`"),
        ("oom_protection: {processes: {exe: /a, score: -800}}", "wrong-kind", "- {exe"),
        ("agent: maybe", "true-or-false", "false"),
        ("swap: {size: 1GB, minimum: 2GB}", "minimum-above-size", "minimum"),
        ("swap: {size: 1GB, file: swapfile}", "swap-file", "/swapfile"),
        ("swap: {size: 1GB, file: /a/../b}", "swap-file", "/swapfile"),
        ("swap: {size: 1GB, file: \"/a b\"}", "swap-file", "/swapfile"),
        ("swap: {size: 1GB, file: \"/a\\tb\"}", "swap-file", "/swapfile"),
        ("swap: {size: 1GB, file: /dev/sda}", "swap-file", "/swapfile"),
        ("swap: {size: 1GB, priority: -1}", "out-of-range", "`0`"),
        ("swap: {size: 1GB, priority: 32768}", "out-of-range", "`32767`"),
        ("swap: {size: 1GB, encrypted: true}", "encrypted", "dm-crypt"),
        ("swap: {size: 1GB, prio: 1}", "unknown-key", "`priority`"),
        ("swap: [1GB]", "wrong-kind", "size"),
        ("swapiness: 10", "unknown-key", "`swappiness`"),
        ("swappiness: 201", "out-of-range", "`200`"),
        ("swappiness: 010", "out-of-range", "`10`"),
        ("swappiness: yes", "out-of-range", "`10`"),
        ("oom_protection: {systemd_user: -1001}", "out-of-range", "`-1000`"),
        ("oom_protection: {load: -800}", "protected-load", "`load: 0`"),
        ("oom_protection: {services: {adnet: -900}}", "unit", "`adnet.service`"),
        ("oom_protection: {services: {a.service: {memory_low: 1GB}}}", "no-score", "score"),
        (
            "oom_protection: {services: {a.service: 0}, expendable: {a.service: 500}}",
            "protected-and-expendable",
            "one",
        ),
        ("alerts: {swap_usage: {warning: {above: 50}}}", "percentage", "`50%`"),
        ("alerts: {swap_usage: {warning: {for: 5m}}}", "no-threshold", "above"),
        ("alerts: {memory_pressure: {full_avg60_above: 10%, for: soon}}", "time", "5m"),
        ("alerts: {oom_events: some}", "oom-events", "`any`"),
        ("alerts: {hook: tell-us}", "hook", "/usr/local/bin/tell-us"),
        ("alerts: {hook: \"/bin/tell us\"}", "hook", "stdin"),
        ("alerts: {hook: /bin/../tell}", "hook", "one program"),
        ("alerts: {hook: [a]}", "wrong-kind", "/usr/local/bin/tell-us"),
        ("alerts: {webhook: alerts.example.net}", "webhook", "https://"),
        ("alerts: {webhook: ftp://alerts.example.net}", "webhook", "https://"),
        ("alerts: {webhook: \"https:///path\"}", "webhook", "https://"),
        ("alerts: {webhook: \"https://a/b c\"}", "webhook", "https://"),
        ("alerts: {webhok: \"https://a\"}", "unknown-key", "`webhook`"),
    ];
    for (config, code, help) in cases {
        let (said, helped) = wrong(config);
        assert_eq!(said, code, "{config}");
        assert!(helped.contains(help), "{config}: {helped}");
    }
}

#[test]
fn hook_and_webhook_are_read() {
    let text = "memory_config: {swappiness: 10, alerts: {hook: /opt/tell, webhook: \"https://alerts.example.net/x?y=1\"}}\n\
                roles: {a: {memory_config: {alerts: {hook: /opt/other}}}}\n";
    let both = document(text);
    assert_eq!(both.lint(), []);
    let alerts = both.policy(None).unwrap().alerts;
    assert_eq!(alerts.hook.as_deref(), Some("/opt/tell"));
    assert_eq!(alerts.webhook.as_deref(), Some("https://alerts.example.net/x?y=1"));
    let alerts = both.policy(Some("a")).unwrap().alerts;
    assert_eq!(alerts.hook.as_deref(), Some("/opt/other"));
    assert_eq!(alerts.webhook.as_deref(), Some("https://alerts.example.net/x?y=1"));
}

#[test]
fn all_errors_are_reported_at_once() {
    let document =
        document("memory_config:\n  swap: {size: 32 GB}\n  swapiness: 10\n  oom_protection: {load: -1}\n");
    match document.policy(None) {
        Err(PolicyError::Invalid { diagnostics, .. }) => assert_eq!(diagnostics.len(), 3),
        other => panic!("{other:?}"),
    }
}

#[test]
fn roles_are_found_by_name_alias_and_default() {
    let text =
        "roles:\n  ci: {memory_config: {swappiness: 1}}\n  validator: {memory_config: {swappiness: 2}}\n";
    let two = document(text);
    assert_eq!(two.roles(), ["ci", "validator"]);
    assert_eq!(two.default_role(), None);
    assert!(matches!(two.policy(None), Err(PolicyError::WhichRole { .. })));
    assert_eq!(two.policy(Some("testnet_validators")).unwrap().swappiness, Some(2));
    match two.policy(Some("validatr")) {
        Err(PolicyError::UnknownRole { nearest, roles, .. }) => {
            assert_eq!(nearest.as_deref(), Some("validator"));
            assert_eq!(roles, ["ci", "validator"]);
        }
        other => panic!("{other:?}"),
    }
    let one = document("minimum_server_spec:\n  memory_config: {swap: 16GB}\n");
    assert_eq!(one.default_role().as_deref(), Some("minimum_server_spec"));
    assert!(one.policy(None).unwrap().swap.is_some());
    assert!(matches!(document("a: 1\n").policy(None), Err(PolicyError::NoPolicy { .. })));
}

#[test]
fn a_role_builds_on_the_memory_config_of_the_document() {
    let text = "memory_config: {swap: {size: 32GB, minimum: 16GB}, swappiness: 10}\n\
                roles: {small: {memory_config: {swap: {size: 8GB}}}}\n";
    let small = document(text).policy(Some("small")).unwrap();
    assert_eq!(small.swappiness, Some(10));
    let swap = SwapPolicy {
        size: SwapSize::Bytes(Bytes::gib(8)),
        minimum: None,
        file: "/swapfile".to_owned(),
        priority: None,
    };
    assert_eq!(small.swap, Some(swap));
}

#[test]
fn notes_of_a_session_give_policies() {
    let notes = document(NOTES);
    assert_eq!(notes.roles(), ["all_servers", "ci_servers", "testnet_validators"]);
    assert_eq!(notes.default_role().as_deref(), Some("all_servers"));
    let base = notes.policy(None).unwrap();
    assert_eq!(
        base.alerts.swap_usage.unwrap().warning,
        Some(Threshold { above_percent: 50, for_seconds: 300 })
    );
    assert_eq!(base.oom_protection, None);
    let swap = base.swap.unwrap();
    assert_eq!((swap.size, swap.minimum), (SwapSize::Bytes(Bytes::gib(16)), Some(Bytes::gib(8))));
    assert_eq!(swap.file, "/var/swapfile");
    insta::assert_snapshot!("notes_ci", json(&notes.policy(Some("ci")).unwrap()));
    insta::assert_snapshot!("notes_validator", json(&notes.policy(Some("validator")).unwrap()));
}

#[test]
fn hosts_carry_their_last_known_facts() {
    let hosts = document(NOTES).hosts();
    let names: Vec<_> = hosts.iter().map(|host| (host.name.as_str(), host.role.as_deref())).collect();
    let expected =
        [("build.example.net", Some("ci_servers")), ("node1.example.net", Some("testnet_validators"))];
    assert_eq!(names, expected);
    assert_eq!(hosts[0].last_known["status"], "operational");
    assert_eq!(hosts[0].last_known["size"], "24GB");
}

#[test]
fn unparsed_text_is_reported() {
    let lint = document(NOTES).lint();
    let said: Vec<_> = lint.iter().map(|d| (d.code, d.severity, d.primary.line)).collect();
    insta::assert_debug_snapshot!(said);
}

#[test]
fn lint_reports_scores_outside_the_bands_and_false_claims() {
    let cases = [
        ("oom_protection: {systemd_user: -850}", "band"),
        ("oom_protection: {systemd_user: -300}", "band"),
        ("oom_protection: {systemd_user: 50}", "band"),
        ("oom_protection: {systemd_user: -1000}", "never-killed"),
        ("oom_protection: {systemd_user: -800, tmux_sessions: -900}", "order"),
        ("oom_protection: {expendable: {a.service: 0}}", "band"),
        ("oom_protection: {services: {x-validator.service: -900}}\n  swap: 8GB", "swap-size"),
        ("swap: 0.25x", "swap-size"),
        ("swappiness: 0", "swappiness-zero"),
        ("swappiness: 150", "swappiness-range"),
    ];
    for (config, code) in cases {
        let document = document(&format!("memory_config:\n  {config}\n"));
        let lint: Vec<_> = document.lint().iter().map(|d| d.code).collect();
        assert_eq!(lint, [code], "{config}");
        assert!(document.policy(None).is_ok());
    }
    let deep = document("a:\n  b:\n    memory_config: {swappiness: 10}\n");
    assert_eq!(deep.lint()[0].code, "unread-config");
}

#[test]
fn built_in_roles_pass_lint() {
    for role in Builtin::ALL {
        let document = document(builtin::source(role));
        assert_eq!(document.diagnostics(), []);
        assert_eq!(document.lint(), []);
        assert_eq!(document.default_role().as_deref(), Some(role.name()));
        assert_eq!(document.to_strict_yaml(), builtin::source(role));
        assert_eq!(role.name().parse(), Ok(role));
        let policy = builtin::policy(role);
        assert_eq!(Ok(policy.clone()), document.policy(None));
        assert!(policy.swap.is_some() && policy.oom_protection.is_some() && policy.alerts.oom_events);
    }
    let ci = builtin::policy(Builtin::Ci).swap.unwrap();
    assert_eq!((ci.size, ci.minimum), (SwapSize::RamPermille(500), Some(Bytes::gib(16))));
}

#[test]
fn example_documents_pass() {
    let specs = [
        include_str!("../../../specs/ci-infrastructure.cspec"),
        include_str!("../../../specs/testnet-deployment-requirements.cspec"),
        include_str!("../../../specs/deployment.cspec"),
    ];
    for spec in specs {
        let document = document(spec);
        assert_eq!(document.diagnostics(), []);
        assert_eq!(document.lint(), []);
        assert!(!document.roles().is_empty());
        for role in document.roles() {
            assert!(document.policy(Some(&role)).is_ok(), "{role}");
        }
        assert!(
            document.hosts().iter().all(|host| host.role.is_some() && host.name.ends_with(".example.net"))
        );
        assert_eq!(document.to_strict_yaml(), spec);
    }
}

#[test]
fn errors_outrank_warnings_in_one_place() {
    let lint = document("memory_config: {swappiness: 201, swap: 0.25x}\n").lint();
    assert_eq!(lint.iter().filter(|d| d.severity == Severity::Error).count(), 1);
}

#[test]
fn process_rules_keep_their_order_with_the_role_s_own_first() {
    let document = document(
        "memory_config:\n  oom_protection:\n    processes:\n      - {command: 'tmux: server', user: 1000, score: -700}\n\
         roles:\n  ci:\n    memory_config:\n      agent: false\n      oom_protection:\n        processes:\n          \
         - {exe: /usr/bin/screen, user: build, cgroup: /user.slice, score: -800}\n",
    );
    let policy = document.policy(Some("ci")).unwrap();
    let rules = policy.oom_protection.clone().unwrap().processes;
    assert_eq!(rules.len(), 2);
    assert_eq!(rules[0].exe.as_deref(), Some("/usr/bin/screen"));
    assert_eq!((rules[0].user.as_deref(), rules[0].cgroup.as_deref()), (Some("build"), Some("/user.slice")));
    assert_eq!((rules[1].command.as_deref(), rules[1].score.get()), (Some("tmux: server"), -700));
    assert!(!policy.wants_agent());
    assert!(document.policy(None).unwrap().wants_agent());
    assert!(!Policy::default().wants_agent());
}

#[test]
fn rules_that_protect_load_or_any_user_get_a_warning() {
    let codes = |rule: &str| {
        let document = document(&format!("memory_config:\n  oom_protection:\n    processes: [{rule}]\n"));
        document.lint().iter().map(|said| said.code).collect::<Vec<_>>()
    };
    assert_eq!(codes("{exe: /usr/bin/screen, score: -800}"), [""; 0]);
    assert_eq!(codes("{command: screen, user: build, score: -800}"), [""; 0]);
    assert_eq!(codes("{command: screen, score: -800}"), ["name-only"]);
    assert_eq!(codes("{cgroup: /system.slice/a.service, score: -800}"), ["protected-cgroup"]);
    assert_eq!(codes("{exe: /a, score: -850}"), ["band"]);
}
