//! What is readable and still probably wrong.

use super::partial::{At, Partial};
use crate::builtin::Builtin;
use crate::diagnostic::{Severity, Sink};
use crate::node::{Node, Value};
use crate::policy::SwapSize;
use crate::score::Score;
use crate::size::Bytes;
use crate::text::quoted;

/// The least swap for a validator.
const VALIDATOR_SWAP: Bytes = Bytes::gib(16);

/// Looks at the policy of one role.
pub(crate) fn role(name: &str, partial: &Partial, sink: &mut Sink<'_>) {
    keeper("the user manager", partial.systemd_user.as_ref(), sink);
    keeper("a tmux server", partial.tmux_sessions.as_ref(), sink);
    for (unit, rule) in &partial.services {
        let score = At { value: rule.value.score, range: rule.range.clone() };
        keeper(&format!("`{unit}`"), Some(&score), sink);
    }
    for rule in &partial.processes {
        let score = At { value: rule.value.score, range: rule.range.clone() };
        keeper("a process that this rule names", Some(&score), sink);
        super::processes::lint(rule, sink);
    }
    for (unit, score) in &partial.expendable {
        if score.value.get() < 100 {
            let message = format!(
                "`{unit}` is expendable, but a score of {} hardly makes it the first to be killed",
                score.value
            );
            sink.warning("band", &score.range, message, "write 100 to 1000, such as `500`");
        }
    }
    order(partial, sink);
    sizes(name, partial, sink);
    swappiness(partial, sink);
    if partial.swap.is_none() && partial.swappiness.is_none() && partial.protection.is_none() {
        let alerts = partial.swap_usage.is_some()
            || partial.oom_events == Some(true)
            || partial.memory_pressure.is_some();
        if !alerts {
            let message = format!("the policy of {} is empty", quoted(name));
            sink.warning("empty-policy", &(0..0), message, "add `swap`, `swappiness` or `oom_protection`");
        }
    }
}

/// The bands: critical -1000 to -900, important -800 to -500, normal 0, expendable 100 to 1000.
fn keeper(what: &str, score: Option<&At<Score>>, sink: &mut Sink<'_>) {
    let Some(At { value, range }) = score else { return };
    match value.get() {
        -1000 => {
            let message = format!(
                "-1000 exempts {what} from the OOM killer; if nothing else is left to kill, the kernel panics"
            );
            sink.note("never-killed", range, message, "write -900: killed last, and the host survives");
        }
        -999..=-900 | -800..=-500 | 0 => {}
        -899..=-801 | -499..=-1 | 1..=99 => {
            let nearest =
                [-900, -800, -500, 0, 100].into_iter().min_by_key(|edge: &i32| (edge - value.get()).abs());
            let message = format!(
                "{value} for {what} is between the bands (critical -1000 to -900, important -800 to -500, normal 0, \
                 expendable 100 to 1000)"
            );
            sink.warning("band", range, message, &format!("write for example {}", nearest.unwrap_or(0)));
        }
        _ => {
            let message = format!(
                "{value} makes {what} one of the first to be killed, although it is listed for protection"
            );
            sink.warning("band", range, message, "write -900 (critical) or -800 (important)");
        }
    }
}

fn order(partial: &Partial, sink: &mut Sink<'_>) {
    if let (Some(tmux), Some(manager)) = (&partial.tmux_sessions, &partial.systemd_user)
        && tmux.value < manager.value
    {
        let other = [(manager.range.clone(), "the user manager".to_owned())];
        let message = format!(
            "tmux servers ({}) are protected more than the user manager ({}); those that run as its units die with it",
            tmux.value, manager.value
        );
        let help = "give the user manager the lower score";
        sink.push(Severity::Warning, "order", &tmux.range, &other, message, help);
    }
}

fn sizes(name: &str, partial: &Partial, sink: &mut Sink<'_>) {
    let Some(size) = &partial.size else { return };
    match size.value {
        SwapSize::Bytes(bytes) if is_validator(name, partial) && bytes < VALIDATOR_SWAP => {
            let message =
                format!("{bytes} of swap is less than the {VALIDATOR_SWAP} recommended for a validator");
            sink.warning("swap-size", &size.range, message, "write `16GB` or more");
        }
        SwapSize::RamPermille(share) if !(500..=1000).contains(&share) => {
            let message = "the recommended swap size is 0.5x to 1x of memory".to_owned();
            sink.warning("swap-size", &size.range, message, "write `0.5x` to `1x`; 0.5x is enough for CI");
        }
        SwapSize::RamPermille(_) if is_validator(name, partial) && partial.minimum.is_none() => {
            let message = format!(
                "on a host with little memory, this share is less than the {VALIDATOR_SWAP} recommended for a validator"
            );
            sink.note("swap-size", &size.range, message, "add `minimum: 16GB`");
        }
        _ => {}
    }
    if let Some(minimum) =
        partial.minimum.as_ref().filter(|at| is_validator(name, partial) && at.value < VALIDATOR_SWAP)
    {
        let message = format!(
            "a minimum of {} of swap is less than the {VALIDATOR_SWAP} recommended for a validator",
            minimum.value
        );
        sink.warning("swap-size", &minimum.range, message, "write `minimum: 16GB`");
    }
}

fn is_validator(name: &str, partial: &Partial) -> bool {
    name.parse() == Ok(Builtin::Validator)
        || name.contains("validator")
        || partial.services.keys().any(|unit| unit.as_str().contains("validator"))
}

fn swappiness(partial: &Partial, sink: &mut Sink<'_>) {
    let Some(At { value, range }) = &partial.swappiness else { return };
    if *value == 0 {
        let message = "swappiness 0 does not disable swap: the kernel swaps only when the file cache is nearly exhausted";
        let help = "write 10: the kernel prefers memory and still swaps before the OOM killer runs";
        sink.warning("swappiness-zero", range, message.to_owned(), help);
    } else if *value > 100 {
        let message =
            format!("swappiness {value} requires Linux 5.8 or later; before that, the maximum is 100");
        sink.note(
            "swappiness-range",
            range,
            message,
            "values above 100 are for swap that is faster than the disk, such as zram",
        );
    }
}

/// Looks at what a document says besides its policies.
pub(crate) fn document(root: &Node, source: &str, sink: &mut Sink<'_>) {
    if let Some(practice) = root.get("best_practices").and_then(|practices| practices.get("swappiness")) {
        swap_disabled_claim(practice, source, sink);
    }
    for entry in root.entries().unwrap_or_default() {
        let depth = if matches!(entry.key.text.as_str(), "roles") { 2 } else { 1 };
        if entry.key.text != "memory_config" {
            unread_config(&entry.value, depth, sink);
        }
    }
}

/// `0 = swap disabled` is widely believed and not so.
fn swap_disabled_claim(practice: &Node, source: &str, sink: &mut Sink<'_>) {
    let mut at = practice.range.start;
    for line in source.get(practice.range.clone()).unwrap_or_default().split_inclusive('\n') {
        if let Some(claim) = line
            .find("0 = swap disabled")
            .filter(|from| !line[..*from].ends_with(|c: char| c.is_ascii_digit()))
        {
            let range = at + claim..at + claim + "0 = swap disabled".len();
            let message = "swappiness 0 does not disable swap: the kernel swaps only when the file cache is nearly exhausted";
            let help = "write `0 = swap only when the file cache is nearly exhausted`; the range is 0 to 200 since Linux 5.8";
            sink.note("swappiness-claim", &range, message.to_owned(), help);
        }
        at += line.len();
    }
}

/// A `memory_config` too deep to be a role's would otherwise be ignored in silence.
fn unread_config(node: &Node, levels: usize, sink: &mut Sink<'_>) {
    match &node.value {
        Value::Scalar(_) => {}
        Value::Sequence(items) => items.iter().for_each(|item| unread_config(item, 0, sink)),
        Value::Mapping(entries) => {
            for entry in entries {
                if entry.key.text == "memory_config" && levels != 1 && entry.value.entries().is_some() {
                    let message =
                        "this `memory_config` is ignored: it is nested too deep to belong to a role"
                            .to_owned();
                    let help = "move it to the top level, or under `ROLE:` or `roles: {ROLE: ...}`";
                    sink.warning("unread-config", &entry.key_range, message, help);
                }
                unread_config(&entry.value, levels.saturating_sub(1), sink);
            }
        }
    }
}
