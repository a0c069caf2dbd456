//! `oomguard history`: what was applied and rolled back.

use clap::{Args, Subcommand};
use oomguard_converge::history::{self, Entry};
use oomguard_text::shown;

use crate::args::{Format, HUMAN_JSON, RootArgs, formats};
use crate::failure::{Failure, code};
use crate::output::{Terminal, counted, plan};

/// List what was applied and rolled back
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct History {
    #[command(subcommand)]
    command: Option<HistoryCommand>,
    #[command(flatten)]
    list: List,
}

#[derive(Debug, Subcommand)]
enum HistoryCommand {
    List(List),
    Show(Show),
}

/// List all applies, the latest last (the default)
#[derive(Debug, Args)]
struct List {
    /// Output format
    #[arg(long, default_value = "human", value_parser = formats(HUMAN_JSON))]
    format: Format,
    #[command(flatten)]
    root: RootArgs,
}

/// Show one apply: its changes and the steps that were done
#[derive(Debug, Args)]
struct Show {
    /// ID of the apply, from `history list`
    id: String,
    /// Output format
    #[arg(long, default_value = "human", value_parser = formats(HUMAN_JSON))]
    format: Format,
    #[command(flatten)]
    root: RootArgs,
}

impl History {
    pub fn run(&self, terminal: &mut Terminal) -> Result<u8, Failure> {
        let text = match &self.command {
            None => list(&history::list(&self.list.root.host()?)?, self.list.format),
            Some(HistoryCommand::List(args)) => list(&history::list(&args.root.host()?)?, args.format),
            Some(HistoryCommand::Show(args)) => {
                show(&history::read(&args.root.host()?, &args.id)?, args.format)
            }
        };
        terminal.print(&text)?;
        Ok(code::SUCCESS)
    }
}

fn list(entries: &[Entry], format: Format) -> String {
    if format == Format::Json {
        return crate::output::pretty(&entries);
    }
    if entries.is_empty() {
        return "Nothing has been applied on this host yet.\n".to_owned();
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

fn show(entry: &Entry, format: Format) -> String {
    if format == Format::Json {
        return crate::output::pretty(&entry);
    }
    let mut text = format!("{}: {}\n", entry.record.id, entry.state.word());
    for line in &entry.asked {
        text.push_str(&format!("Requested: {}\n", shown(line.as_bytes(), 400)));
    }
    for part in &entry.record.plans {
        text.push_str(&plan::changes(part));
    }
    text.push_str("Steps done:\n");
    for step in &entry.progress {
        text.push_str(&format!("  {step}\n"));
    }
    text
}
