//! The event log for a person: an event a line.

use oomguard_agent::event::{Entry, Level};
use oomguard_agent::event_log::Log;

use super::{Paint, Terminal, counted};

/// The events, the latest last. `chosen`: only some of the log were asked for.
pub fn text(log: &Log, chosen: bool, terminal: &Terminal) -> String {
    let widest = log.events.iter().map(|entry| entry.event.kind().len()).max().unwrap_or(0);
    let line = |entry: &Entry| {
        let level = format!("{:<8}", entry.level.as_str());
        let level = match entry.level {
            Level::Critical | Level::Error => terminal.paint(Paint::Red, &level),
            Level::Warning => terminal.paint(Paint::Yellow, &level),
            Level::Notice | Level::Info => level,
        };
        // Whoever wrote the line: a time that is none could be anything.
        let time = if entry.time_ms().is_some() { entry.time.as_str() } else { "(no time)" };
        format!("{time}  {level}  {:<widest$}  {}\n", entry.event.kind(), entry.message)
    };
    let mut text: String = log.events.iter().map(line).collect();
    if log.events.is_empty() {
        text.push_str(if chosen {
            "There are no such events in the log of this host.\n"
        } else {
            "There are no events on this host; the agent writes them (`systemctl status oomguard-agent`).\n"
        });
    }
    if log.unreadable_lines > 0 {
        let lines = usize::try_from(log.unreadable_lines).unwrap_or(usize::MAX);
        text.push_str(&format!("{} of the log could not be read.\n", counted(lines, "line")));
    }
    text
}
