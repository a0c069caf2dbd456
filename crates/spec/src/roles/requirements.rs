//! Policies as a session's notes state them: `deployment_requirements`, with `configuration_details`, `monitoring`
//! and `future_work` for the numbers. Text that is not understood is said so, never dropped in silence.

use std::ops::Range;

use super::monitoring;
use super::partial::{At, Partial};
use super::values;
use crate::diagnostic::Sink;
use crate::node::{Entry, Node};
use crate::policy::{ServiceRule, SwapSize};
use crate::score::Score;
use crate::text::{nearest, quoted};

const KEYS: [&str; 9] = [
    "swap_minimum",
    "swap_recommended",
    "swap_required",
    "swappiness",
    "fstab_entry",
    "sysctl_conf",
    "reason",
    "oom_protection",
    "rationale",
];

/// What holds for every role of such a document.
pub(crate) fn common(root: &Node, sink: &mut Sink<'_>) -> Partial {
    let mut partial = Partial::default();
    for entry in root
        .get("configuration_details")
        .and_then(|d| d.get("swap_settings"))
        .and_then(Node::entries)
        .into_iter()
        .flatten()
    {
        let (node, range) = (&entry.value, entry.value.range.clone());
        match entry.key.text.as_str() {
            "size" => partial.size = values::swap_size(node, sink).map(|value| At { value, range }),
            "location" | "file" => {
                partial.file = values::swap_file(node, sink).map(|value| At { value, range })
            }
            "swappiness" => {
                partial.swappiness = values::swappiness(node, sink).map(|value| At { value, range })
            }
            "rationale" | "reason" => {}
            _ => not_understood(&entry.key_range, &entry.key.text, "size, location, swappiness", sink),
        }
        partial.swap.get_or_insert_with(|| entry.key_range.clone());
    }
    scores_in_words(root, sink);
    monitoring::read(root, &mut partial, sink);
    partial
}

/// `validators: recommended (not automated yet)`, where a score should stand.
fn scores_in_words(root: &Node, sink: &mut Sink<'_>) {
    let scores = root.get("configuration_details").and_then(|details| details.get("oom_protection"));
    for entry in scores.and_then(Node::entries).unwrap_or_default() {
        let text = entry.value.text().unwrap_or_default();
        let is_score =
            text.starts_with(|c: char| c.is_ascii_digit() || "-+".contains(c)) || text.contains('=');
        if is_score || matches!(entry.key.text.as_str(), "rationale" | "reason") {
            continue;
        }
        let message = format!("{} is not a score; it is ignored", quoted(text));
        let help = "scores of validators are read from `future_work.validator_oom_protection`";
        if entry.key.text == "validators" && text.starts_with("recommended") {
            sink.note("not-understood", &entry.value.range, message, help);
        } else {
            sink.warning(
                "not-understood",
                &entry.value.range,
                message,
                "write a whole number, such as `-900`",
            );
        }
    }
}

/// A minimum alone is also what is wanted.
pub(crate) fn minimum_is_size(mut partial: Partial) -> Partial {
    if let (None, Some(minimum)) = (&partial.size, &partial.minimum) {
        partial.size = Some(At { value: SwapSize::Bytes(minimum.value), range: minimum.range.clone() });
    }
    partial
}

/// What one role states: a list of single pairs, or a mapping.
pub(crate) fn role(root: &Node, node: &Node, sink: &mut Sink<'_>) -> Partial {
    let mut partial = Partial::default();
    let mut required = None;
    for entry in pairs(node) {
        let (value, range) = (&entry.value, entry.value.range.clone());
        match entry.key.text.as_str() {
            "swap_minimum" => {
                partial.swap = Some(entry.key_range.clone());
                partial.minimum = values::size(value, sink).map(|value| At { value, range });
            }
            "swap_recommended" => {
                partial.swap = Some(entry.key_range.clone());
                partial.size = values::swap_size(value, sink).map(|value| At { value, range });
            }
            "swap_required" => {
                partial.swap = Some(entry.key_range.clone());
                required = Some(value);
            }
            "swappiness" => {
                partial.swappiness = values::swappiness(value, sink).map(|value| At { value, range })
            }
            // Swap and swappiness are always made to last.
            "fstab_entry" | "sysctl_conf"
                if value.text().is_some_and(|text| text.starts_with("required")) => {}
            "reason" | "rationale" => {}
            "oom_protection" => protection(root, entry, &mut partial, sink),
            key => not_understood(&entry.key_range, key, &KEYS.join(", "), sink),
        }
    }
    if let Some(node) = required {
        swap_required(node, &mut partial, sink);
    }
    partial
}

/// The pairs of a mapping, or of a list of mappings.
pub(crate) fn pairs(node: &Node) -> impl Iterator<Item = &Entry> {
    let of_items = node.items().into_iter().flatten().filter_map(Node::entries).flatten();
    node.entries().into_iter().flatten().chain(of_items)
}

fn not_understood(range: &Range<usize>, key: &str, known: &str, sink: &mut Sink<'_>) {
    let message = format!("unknown requirement {}; it is ignored", quoted(key));
    let help = match nearest(key, KEYS) {
        Some(meant) if meant != key => format!("did you mean `{meant}`?"),
        _ => format!("known requirements: {known}"),
    };
    sink.warning("not-understood", range, message, &help);
}

/// `32GB`, or `16GB minimum, 32GB recommended`.
fn swap_required(node: &Node, partial: &mut Partial, sink: &mut Sink<'_>) {
    let text = node.text().unwrap_or_default();
    let range = || node.range.clone();
    for part in text.split(',').map(str::trim) {
        let mut words = part.split_whitespace();
        let first = words.next().unwrap_or_default();
        let at_least = first.ends_with('+');
        let word = words.next();
        let parsed = values::parse_swap_size(first.trim_end_matches('+'));
        match (parsed, word, words.next()) {
            (Ok(SwapSize::Bytes(bytes)), Some("minimum"), None) => {
                partial.minimum = Some(At { value: bytes, range: range() });
            }
            (Ok(size), Some("recommended"), None) => partial.size = Some(At { value: size, range: range() }),
            (Ok(size), None | Some("required"), None) => {
                partial.size = Some(At { value: size, range: range() });
                if let SwapSize::Bytes(bytes) = size {
                    partial.minimum = Some(At { value: bytes, range: range() });
                }
            }
            _ => {
                let message = format!("cannot parse {} as an amount of swap", quoted(part));
                let help = "write `32GB`, or `16GB minimum, 32GB recommended`";
                sink.warning("not-understood", &node.range, message, help);
            }
        }
        if at_least && partial.size.is_none() {
            partial.size =
                partial.minimum.as_ref().map(|at| At { value: SwapSize::Bytes(at.value), range: range() });
        }
    }
}

/// `systemd_user, tmux_sessions` names scores; `recommended for validator processes` speaks of the validators'.
fn protection(root: &Node, entry: &Entry, partial: &mut Partial, sink: &mut Sink<'_>) {
    let range = &entry.value.range;
    partial.protection = Some(entry.key_range.clone());
    let text = entry.value.text().unwrap_or_default();
    let scores = root.get("configuration_details").and_then(|details| details.get("oom_protection"));
    if text.split_whitespace().any(|word| word.starts_with("validator")) {
        return validators(root, range, partial, sink);
    }
    for name in text.split(',').map(str::trim) {
        let stated = scores.and_then(|scores| scores.get(name));
        match (name, stated) {
            ("systemd_user", Some(node)) => partial.systemd_user = leading_score(node, sink),
            ("tmux_sessions", Some(node)) => partial.tmux_sessions = leading_score(node, sink),
            (name, Some(node)) if name.ends_with(".service") => {
                if let (Some(unit), Some(score)) =
                    (values::unit(name, range, sink), leading_score(node, sink))
                {
                    let value = ServiceRule { score: score.value, memory_low: None };
                    partial.services.insert(unit, At { value, range: score.range });
                }
            }
            _ => {
                let message =
                    format!("{} has no score in `configuration_details.oom_protection`", quoted(name));
                let help = "write `systemd_user, tmux_sessions`, and add a score for each";
                sink.warning("not-understood", range, message, help);
            }
        }
    }
}

fn validators(root: &Node, range: &Range<usize>, partial: &mut Partial, sink: &mut Sink<'_>) {
    let stated = root.get("future_work").and_then(|work| work.get("validator_oom_protection"));
    let score = stated.and_then(|stated| stated.get("oom_score")).and_then(|node| leading_score(node, sink));
    let services = stated.and_then(|stated| stated.get("services")).and_then(Node::items);
    let (Some(score), Some(services)) = (score, services) else {
        let message = "validator protection has no score or no services".to_owned();
        let help = "add `services` and `oom_score` under `future_work.validator_oom_protection`";
        sink.warning("not-understood", range, message, help);
        return;
    };
    for service in services {
        if let Some(unit) = values::unit(service.text().unwrap_or_default(), &service.range, sink) {
            let value = ServiceRule { score: score.value, memory_low: None };
            partial.services.insert(unit, At { value, range: score.range.clone() });
        }
    }
}

/// A score that may be followed by a remark: `-900 (high protection, not absolute)`, `oom_score_adj=-1000`.
fn leading_score(node: &Node, sink: &mut Sink<'_>) -> Option<At<Score>> {
    let text = node.text().unwrap_or_default();
    let bare = text.strip_prefix("oom_score_adj=").unwrap_or(text);
    let (number, remark) = bare.split_once(char::is_whitespace).unwrap_or((bare, ""));
    let found = number
        .parse::<i32>()
        .ok()
        .and_then(Score::new)
        .filter(|_| remark.is_empty() || remark.starts_with('('));
    if found.is_none() {
        let message = format!("cannot parse {} as a score", quoted(text));
        sink.warning(
            "not-understood",
            &node.range,
            message,
            "write a whole number from -1000 to 1000, such as `-900`",
        );
    }
    found.map(|value| At { value, range: node.range.clone() })
}
