//! The report of `rank`.

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use oomguard_converge::rank::{Rank, Ranking};
use oomguard_report::RankReport;
use oomguard_spec::size::Bytes;

use super::{Paint, Terminal};

/// More places than this are for programs.
const SHOWN: usize = 20;

/// The report for a person.
pub fn table(report: &RankReport, all: bool, terminal: &Terminal) -> String {
    let _ = all;
    let ranking = &report.ranking;
    let scores = match &report.policy {
        None => "every score as it is now".to_owned(),
        Some(policy) => format!("every score as the policy means it ({policy})"),
    };
    let host = terminal.paint(Paint::Bold, &report.host);
    let mut text = format!("{host}: {} of memory and swap; {scores}\n", Bytes(ranking.total));
    let mut table = Table::new();
    table
        .load_style(UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(terminal.width())
        .set_header(["", "Process", "Unit", "Memory", "Swap", "Score", "Why it stands here"]);
    for (at, rank) in ranking.order.iter().take(SHOWN).enumerate() {
        table.add_row(row(at + 1, rank, report.policy.is_some()));
    }
    for number in [0, 3, 4, 5] {
        if let Some(column) = table.column_mut(number) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    text.push_str(&table.trim_fmt());
    text.push('\n');
    if ranking.order.len() > SHOWN {
        let more = ranking.order.len() - SHOWN;
        text.push_str(&format!("and {more} more; `--format json` lists them all\n"));
    }
    if ranking.unread > 0 {
        text.push_str(&format!(
            "{} cannot be seen by this user, or went meanwhile\n",
            counted_processes(ranking.unread)
        ));
    }
    text.push_str(&never(ranking));
    text.push_str(&verdict(ranking));
    text
}

fn row(place: usize, rank: &Rank, policy: bool) -> [String; 7] {
    let process = match rank.pid {
        Some(pid) => format!("{} (pid {pid})", rank.name),
        None => format!("{} (added)", rank.name),
    };
    let moved = if policy && rank.place_now != place {
        format!(", now in place {}", rank.place_now)
    } else {
        String::new()
    };
    let dies = if rank.dies { "killed: " } else { "" };
    [
        place.to_string(),
        process,
        rank.unit.clone().unwrap_or_default(),
        Bytes(rank.rss + rank.page_tables).to_string(),
        Bytes(rank.swap).to_string(),
        rank.score.to_string(),
        format!("{dies}{}{moved}", rank.why),
    ]
}

fn never(ranking: &Ranking) -> String {
    if ranking.never.is_empty() {
        return String::new();
    }
    let names: Vec<String> =
        ranking.never.iter().take(SHOWN).map(|never| format!("{} (pid {})", never.name, never.pid)).collect();
    let more = ranking.never.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("Never killed: {}{more}\n", names.join(", "))
}

fn verdict(ranking: &Ranking) -> String {
    let Some(first) = ranking.order.first() else {
        return "Nobody is left to be killed: the kernel panics when memory runs out.\n".to_owned();
    };
    if ranking.short_by == 0 {
        let who = match first.pid {
            Some(pid) => format!("{} (pid {pid})", first.name),
            None => format!("one of the added {}", first.name),
        };
        return format!("If memory ran out, {who} would be killed first.\n");
    }
    let dead = ranking.order.iter().filter(|rank| rank.dies);
    let (load, others): (Vec<&Rank>, Vec<&Rank>) = dead.partition(|rank| rank.pid.is_none());
    let others = match others.len() {
        0 => "and nothing else".to_owned(),
        number => format!("and {}", counted_processes(number)),
    };
    format!(
        "The load does not fit by {}: {} of it would be killed, {others}.\n",
        Bytes(ranking.short_by),
        counted_processes(load.len())
    )
}

fn counted_processes(number: usize) -> String {
    oomguard_text::counted(number, "process", "processes")
}
