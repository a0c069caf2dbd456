//! The event log for people, the latest event last.

use oomguard_agent::event::{Entry, Level};
use oomguard_agent::event_log::Log;

use super::lines::wrap;
use super::{Paint, Terminal, counted};

/// A time to the second, a level and their blanks.
const INDENT: usize = 32;

/// The events. `chosen`: only some of the log were asked for.
pub fn text(log: &Log, chosen: bool, terminal: &Terminal) -> String {
    let mut text: String = log.events.iter().map(|entry| one(entry, terminal)).collect();
    if log.events.is_empty() {
        text.push_str(if chosen {
            "No such events in the log of this host.\n"
        } else {
            "No events on this host; the agent records them (`systemctl status oomguard-agent`).\n"
        });
    }
    if log.unreadable_lines > 0 {
        let lines = usize::try_from(log.unreadable_lines).unwrap_or(usize::MAX);
        text.push_str(&format!("{} of the log could not be read.\n", counted(lines, "line")));
    }
    text
}

fn one(entry: &Entry, terminal: &Terminal) -> String {
    let level = format!("{:<8}", entry.level.as_str());
    // An unparsable time could be any text.
    let time = match entry.time_ms() {
        Some(_) => entry.time.get(..19).unwrap_or(&entry.time).replace('T', " ") + "Z",
        None => format!("{:<20}", "(no time)"),
    };
    let said = format!("{time}  {level}  {}: {}", entry.event.kind(), entry.message);
    let said = wrap(&said, INDENT, terminal.columns());
    let said = match entry.level {
        Level::Critical | Level::Error => said.replacen(&level, &terminal.paint(Paint::Red, &level), 1),
        Level::Warning => said.replacen(&level, &terminal.paint(Paint::Yellow, &level), 1),
        Level::Notice | Level::Info => said,
    };
    said + "\n"
}
