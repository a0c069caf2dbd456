//! The screen of `status` for people.

use oomguard_report::{ProcessStatus, StatusReport};
use oomguard_spec::size::Bytes;

use super::check::not_read;
use super::{Paint, Terminal};

/// The screen.
pub fn text(status: &StatusReport, policy: &str, terminal: &Terminal) -> String {
    let bold = |text: &str| terminal.paint(Paint::Bold, text);
    let available =
        status.available_bytes.map(|bytes| format!(", {} available", Bytes(bytes))).unwrap_or_default();
    let memory = Bytes(status.memory_bytes);
    let mut text = format!("{}: {memory} of memory{available}\npolicy: {policy}\n\n", bold(&status.host));
    text.push_str(&format!("{}\n", bold("Swap")));
    if status.swap.is_empty() {
        text.push_str(if status.is_unread("/proc/swaps") { "  unknown\n" } else { "  none\n" });
    }
    for swap in &status.swap {
        let boot = if swap.after_boot { "on after boot" } else { "NOT on after boot" };
        text.push_str(&format!(
            "  {}: {}, {} used, priority {}, by {}, {boot}\n",
            swap.path,
            Bytes(swap.size_bytes),
            Bytes(swap.used_bytes),
            swap.priority,
            swap.made_by.words()
        ));
    }
    let swappiness = status.swappiness.map_or_else(|| "unknown".to_owned(), |value| value.to_string());
    let after_boot = match (&status.swappiness_after_boot, &status.swappiness_from) {
        (Some(value), Some(place)) => format!("{value} ({place})"),
        _ => "60, the kernel's default".to_owned(),
    };
    text.push_str(&format!("{}\n  now         {swappiness}\n", bold("Swappiness")));
    text.push_str(&format!("  after boot  {after_boot}\n"));
    text.push_str(&format!("{}\n{}", bold("Memory pressure (PSI)"), pressure_words(status)));
    text.push_str(&format!("{}\n", bold("Keepers and protected processes")));
    text.push_str(&process_table(status, terminal));
    text.push_str(&not_read(&status.unread));
    text
}

fn process_table(status: &StatusReport, terminal: &Terminal) -> String {
    if status.processes.is_empty() {
        let text = if status.is_unread("/proc") { "  unknown\n" } else { "  none\n" };
        return text.to_owned();
    }
    let unit = |process: &ProcessStatus| process.unit.clone().unwrap_or_else(|| "-".to_owned());
    let widest = status.processes.iter().map(|process| unit(process).chars().count()).max().unwrap_or(0);
    let mut text = format!("  {:>7} {:<16} {:>5}  {:<widest$}  STATE\n", "PID", "NAME", "SCORE", "UNIT");
    for process in &status.processes {
        let should = match (&process.should, process.right) {
            (None, _) => "declared".to_owned(),
            (Some(_), true) => "ok".to_owned(),
            (Some(should), false) => terminal.paint(Paint::Red, &format!("SHOULD BE {should}")),
        };
        text.push_str(&format!(
            "  {:>7} {:<16} {:>5}  {:<widest$}  {should}\n",
            process.pid,
            process.comm,
            process.score,
            unit(process)
        ));
    }
    text
}

fn pressure_words(status: &StatusReport) -> String {
    let line = |who: &str, [ten, sixty, three_hundred]: [f64; 3]| {
        format!("  {who:<11} {ten}% (10 s)  {sixty}% (1 min)  {three_hundred}% (5 min)\n")
    };
    let Some(some) = status.pressure_some else { return "  unknown\n".to_owned() };
    line("some tasks", some) + &status.pressure_full.map(|full| line("all tasks", full)).unwrap_or_default()
}
