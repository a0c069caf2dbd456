//! Alerts as a session's notes state them: `alert if >50% for >5 minutes`.

use super::partial::Partial;
use super::requirements::pairs;
use super::values;
use crate::diagnostic::Sink;
use crate::node::{Entry, Node};
use crate::policy::{SwapUsageAlert, Threshold};
use crate::text::quoted;

/// Reads `monitoring.recommended`.
pub(crate) fn read(root: &Node, partial: &mut Partial, sink: &mut Sink<'_>) {
    let Some(recommended) = root.get("monitoring").and_then(|monitoring| monitoring.get("recommended"))
    else {
        return;
    };
    for entry in pairs(recommended) {
        one(entry, partial, sink);
    }
}

fn one(entry: &Entry, partial: &mut Partial, sink: &mut Sink<'_>) {
    let text = entry.value.text().unwrap_or_default();
    let mut usage = partial.swap_usage.unwrap_or(SwapUsageAlert { warning: None, critical: None });
    let stated = threshold(text);
    match (entry.key.text.as_str(), stated) {
        ("swap_usage_warning", Some(found)) => {
            usage.warning = Some(found);
            partial.swap_usage = Some(usage);
        }
        ("swap_usage_critical", Some(found)) => {
            usage.critical = Some(found);
            partial.swap_usage = Some(usage);
        }
        ("memory_pressure", Some(found)) => partial.memory_pressure = Some(found),
        ("oom_events", _) if text.starts_with("alert on any") || text == "any" => {
            partial.oom_events = Some(true)
        }
        // What is normal, and what to look at: said, and no threshold.
        ("swap_usage", None) if text.starts_with("should stay") => {
            let message = "this describes normal usage and defines no alert".to_owned();
            sink.note(
                "no-alert",
                &entry.value.range,
                message,
                "to define an alert, write `swap_usage_warning: alert if >10%`",
            );
        }
        ("memory_pressure", None) if text.starts_with("monitor") => {
            let message = "memory pressure has no threshold, so no alert is defined";
            let help = "write `memory_pressure: alert if >10% for >1 minute`";
            sink.note("no-alert", &entry.value.range, message.to_owned(), help);
        }
        (key, _) => {
            let message =
                format!("cannot parse {} as an alert; it is ignored", quoted(&format!("{key}: {text}")));
            let help = "write `swap_usage_warning: alert if >50% for >5 minutes`, and likewise `swap_usage_critical`, \
                        `memory_pressure`, `oom_events: alert on any`";
            sink.warning("not-understood", &entry.value.range, message, help);
        }
    }
}

/// `alert if >50%`, `alert if >50% for >5 minutes`.
fn threshold(text: &str) -> Option<Threshold> {
    let rest = text.strip_prefix("alert if")?.trim_start().strip_prefix('>')?.trim_start();
    let (percent, rest) = rest.split_once('%')?;
    let above_percent = percent.parse::<u8>().ok().filter(|percent| *percent <= 100)?;
    let rest = rest.trim();
    let for_seconds = match rest.strip_prefix("for") {
        None if rest.is_empty() => 0,
        None => return None,
        Some(time) => values::parse_seconds(time.trim_start_matches([' ', '>']))?,
    };
    Some(Threshold { above_percent, for_seconds })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threshold_parses_alert_sentences() {
        let is = |above_percent, for_seconds| Some(Threshold { above_percent, for_seconds });
        assert_eq!(threshold("alert if >50% for >5 minutes"), is(50, 300));
        assert_eq!(threshold("alert if > 80%"), is(80, 0));
        assert_eq!(threshold("alert if >80% sometimes"), None);
        assert_eq!(threshold("alert if >800%"), None);
        assert_eq!(threshold("should stay <10%"), None);
    }
}
