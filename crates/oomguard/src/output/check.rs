//! The report of `check`: JSON for programs, a short table for a tired person.

use std::collections::BTreeMap;

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width};
use oomguard_converge::facts::Unread;
use oomguard_converge::rank::First;
use oomguard_converge::{Facts, Finding, Severity};
use oomguard_report::CheckReport;
use oomguard_spec::size::Bytes;

use super::wrap::wrap;
use super::{Paint, Terminal, counted};

/// More findings of one kind than this are shown as one line.
const SHOWN_OF_A_KIND: usize = 5;

/// `CRITICAL` with a blank on each side.
const MARK_WIDTH: u16 = 10;

/// What could not be read, for a person.
pub fn not_read(unread: &[Unread]) -> String {
    let line = |one: &Unread| {
        // The reason often begins with the path that stands before it.
        let why = one.why.strip_prefix(&format!("cannot read {}: ", one.what)).unwrap_or(&one.why);
        format!("  {}: {why}\n    not known: {}\n", one.what, one.unknown)
    };
    if unread.is_empty() {
        String::new()
    } else {
        format!("Cannot be read:\n{}", unread.iter().map(line).collect::<String>())
    }
}

/// The report for a person: the table comes last, and the verdict after it.
pub fn table(report: &CheckReport, facts: &Facts, args: &str, terminal: &Terminal) -> String {
    let mut text = found(report, facts, terminal);
    text.push_str(&verdict(report, args, terminal));
    let first = report.dies_first.as_ref().map(|first| wrap(&first_words(first), terminal.width().into()));
    text.extend(first.map(|line| line + "\n"));
    text
}

/// The table alone, without what to type next.
pub fn found(report: &CheckReport, facts: &Facts, terminal: &Terminal) -> String {
    let mut text = format!(
        "{}: {}\npolicy: {}\n",
        terminal.paint(Paint::Bold, &report.host),
        host_words(facts),
        report.policy
    );
    text.push_str(&not_read(&report.unread));
    if !report.findings.is_empty() {
        text.push_str(&findings_table(&report.findings, terminal.width()));
        text.push('\n');
    }
    text
}

fn first_words(first: &First) -> String {
    let unit = first.unit.as_ref().map(|unit| format!(" in {unit}")).unwrap_or_default();
    format!(
        "Killed first if memory ran out now: {} (pid {}{unit}), {}, score {}.",
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

fn findings_table(findings: &[Finding], width: u16) -> String {
    // A blank stands between two columns.
    let column = width.saturating_sub(MARK_WIDTH + 3) / 3;
    // A blank on each side of a cell.
    let cell = |text: &str| wrap(text, usize::from(column.saturating_sub(2)));
    let mut table = Table::new();
    table
        .load_style(UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(width)
        .set_header(["", "What is wrong", "Why it matters", "What `apply` does"]);
    let mut of_a_kind: BTreeMap<&str, usize> = BTreeMap::new();
    for finding in findings {
        let seen = of_a_kind.entry(finding.kind.id()).or_default();
        *seen += 1;
        if *seen <= SHOWN_OF_A_KIND {
            table.add_row([
                mark(finding.severity).to_owned(),
                cell(&wrong(finding)),
                cell(&finding.why),
                cell(&action(finding)),
            ]);
        }
    }
    for (id, seen) in of_a_kind.into_iter().filter(|(_, seen)| *seen > SHOWN_OF_A_KIND) {
        let more = format!("and {} more of {id}; `--format json` lists them all", seen - SHOWN_OF_A_KIND);
        table.add_row([String::new(), cell(&more), String::new(), String::new()]);
    }
    for (at, width) in [MARK_WIDTH, column, column, column].into_iter().enumerate() {
        if let Some(column) = table.column_mut(at) {
            column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(width)));
        }
    }
    table.trim_fmt()
}

fn mark(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "CRITICAL",
        Severity::Warning => "warning",
        Severity::Advice => "advice",
    }
}

fn wrong(finding: &Finding) -> String {
    format!("{}\nis {}\nshould be {}", finding.subject, finding.is, finding.should)
}

fn action(finding: &Finding) -> String {
    match (&finding.fix, &finding.advice) {
        (Some(fix), _) => fix.clone(),
        (None, Some(advice)) => format!("nothing; {advice}"),
        (None, None) => "nothing".to_owned(),
    }
}

fn verdict(report: &CheckReport, args: &str, terminal: &Terminal) -> String {
    let (critical, warnings) = (report.count(Severity::Critical), report.count(Severity::Warning));
    if report.fine {
        let fine = if report.unread.is_empty() {
            "Fine: this host is as the policy says."
        } else {
            "Fine as far as it can be read: all of that is as the policy says."
        };
        return format!("{}\n", terminal.paint(Paint::Green, fine));
    }
    let paint = if critical > 0 { Paint::Red } else { Paint::Yellow };
    let counts = match (critical, warnings) {
        (0, _) => counted(warnings, "warning"),
        (_, 0) => format!("{critical} critical"),
        _ => format!("{critical} critical, {}", counted(warnings, "warning")),
    };
    let counts = terminal.paint(paint, &format!("{counts}."));
    let differing = report.findings.iter().filter(|finding| finding.severity.differs());
    let next = match (differing.filter(|finding| finding.fix.is_some()).count(), critical + warnings) {
        (0, _) => "`apply` mends none of this; the last column says what you can do.".to_owned(),
        _ if !report.refusals.is_empty() => refused(report),
        (mends, all) => {
            let mends = match (mends, all) {
                (1, 1) => "it".to_owned(),
                (2, 2) => "both".to_owned(),
                (mends, all) if mends == all => format!("all {all}"),
                (mends, all) => format!("{mends} of {all}"),
            };
            let next = [
                format!("`sudo oomguard apply{args}` mends {mends}"),
                format!("`oomguard plan{args}` shows every change."),
            ];
            // A path is not broken: the line is there to be copied.
            if args.is_empty() { next.join("; ") } else { format!("\n{}", next.join("\n")) }
        }
    };
    let blank = if next.starts_with('\n') { "" } else { " " };
    format!("{counts}{blank}{next}\n")
}

/// The table says what `apply` does, and this why it would not.
fn refused(report: &CheckReport) -> String {
    let mut text = "But `apply` would refuse, and change nothing, until this is settled:".to_owned();
    for refusal in &report.refusals {
        text.push_str(&format!("\n  {}\n  -> {}", refusal.reason, refusal.advice));
    }
    text
}
