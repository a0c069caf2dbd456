//! `oomguard journal`: what was applied and undone.

use oomguard_converge::history::{self, Entry};
use oomguard_host::Host;
use oomguard_text::shown;

use crate::args::{JournalCommand, TextFormat};
use crate::failure::{Failure, code};
use crate::output::{Terminal, counted, plan};

pub fn run(command: Option<JournalCommand>, host: &Host, terminal: &mut Terminal) -> Result<u8, Failure> {
    let text = match command.unwrap_or(JournalCommand::List { format: TextFormat::Text }) {
        JournalCommand::List { format } => list(&history::list(host)?, format),
        JournalCommand::Show { id, format } => show(&history::read(host, &id)?, format),
    };
    terminal.print(&text)?;
    Ok(code::AS_IT_SHOULD_BE)
}

fn list(entries: &[Entry], format: TextFormat) -> String {
    if format == TextFormat::Json {
        return serde_json::to_string_pretty(entries).unwrap_or_default() + "\n";
    }
    if entries.is_empty() {
        return "Nothing was applied on this host yet.\n".to_owned();
    }
    let line = |entry: &Entry| {
        let changes: usize = entry.record.plans.iter().map(|plan| plan.changes.len()).sum();
        format!(
            "{:<26} {:<13} {}, oomguard {}\n",
            entry.record.id,
            entry.state.word(),
            counted(changes, "change"),
            entry.record.version
        )
    };
    entries.iter().map(line).collect()
}

fn show(entry: &Entry, format: TextFormat) -> String {
    if format == TextFormat::Json {
        return serde_json::to_string_pretty(entry).unwrap_or_default() + "\n";
    }
    let mut text = format!("{}: {}\n", entry.record.id, entry.state.word());
    for line in &entry.asked {
        text.push_str(&format!("Asked for: {}\n", shown(line.as_bytes(), 400)));
    }
    for part in &entry.record.plans {
        text.push_str(&plan::changes(part));
    }
    text.push_str("Steps that were done:\n");
    for step in &entry.progress {
        text.push_str(&format!("  {step}\n"));
    }
    text
}
