//! `oomguard runbook`: what to do about an alert.

use clap::Args;
use oomguard_report::runbook::{ALL, Runbook, find};
use schemars::JsonSchema;
use serde::Serialize;

use crate::args::{Format, HUMAN_JSON, formats};
use crate::failure::{Failure, code};
use crate::output::{Terminal, pretty};

/// Show the runbook for an alert
///
/// Without a name, lists all runbooks with the alerts that lead to them.
#[derive(Debug, Args)]
pub struct RunbookArgs {
    /// Name of a runbook or of an alert
    name: Option<String>,
    /// Output format
    #[arg(long, default_value = "human", value_parser = formats(HUMAN_JSON))]
    format: Format,
}

/// What `runbook --format json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Report {
    /// `oomguard.runbooks/1`
    pub schema: String,
    /// The runbook of that name, or all.
    pub runbooks: Vec<Page>,
}

/// A runbook.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Page {
    pub name: String,
    pub title: String,
    /// The alerts that lead to it.
    pub alerts: Vec<String>,
    /// Markdown.
    pub text: String,
}

impl RunbookArgs {
    pub fn run(&self, terminal: &mut Terminal) -> Result<u8, Failure> {
        run(self, terminal)
    }
}

fn run(args: &RunbookArgs, terminal: &mut Terminal) -> Result<u8, Failure> {
    let Some(name) = &args.name else {
        let list = || ALL.iter().map(line).collect();
        terminal.print(&if args.format == Format::Json {
            json(&ALL.iter().collect::<Vec<_>>())
        } else {
            list()
        })?;
        return Ok(code::SUCCESS);
    };
    let runbook = find(name).ok_or_else(|| {
        let names: Vec<&str> = ALL.iter().map(|runbook| runbook.name).collect();
        Failure::usage(format!("no such runbook: {}", oomguard_text::quoted(name, 80)))
            .hint(format!("runbooks: {}; the name of an alert works as well", names.join(", ")))
    })?;
    terminal.print(&if args.format == Format::Json { json(&[runbook]) } else { runbook.text.to_owned() })?;
    Ok(code::SUCCESS)
}

fn json(runbooks: &[&Runbook]) -> String {
    let page = |runbook: &&Runbook| Page {
        name: runbook.name.to_owned(),
        title: runbook.title().to_owned(),
        alerts: runbook.alerts().map(str::to_owned).collect(),
        text: runbook.text.to_owned(),
    };
    pretty(&Report {
        schema: "oomguard.runbooks/1".to_owned(),
        runbooks: runbooks.iter().map(page).collect(),
    })
}

fn line(runbook: &Runbook) -> String {
    let alerts: Vec<&str> = runbook.alerts().collect();
    format!("{:<17} {} ({})\n", runbook.name, runbook.title(), alerts.join(", "))
}
