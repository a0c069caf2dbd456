//! What holds for any input.
#![allow(clippy::panic, clippy::unwrap_used)] // Helpers of tests are tests, too.

use oomguard_spec::difference::{Difference, between};
use oomguard_spec::policy::{
    Alerts, Policy, ProcessRule, Protection, ServiceRule, SwapPolicy, SwapSize, SwapUsageAlert, Threshold,
};
use oomguard_spec::score::Score;
use oomguard_spec::size::Bytes;
use oomguard_spec::unit::UnitPattern;
use oomguard_spec::{Document, Style, policy_to_document, read};
use proptest::prelude::*;

/// Everything that can be asked of a document.
fn use_all(document: &Document) {
    let lint = document.lint();
    let _ = document.render(&lint, Style::Plain);
    let _ = document.render(document.diagnostics(), Style::Colour);
    let _ = document.hosts();
    for role in document.roles() {
        let _ = document.policy(Some(&role));
    }
    let strict = document.to_strict_yaml();
    let again = read("again.cspec", strict.as_bytes()).unwrap_or_else(|rejected| panic!("{rejected}"));
    assert_eq!(again.to_json(), document.to_json());
    assert_eq!(again.diagnostics(), []);
    assert_eq!(again.to_strict_yaml(), strict);
    let others: serde_json::Value =
        serde_saphyr::from_str(&strict).unwrap_or_else(|error| panic!("{error}\n{strict}"));
    assert_eq!(others, document.to_json());
}

/// Lines that documents are made of, good and bad.
fn line() -> impl Strategy<Value = String> {
    let indent = prop::sample::select(vec!["", "  ", "    ", "      ", "- ", "  - ", "    - "]);
    let key = prop::sample::select(vec![
        "a",
        "b",
        "swap",
        "size",
        "memory_config",
        "swappiness",
        "oom_protection",
        "roles",
        "ci",
        "\"q\"",
        "yes",
        "~",
        "null",
        "1",
        "true",
        "alerts",
    ]);
    let value = prop::sample::select(vec![
        "",
        "1",
        "32GB",
        "\"a\" b",
        "'c' d  # e",
        "|",
        ">-",
        "[x, yes]",
        "{a: 1, a: 1}",
        "0.5x",
        "-900",
        "text  ",
        "*x",
        "&x y",
        "\t1",
        "\"open",
        "{",
        "010",
        "2026-01-23",
        "\"\\e\"",
        "|+",
    ]);
    let pair = (indent, key, value).prop_map(|(indent, key, value)| format!("{indent}{key}: {value}"));
    prop_oneof![8 => pair, 1 => Just(String::new()), 1 => Just("# note".to_owned()), 1 => Just("  more text".to_owned())]
}

fn score(low: i32) -> impl Strategy<Value = Score> {
    (low..=1000).prop_map(|n| Score::new(n).unwrap())
}

fn bytes() -> impl Strategy<Value = Bytes> {
    prop_oneof![(1u64 << 20..=64 << 40).prop_map(Bytes), (1u64..=65536).prop_map(Bytes::gib)]
}

fn unit(prefix: &'static str) -> impl Strategy<Value = UnitPattern> {
    prop_oneof!["[a-z][a-z0-9:_.\\\\-]{0,12}", "[a-z]{1,5}[@-]\\*"]
        .prop_map(move |stem| UnitPattern::parse(&format!("{prefix}{stem}.service")).unwrap())
}

fn threshold() -> impl Strategy<Value = Threshold> {
    (0u8..=100, any::<u32>())
        .prop_map(|(above_percent, for_seconds)| Threshold { above_percent, for_seconds })
}

fn swap() -> impl Strategy<Value = SwapPolicy> {
    let size =
        prop_oneof![bytes().prop_map(SwapSize::Bytes), (1u32..=16_000).prop_map(SwapSize::RamPermille)];
    let file = "(/[a-zA-Z0-9_.é-]{1,9}x){1,4}".prop_filter("no folder of devices", |file| {
        !["/dev/", "/proc/", "/sys/", "/run/"].iter().any(|folder| file.starts_with(folder))
    });
    (size, prop::option::of(bytes()), file, prop::option::of(0i16..)).prop_map(
        |(size, minimum, file, priority)| {
            let minimum = match size {
                SwapSize::Bytes(size) => minimum.map(|minimum| minimum.min(size)),
                SwapSize::RamPermille(_) => minimum,
            };
            SwapPolicy { size, minimum, file, priority }
        },
    )
}

fn protection() -> impl Strategy<Value = Protection> {
    let rule = (score(-1000), prop::option::of(bytes()))
        .prop_map(|(score, memory_low)| ServiceRule { score, memory_low });
    let services = prop::collection::btree_map(unit("s"), rule, 0..4);
    let expendable = prop::collection::btree_map(unit("e"), score(-1000), 0..4);
    let processes = prop::collection::vec(process(), 0..4);
    let keepers = (prop::option::of(score(-1000)), prop::option::of(score(-1000)));
    (keepers, services, score(0), expendable, processes).prop_map(
        |((systemd_user, tmux_sessions), services, load, expendable, processes)| Protection {
            systemd_user,
            tmux_sessions,
            services,
            load,
            expendable,
            processes,
        },
    )
}

fn process() -> impl Strategy<Value = ProcessRule> {
    let path = || prop::option::of("(/[a-zA-Z0-9_é:-][a-z.: #é@{-]{0,6}x){1,3}");
    let command = prop::option::of("[a-z(:#-][a-zA-Z: ,'\"{}é]{0,4}[a-z)]");
    let user = prop::option::of("[a-z0-9_][a-z0-9_.$-]{0,20}");
    (path(), command, user, path(), score(-1000))
        .prop_map(|(exe, command, user, cgroup, score)| ProcessRule { exe, command, user, cgroup, score })
        .prop_filter("names a process", |rule| {
            rule.exe.is_some() || rule.command.is_some() || rule.cgroup.is_some()
        })
}

fn policy() -> impl Strategy<Value = Policy> {
    let usage = (prop::option::of(threshold()), prop::option::of(threshold()))
        .prop_map(|(warning, critical)| SwapUsageAlert { warning, critical });
    let hook = prop::option::of("(/[a-zA-Z0-9_.é:#-]{1,9}x){1,4}");
    let webhook = prop::option::of("https?://[a-z0-9.-]{1,9}x(:[0-9]{1,4})?(/[a-zA-Z0-9%&=?#@~-]{0,9}){0,3}");
    let alerts = (prop::option::of(usage), any::<bool>(), prop::option::of(threshold()), hook, webhook)
        .prop_map(|(swap_usage, oom_events, memory_pressure, hook, webhook)| Alerts {
            swap_usage,
            oom_events,
            memory_pressure,
            hook,
            webhook,
        });
    let agent = prop::option::of(any::<bool>());
    (prop::option::of(swap()), prop::option::of(0u8..=200), prop::option::of(protection()), alerts, agent)
        .prop_map(|(swap, swappiness, oom_protection, alerts, agent)| Policy {
            swap,
            swappiness,
            oom_protection,
            alerts,
            agent,
        })
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        match read("any.cspec", &bytes) {
            Ok(document) => use_all(&document),
            Err(rejected) => drop(rejected.render(Style::Plain)),
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in "[-a-c0:,\\[\\]{}\"'#|> \n\t&*!%~?é]{0,80}") {
        match read("any.cspec", text.as_bytes()) {
            Ok(document) => use_all(&document),
            Err(rejected) => drop(rejected.render(Style::Plain)),
        }
    }

    #[test]
    fn plausible_documents_are_read_or_rejected_and_format_stably(lines in prop::collection::vec(line(), 0..14)) {
        match read("any.cspec", lines.join("\n").as_bytes()) {
            Ok(document) => use_all(&document),
            Err(rejected) => prop_assert!(!rejected.diagnostics.is_empty()),
        }
    }

    #[test]
    fn a_policy_reads_back_as_it_was_written(policy in policy(), role in "[a-z]{1,8}|yes|[0-9]{1,4}|[ -~]{1,9}x") {
        let text = policy_to_document(&policy, &role);
        let document = read("written.cspec", text.as_bytes()).unwrap_or_else(|rejected| panic!("{rejected}"));
        prop_assert_eq!(document.diagnostics(), []);
        prop_assert_eq!(document.default_role(), Some(role));
        let again = document.policy(None).unwrap_or_else(|error| panic!("{error}\n{text}"));
        prop_assert_eq!(again, policy);
        prop_assert_eq!(document.to_strict_yaml(), text);
    }
}

proptest! {
    /// Nothing that a policy asks is left out of a comparison, and nothing differs from itself.
    #[test]
    fn policies_differ_exactly_where_a_setting_does(a in policy(), b in policy(), part in 0..10) {
        prop_assert_eq!(between(&a, &a), []);
        let mut mixed = a.clone();
        match part {
            0 => mixed.swap = b.swap,
            1 => mixed.swappiness = b.swappiness,
            2 => mixed.oom_protection = b.oom_protection,
            3 => mixed.alerts = b.alerts,
            4 => mixed.agent = b.agent,
            5 => mixed.alerts.hook = b.alerts.hook,
            6 => mixed.alerts.swap_usage = b.alerts.swap_usage,
            part => {
                if let (Some(mine), Some(theirs)) = (&mut mixed.oom_protection, b.oom_protection) {
                    match part {
                        7 => mine.processes = theirs.processes,
                        8 => mine.services = theirs.services,
                        _ => mine.expendable = theirs.expendable,
                    }
                }
            }
        }
        let found = between(&a, &mixed);
        prop_assert_eq!(found.is_empty(), a == mixed, "{:?}", found);
        // The other way round it is the same settings.
        let back = between(&mixed, &a);
        let turned: Vec<Difference> = back
            .into_iter()
            .map(|one| Difference { before: one.after, after: one.before, ..one })
            .collect();
        prop_assert_eq!(found, turned);
    }
}

#[test]
fn an_empty_policy_reads_back() {
    let text = policy_to_document(&Policy::default(), "x");
    assert_eq!(read("x", text.as_bytes()).unwrap().policy(None), Ok(Policy::default()));
}
