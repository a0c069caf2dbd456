//! The report of `rank` for people: a line a process.

use oomguard_converge::rank::{Rank, Ranking};
use oomguard_report::RankReport;
use oomguard_spec::size::Bytes;

use super::lines::cut;
use super::{Paint, Terminal};

/// Processes that are shown without --all.
const MAX_SHOWN: usize = 10;

/// The report; the summary comes last.
pub fn text(report: &RankReport, all: bool, terminal: &Terminal) -> String {
    let ranking = &report.ranking;
    let scores = match &report.policy {
        None => "current scores".to_owned(),
        Some(policy) => format!("scores of the policy ({policy})"),
    };
    let host = terminal.paint(Paint::Bold, &report.host);
    let mut text = format!("{host}: {} of memory and swap, {scores}\n", Bytes(ranking.total));
    let columns = terminal.columns();
    let head = format!(
        "{:>4} {:>7} {:<16} {:>10} {:>10} {:>5}  {:<20} {}",
        "", "PID", "NAME", "MEMORY", "SWAP", "SCORE", "UNIT", "WHY"
    );
    text.push_str(&format!("{}\n", terminal.paint(Paint::Bold, fitting(&head, columns))));
    let shown = if all { usize::MAX } else { MAX_SHOWN };
    for (at, rank) in ranking.order.iter().take(shown).enumerate() {
        let line = cut(&line(at + 1, rank, report.policy.is_some()), columns);
        let line = if rank.dies { terminal.paint(Paint::Red, &line) } else { line };
        text.push_str(&format!("{line}\n"));
    }
    let more = ranking.order.len().saturating_sub(shown);
    if more > 0 {
        text.push_str(&format!("     {more} more; --all shows them\n"));
    }
    if ranking.unread > 0 {
        text.push_str(&format!("{} could not be read\n", processes(ranking.unread)));
    }
    text.push_str(&never(ranking, shown, columns));
    text.push_str(&summary(ranking));
    text
}

/// The part of the heading that fits.
fn fitting(head: &str, columns: Option<usize>) -> &str {
    columns.and_then(|columns| head.get(..columns)).unwrap_or(head).trim_end()
}

fn line(place: usize, rank: &Rank, policy: bool) -> String {
    let pid = rank.pid.map_or_else(|| "added".to_owned(), |pid| pid.to_string());
    let moved = if policy && rank.place_now != place {
        format!(", now in place {}", rank.place_now)
    } else {
        String::new()
    };
    format!(
        "{place:>4} {pid:>7} {:<16} {:>10} {:>10} {:>5}  {:<20} {}{}{moved}",
        rank.name,
        Bytes(rank.rss + rank.page_tables).to_string(),
        Bytes(rank.swap).to_string(),
        rank.score,
        rank.unit.as_deref().unwrap_or("-"),
        if rank.dies { "killed: " } else { "" },
        rank.why,
    )
}

fn never(ranking: &Ranking, shown: usize, columns: Option<usize>) -> String {
    if ranking.never.is_empty() {
        return String::new();
    }
    let names: Vec<String> =
        ranking.never.iter().take(shown).map(|never| format!("{} (pid {})", never.name, never.pid)).collect();
    let more = ranking.never.len().saturating_sub(shown);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    cut(&format!("Never killed: {}{more}", names.join(", ")), columns) + "\n"
}

fn summary(ranking: &Ranking) -> String {
    let Some(first) = ranking.order.first() else {
        return "No process can be killed: the kernel would panic when memory runs out.\n".to_owned();
    };
    if ranking.short_by == 0 {
        let first = match first.pid {
            Some(pid) => format!("{} (pid {pid})", first.name),
            None => format!("one of the added {}", first.name),
        };
        return format!("First to be killed when memory runs out: {first}\n");
    }
    let dead = ranking.order.iter().filter(|rank| rank.dies);
    let (load, others): (Vec<&Rank>, Vec<&Rank>) = dead.partition(|rank| rank.pid.is_none());
    let others = match others.len() {
        0 => "and nothing else".to_owned(),
        number => format!("and {} of this host", processes(number)),
    };
    format!(
        "The load exceeds memory by {}: {} of the load would be killed, {others}.\n",
        Bytes(ranking.short_by),
        processes(load.len())
    )
}

fn processes(number: usize) -> String {
    oomguard_text::counted(number, "process", "processes")
}
