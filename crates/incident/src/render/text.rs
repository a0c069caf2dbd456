//! One screen of text for a terminal.

use textwrap::core::display_width;

use crate::model::{Incident, Kill};
use crate::shown::{size, size_or_dash};

/// The columns that are used where the terminal is not narrower.
pub const MAX_WIDTH: usize = 100;

/// The lines that are used: a prompt has room, too.
const HEIGHT: usize = 24;

/// How many lines each list has on the screen.
const MAX_ENTRIES: usize = 3;

/// One incident in at most one screen of 24 lines and 100 columns.
#[must_use]
pub fn text(incident: &Incident, source: &str, lost_records: u64) -> String {
    fitted(incident, source, lost_records, MAX_WIDTH)
}

/// One incident in at most one screen of 24 lines and `width` columns.
#[must_use]
pub fn fitted(incident: &Incident, source: &str, lost_records: u64, width: usize) -> String {
    let mut page = Page { items: Vec::new(), width: width.clamp(40, MAX_WIDTH) };
    killed_part(&mut page, incident);
    memory_part(&mut page, incident);
    cause_part(&mut page, incident);
    advice_part(&mut page, incident, source);
    if let Some(before) = super::before(incident) {
        page.item("before", &before);
    }
    if lost_records > 0 {
        page.item("missing", &format!("{lost_records} records lost: the log is incomplete"));
    }
    page.finish()
}

fn killed_part(page: &mut Page, incident: &Incident) {
    let killed = oomguard_text::counted(killed(incident), "process", "processes");
    page.line(&format!("{killed} killed: {}", span(incident)));
    page.item("killed", &victims(incident, 4));
    for (number, what) in incident.lost.what.iter().take(MAX_ENTRIES).enumerate() {
        page.one_of_many(number, "  lost", what);
    }
}

fn memory_part(page: &mut Page, incident: &Incident) {
    if let Some(culprit) = &incident.culprit {
        let held = culprit.rss_kib.map(|rss| size(rss.saturating_add(culprit.swap_kib.unwrap_or(0))));
        let share = format!("{}% of all process memory", culprit.share_percent);
        let held = held.map_or_else(|| share.clone(), |held| format!("{held}, {share}"));
        let killed = match culprit.killed {
            0 => "; none killed".to_owned(),
            some => format!("; {some} killed"),
        };
        let many = oomguard_text::counted(culprit.processes, "process", "processes");
        page.item("memory", &format!("{} ({many}): {held}{killed}", culprit.program));
    }
    if let Some(memory) = memory(incident) {
        let (number, word) = if incident.culprit.is_some() { (1, "") } else { (0, "memory") };
        page.one_of_many(number, word, &memory);
    }
    if let Some(growth) = &incident.growth {
        page.item("growth", &super::growth(growth));
    }
    page.item("limit", &super::limit(incident));
}

fn cause_part(page: &mut Page, incident: &Incident) {
    page.item("cause", &incident.summary);
    if !incident.also.is_empty() {
        let also: Vec<&str> = incident.also.iter().map(|cause| cause.words()).collect();
        page.one_of_many(1, "  also", &also.join("; "));
    }
    let evidence = incident.evidence.iter().filter(|line| !line.text.contains("Killed process"));
    for (number, line) in evidence.take(MAX_ENTRIES).enumerate() {
        page.one_of_many(number, "", &format!("line {}: {}", line.line, line.text));
    }
    for (number, why) in incident.why.iter().take(2).enumerate() {
        page.one_of_many(number, if number == 0 { "why" } else { "" }, why);
    }
}

fn advice_part(page: &mut Page, incident: &Incident, source: &str) {
    for (number, advice) in incident.advice.iter().take(MAX_ENTRIES).enumerate() {
        page.one_of_many(number, if number == 0 { "change" } else { "" }, &advice.what);
    }
    if super::has_policy(incident) {
        let source = if source == "-" || source == "journal" || source == "/dev/kmsg" { "" } else { "FILE " };
        let see =
            format!("`oomguard incident {source}--format cspec > i.cspec; oomguard plan --spec i.cspec`");
        page.one_of_many(1, "  preview", &see);
    }
}

/// How many were killed, by whomever.
fn killed(incident: &Incident) -> u64 {
    incident.kills.len() as u64 + incident.kills_left_out + incident.reaped_only.len() as u64
}

fn span(incident: &Incident) -> String {
    match (&incident.start, &incident.end) {
        (Some(start), Some(end)) if start != end => format!("{start} to {end}"),
        (Some(start), _) => start.clone(),
        _ => "time unknown".to_owned(),
    }
}

/// The first victims, with what they held.
fn victims(incident: &Incident, most: usize) -> String {
    let reaped = incident.reaped_only.iter().map(|task| {
        let name = oomguard_text::shown(task.comm.as_deref().unwrap_or("?"), 60);
        let pid = task.pid.map(|pid| format!("pid {pid}, ")).unwrap_or_default();
        format!("{name} ({pid}its kill line is missing)")
    });
    let mut said: Vec<String> = incident.kills.iter().map(victim).chain(reaped).take(most).collect();
    if said.is_empty() {
        return "no process named in the log".to_owned();
    }
    let more = killed(incident).saturating_sub(said.len() as u64);
    if more > 0 {
        said.push(format!("{more} more"));
    }
    said.join(", ")
}

fn victim(kill: &Kill) -> String {
    let name = kill.comm.clone().or_else(|| kill.memcg.clone()).unwrap_or_else(|| "?".to_owned());
    let name = oomguard_text::shown(name, 60);
    let mut notes: Vec<String> = kill.pid.map(|pid| format!("pid {pid}")).into_iter().collect();
    notes.extend(kill.anon_rss_kib.map(size));
    if kill.by != "kernel" {
        notes.push(format!("by {}", kill.by));
    }
    if notes.is_empty() { name } else { format!("{name} ({})", notes.join(", ")) }
}

fn memory(incident: &Incident) -> Option<String> {
    let memory = &incident.memory;
    let mut parts = Vec::new();
    if let Some(limit) = memory.limit_kib {
        parts.push(format!("used {} of a {} limit", size_or_dash(memory.usage_kib), size(limit)));
    }
    if let Some(ram) = memory.ram_kib {
        parts.push(format!("{} of memory, {} free", size(ram), size_or_dash(memory.free_kib)));
    }
    match memory.swap_total_kib {
        Some(0) => parts.push("no swap".to_owned()),
        Some(total) => {
            parts.push(format!("{} of swap, {} free", size(total), size_or_dash(memory.swap_free_kib)))
        }
        None => {}
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

struct Page {
    items: Vec<Item>,
    width: usize,
}

/// Some lines.
struct Item {
    text: String,
    /// Whether it is left out when the screen is full.
    spare: bool,
}

/// Where the text of an item begins.
const INDENT: usize = 11;

/// How many lines one item may take.
const MAX_LINES: usize = 2;

impl Page {
    fn line(&mut self, text: &str) {
        let text = oomguard_text::shown(text, self.width) + "\n";
        self.items.push(Item { text, spare: false });
    }

    /// A word and a text beside it.
    fn item(&mut self, word: &str, text: &str) {
        self.items.push(Item { text: wrapped(word, text, self.width), spare: false });
    }

    /// One of a list, of which the first is what matters most.
    fn one_of_many(&mut self, number: usize, word: &str, text: &str) {
        self.items.push(Item { text: wrapped(word, text, self.width), spare: number > 0 });
    }

    /// The screen; what does not fit on it is left out, the last of the lists first.
    fn finish(mut self) -> String {
        while self.items.iter().map(|item| item.text.lines().count()).sum::<usize>() > HEIGHT
            && let Some(last) = self.items.iter().rposition(|item| item.spare)
        {
            self.items.remove(last);
        }
        self.items.into_iter().map(|item| item.text).collect()
    }
}

/// A word and a text beside it, wrapped and cut after two lines.
fn wrapped(word: &str, text: &str, width: usize) -> String {
    let (first, rest) = (format!("{word:INDENT$}"), " ".repeat(INDENT));
    let options = textwrap::Options::new(width)
        .initial_indent(&first)
        .subsequent_indent(&rest)
        // Paths and unit names are to be copied.
        .word_splitter(textwrap::WordSplitter::NoHyphenation);
    let mut lines = textwrap::wrap(text, &options);
    if lines.len() > MAX_LINES {
        lines.truncate(MAX_LINES);
        if let Some(last) = lines.last_mut() {
            let mut text = last.trim_end().to_owned();
            while display_width(&text) + 3 > width {
                text.pop();
            }
            *last = (text + "...").into();
        }
    }
    lines.iter().map(|line| format!("{}\n", line.trim_end())).collect()
}
