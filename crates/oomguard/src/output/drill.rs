//! A drill, for a person: the plan, the progress and the result.

use oomguard_converge::Facts;
use oomguard_drill::{Kill, Order, Outcome, Pressure, Report, Role, Scope, Told, Work};
use oomguard_spec::size::Bytes;

use super::lines::wrap;
use super::{Paint, Terminal};

/// What is about to be done.
pub fn announcement(order: &Order, facts: &Facts, policy: &str) -> String {
    let load = match &order.work {
        Work::Scene(scene) => format!("the load `{}` ({})", scene.name(), processes(scene.processes())),
        Work::Command { line, .. } => format!("`{line}`"),
    };
    let place = match order.scope {
        Scope::Cgroup => format!(
            "a unit with {} of memory and no swap; the kernel kills in it, and the host keeps the rest of the {} that are available",
            order.limit,
            Bytes(facts.memory.mem_available.unwrap_or(0))
        ),
        Scope::Host => {
            "this host, until its memory and swap are full; the kernel may kill any process".to_owned()
        }
    };
    let agent = match facts.agent.running {
        Some(_) => String::new(),
        None => "Warning: the agent does not run, so nobody protects a keeper that starts.\n".to_owned(),
    };
    format!(
        "{}\nPolicy: {policy}. The kills are real: the agent tells of them, and alerts on OOM kills come.\n{agent}",
        wrap(&format!("A tmux server with {load} in its pane, in {place}."), 0, Some(100))
    )
}

/// What has just happened, a line.
pub fn progress(told: &Told<'_>) -> String {
    match told {
        Told::Ready { unit, has_tmux, protection } => {
            let keeper = &protection.keeper;
            let instead = if *has_tmux { "" } else { "; tmux is not installed, so a shell is the keeper" };
            format!("{unit}: {} (pid {}) runs at {}{instead}\n", keeper.name, keeper.pid, keeper.score)
        }
        Told::Killed(kill) => format!("killed: {}\n", victim(kill)),
    }
}

fn victim(kill: &Kill) -> String {
    let role = match kill.role {
        Role::Keeper => "the keeper",
        Role::Shell => "the shell of the pane",
        Role::Bystander => "the bystander",
        Role::Load => "load",
        Role::Elsewhere => "no part of the drill",
    };
    let size = kill.rss_bytes.map(|bytes| format!(", {}", Bytes(bytes))).unwrap_or_default();
    let score = kill.score.map(|score| format!(", score {score}")).unwrap_or_default();
    format!("{} (pid {}), {role}{size}{score}", kill.name, kill.pid)
}

/// What came of it.
pub fn text(report: &Report, terminal: &Terminal) -> String {
    let load = report
        .scene
        .map_or_else(|| report.command.clone().unwrap_or_default(), |scene| scene.name().to_owned());
    let place = match report.limit_bytes {
        Some(limit) => format!("in {} of its own", Bytes(limit)),
        None => "in the host's memory".to_owned(),
    };
    let mut text = format!(
        "\n{}: drill `{load}` {place}, {:.1} s\npolicy: {}\n\n",
        terminal.paint(Paint::Bold, &report.host),
        report.seconds,
        report.policy
    );
    text.push_str(&format!("{}\n", terminal.paint(Paint::Bold, "Killed, in this order")));
    if report.killed.is_empty() {
        text.push_str("  nobody\n");
    }
    for (number, kill) in report.killed.iter().enumerate() {
        text.push_str(&format!("  {:>2}  {}\n", number + 1, victim(kill)));
    }
    text.push_str(&measured(report, terminal));
    text.push_str(&lost(report));
    text.push('\n');
    for tried in &report.tried {
        let (paint, word) = if tried.good { (Paint::Green, "held") } else { (Paint::Red, "NOT ") };
        text.push_str(&format!("  {}  {}\n", terminal.paint(paint, word), tried.what));
    }
    let (paint, verdict) = if report.proved {
        (Paint::Green, "Proved: memory ran out, load was killed, and nothing else.")
    } else {
        (Paint::Red, "Not proved: see what did not hold.")
    };
    text.push_str(&format!("\n{}\n", terminal.paint(paint, verdict)));
    text
}

fn measured(report: &Report, terminal: &Terminal) -> String {
    let swap = &report.swap;
    let waited = |name: &str, pressure: Option<Pressure>| match pressure {
        Some(Pressure { some_ms, full_ms }) => {
            format!("  {name} waited for memory: some of it {some_ms} ms, all of it {full_ms} ms\n")
        }
        None => format!("  {name}: the kernel does not say how long it waited for memory\n"),
    };
    let swap = if swap.total == 0 {
        "  the host has no swap\n".to_owned()
    } else {
        format!(
            "  the host's swap: {} of {} used before, {} at most, {} after\n",
            Bytes(swap.before),
            Bytes(swap.total),
            Bytes(swap.most),
            Bytes(swap.after)
        )
    };
    let title = terminal.paint(Paint::Bold, "Measured");
    let peak = format!("  the drill had {} at most\n", Bytes(report.peak_bytes));
    let (drill, host) = (waited("the drill", report.pressure_of_drill), waited("the host", report.pressure));
    format!("\n{title}\n{peak}{drill}{host}{swap}")
}

/// Those that are as before need no line each.
fn lost(report: &Report) -> String {
    let lost = report.protected.iter().filter(|process| process.outcome != Outcome::Lives);
    lost.map(|process| {
        let unit = process.unit.as_ref().map(|unit| format!(" in {unit}")).unwrap_or_default();
        format!("  lost: {} (pid {}{unit}), score {}\n", process.name, process.pid, process.score)
    })
    .collect()
}

fn processes(number: u32) -> String {
    oomguard_text::counted(number, "process", "processes")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::args::Color;

    /// What a session of docs/pictures shows after a command, without what is another in every run: numbers and units.
    fn shape(text: &str) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for line in text.lines() {
            let words = line.split_whitespace().map(|word| {
                let plain = word.trim_matches(|c: char| "(),".contains(c));
                let is_number = plain.trim_start_matches('-').parse::<f64>().is_ok()
                    || ["B", "KiB", "MiB", "GiB"].contains(&plain);
                if is_number { word.replace(plain, "N") } else { word.to_owned() }
            });
            let line = words.collect::<Vec<_>>().join(" ");
            // As many as there were in that run.
            if lines.last() != Some(&line) {
                lines.push(line);
            }
        }
        lines
    }

    /// After a change of what is printed, the session is to be taken anew from a lab host.
    #[test]
    fn the_picture_of_the_readme_is_what_a_drill_prints() {
        let picture = include_str!("../../../../docs/pictures/drill.txt");
        let shown: Vec<&str> = picture.split("$ sudo ").filter(|part| part.contains(" drill ")).collect();
        let reports = [
            include_str!("../../tests/data/drill-not-proved.json"),
            include_str!("../../tests/data/drill-proved.json"),
        ];
        assert_eq!(shown.len(), reports.len());
        for (shown, report) in shown.into_iter().zip(reports) {
            let report: Report = serde_json::from_str(report).unwrap();
            let (_, shown) = shown.split_once('\n').unwrap();
            let printed = text(&report, &Terminal::new(Color::Always));
            assert_eq!(shape(shown.trim()), shape(printed.trim()));
        }
    }
}
