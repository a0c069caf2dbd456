//! The report of `check` for people: up to three lines a finding, the summary last.

use std::collections::BTreeMap;

use oomguard_converge::facts::Unread;
use oomguard_converge::rank::First;
use oomguard_converge::{Facts, Finding, Severity};
use oomguard_report::CheckReport;
use oomguard_spec::size::Bytes;
use textwrap::core::display_width;

use super::lines::{cut, wrap};
use super::{Paint, Terminal, counted};

/// Findings of one kind that are shown without --verbose.
const MAX_OF_A_KIND: usize = 5;

/// What is left of the present state in a line that is too long.
const MIN_IS: usize = 16;

/// `CRITICAL` and a blank.
const INDENT: usize = 9;

/// How the report is printed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shown<'a> {
    /// The arguments that give the same policy to another command.
    pub args: &'a str,
    /// Show all findings, and all of their text.
    pub verbose: bool,
}

/// What could not be read.
pub fn not_read(unread: &[Unread]) -> String {
    let line = |one: &Unread| {
        // The reason often begins with the path that stands before it.
        let why = one.why.strip_prefix(&format!("cannot read {}: ", one.what)).unwrap_or(&one.why);
        format!("  {}: {why}\n    unknown: {}\n", one.what, one.unknown)
    };
    if unread.is_empty() {
        String::new()
    } else {
        format!("Cannot be read:\n{}", unread.iter().map(line).collect::<String>())
    }
}

/// The report, with what to do next.
pub fn text(report: &CheckReport, facts: &Facts, shown: Shown<'_>, terminal: &Terminal) -> String {
    let mut text = found(report, facts, shown, terminal);
    if !report.findings.is_empty() {
        text.push('\n');
    }
    let first = report.dies_first.as_ref().map(|first| cut(&first_words(first), terminal.columns()));
    text.extend(first.map(|line| line + "\n"));
    text.push_str(&summary(report, shown.args, terminal));
    text
}

/// The findings alone.
pub fn found(report: &CheckReport, facts: &Facts, shown: Shown<'_>, terminal: &Terminal) -> String {
    let mut text = format!(
        "{}: {}\npolicy: {}\n",
        terminal.paint(Paint::Bold, &report.host),
        host_words(facts),
        report.policy
    );
    text.push_str(&not_read(&report.unread));
    if !report.findings.is_empty() {
        text.push('\n');
    }
    let mut of_a_kind: BTreeMap<&str, usize> = BTreeMap::new();
    for finding in &report.findings {
        let seen = of_a_kind.entry(finding.kind.id()).or_default();
        *seen += 1;
        if shown.verbose || *seen <= MAX_OF_A_KIND {
            text.push_str(&lines(finding, shown.verbose, terminal));
        }
    }
    for (id, seen) in of_a_kind {
        let more = seen.saturating_sub(MAX_OF_A_KIND);
        if more > 0 && !shown.verbose {
            text.push_str(&format!("{:INDENT$}{more} more of {id}; --verbose lists them\n", ""));
        }
    }
    text
}

/// What is and should be; why it matters; how it is fixed.
fn lines(finding: &Finding, verbose: bool, terminal: &Terminal) -> String {
    let (mark, paint) = match finding.severity {
        Severity::Critical => ("CRITICAL", Some(Paint::Red)),
        Severity::Warning => ("warning", Some(Paint::Yellow)),
        Severity::Advice => ("advice", None),
    };
    let columns = terminal.columns();
    let fit = |line: String| if verbose { wrap(&line, INDENT + 5, columns) } else { cut(&line, columns) };
    let head = |is: &str| format!("{mark:<INDENT$}{}: {is}; should be {}", finding.subject, finding.should);
    // In a long line, the state that should be is worth more than all of the present one.
    let rest = display_width(&head(""));
    let room = columns.filter(|_| !verbose).map(|columns| columns.saturating_sub(rest).max(MIN_IS));
    let head = fit(head(&cut(&finding.is, room)));
    let head = match (paint, head.split_at_checked(mark.len())) {
        (Some(paint), Some((mark, rest))) => terminal.paint(paint, mark) + rest,
        _ => head,
    };
    let mut text = head + "\n";
    let mut line = |word: &str, said: &str| {
        if !said.is_empty() {
            text.push_str(&(fit(format!("{:INDENT$}{word:<5}{said}", "")) + "\n"));
        }
    };
    line("why:", &finding.why);
    match (&finding.fix, &finding.advice) {
        (Some(fix), _) => line("fix:", fix),
        (None, Some(advice)) => line("you:", advice),
        (None, None) => {}
    }
    text
}

fn first_words(first: &First) -> String {
    let unit = first.unit.as_ref().map(|unit| format!(" in {unit}")).unwrap_or_default();
    format!(
        "First to be killed now: {} (pid {}{unit}), {}, score {}",
        first.name,
        first.pid,
        Bytes(first.size),
        first.score
    )
}

fn host_words(facts: &Facts) -> String {
    let swap: u64 = facts.swap.on_disk().map(|area| area.size).sum();
    let swap = if swap == 0 { "no swap".to_owned() } else { format!("{} of swap", Bytes(swap)) };
    let container =
        facts.container.as_ref().map(|kind| format!(", a container ({kind})")).unwrap_or_default();
    format!("{} of memory, {swap}, Linux {}{container}", Bytes(facts.memory.mem_total), facts.kernel)
}

fn summary(report: &CheckReport, args: &str, terminal: &Terminal) -> String {
    let (critical, warnings) = (report.count(Severity::Critical), report.count(Severity::Warning));
    if report.fine {
        let fine = if report.unread.is_empty() {
            "OK: this host matches the policy."
        } else {
            "OK: everything that could be read matches the policy."
        };
        return format!("{}\n", terminal.paint(Paint::Green, fine));
    }
    let paint = if critical > 0 { Paint::Red } else { Paint::Yellow };
    let counts = match (critical, warnings) {
        (0, _) => counted(warnings, "warning"),
        (_, 0) => format!("{critical} critical"),
        _ => format!("{critical} critical, {}", counted(warnings, "warning")),
    };
    let differing = report.findings.iter().filter(|finding| finding.severity.differs());
    let fixed = differing.filter(|finding| finding.fix.is_some()).count();
    let next = match (fixed, critical + warnings) {
        (0, _) => "`apply` fixes none of these; see the lines `you:`".to_owned(),
        _ if !report.refusals.is_empty() => return refused(report) + &terminal.paint(paint, &counts) + "\n",
        (fixed, all) => {
            let fixes = match (fixed, all) {
                (1, 1) => "it".to_owned(),
                (2, 2) => "both".to_owned(),
                (fixed, all) if fixed == all => format!("all {all}"),
                (fixed, all) => format!("{fixed} of {all}"),
            };
            // A command is not broken: it is there to be copied.
            format!("`sudo oomguard apply{args}` fixes {fixes}")
        }
    };
    format!("{}: {next}\n", terminal.paint(paint, &counts))
}

/// Why `apply` would do nothing of what the findings say.
fn refused(report: &CheckReport) -> String {
    let mut text = "`apply` would be refused:\n".to_owned();
    for refusal in &report.refusals {
        text.push_str(&format!("  {}\n  -> {}\n", refusal.reason, refusal.advice));
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn finding() -> Finding {
        serde_json::from_value(serde_json::json!({
            "id": "user-manager-unprotected", "severity": "critical",
            "subject": "/etc/systemd/system/user@.service.d/50-oomguard.conf", "is": "missing",
            "should": "OOMScoreAdjust=-900, OOMPolicy=continue and ManagedOOMPreference=avoid, by the policy's systemd_user",
            "why": "a killed user manager takes every session of its user along, with all that runs in them",
            "fix": "write /etc/systemd/system/user@.service.d/50-oomguard.conf, for managers that start from now on",
            "advice": null
        }))
        .unwrap()
    }

    #[test]
    fn a_finding_has_three_lines_that_fit_the_terminal() {
        for columns in [80, 120] {
            let text = lines(&finding(), false, &Terminal::plain_with(Some(columns)));
            assert_eq!(text.lines().count(), 3, "{text}");
            assert!(text.lines().all(|line| line.chars().count() <= usize::from(columns)), "{text}");
            let mut other = finding();
            other.subject = "user@.service".to_owned();
            other.is = "OOMScoreAdjust=100 (/usr/lib/systemd/system/user@.service:4), and 200 in a drop-in"
                .to_owned();
            other.should = "OOMScoreAdjust=-900".to_owned();
            let text = lines(&other, false, &Terminal::plain_with(Some(columns)));
            assert!(text.lines().next().unwrap().ends_with("; should be OOMScoreAdjust=-900"), "{text}");
        }
        let all = lines(&finding(), true, &Terminal::plain_with(Some(80)));
        assert!(all.lines().count() > 3 && !all.contains("..."), "{all}");
        // To a pipe nothing is cut.
        let piped = lines(&finding(), false, &Terminal::plain());
        assert!(piped.lines().count() == 3 && piped.contains("by the policy's systemd_user"), "{piped}");
    }
}
