//! `oomguard events`: the agent's event log.

use clap::Args;
use clap::builder::PossibleValuesParser;
use oomguard_agent::event_log;
use oomguard_host::Host;

use crate::args::{Format, HUMAN_JSON, RootArgs, formats};
use crate::failure::{Failure, code};
use crate::output::{Terminal, events};

/// List the agent's events: OOM kills, leaks, pressure
///
/// The latest event comes last. The log is readable by root and its group.
#[derive(Debug, Args)]
pub struct Events {
    /// Only events since a time (2026-01-23T14:00Z) or age (15m, 2h, 7d)
    ///
    /// A time without a zone is in UTC.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only events of this kind
    #[arg(long, value_name = "KIND", hide_possible_values = true, value_parser = PossibleValuesParser::new(oomguard_agent::event::KINDS))]
    kind: Option<String>,
    /// Output format
    #[arg(long, default_value = "human", value_parser = formats(HUMAN_JSON))]
    format: Format,
    #[command(flatten)]
    root: RootArgs,
}

impl Events {
    pub fn run(&self, terminal: &mut Terminal) -> Result<u8, Failure> {
        run(self, &self.root.host()?, terminal)
    }
}

fn run(args: &Events, host: &Host, terminal: &mut Terminal) -> Result<u8, Failure> {
    let since = args.since.as_deref().map(|text| crate::since::parse(text, host.now_ms())).transpose()?;
    let log = event_log::read(host).map_err(|error| {
        let hint = error
            .is_permission_denied()
            .then_some("run it with sudo: only root and its group may read the log");
        hint.into_iter().fold(Failure::error(error), |failure, hint| failure.hint(hint))
    })?;
    let log = log.filter(since, args.kind.as_deref());
    let text = match args.format {
        Format::Json => crate::output::pretty(&log),
        _ => events::text(&log, args.since.is_some() || args.kind.is_some(), terminal),
    };
    terminal.print(&text)?;
    Ok(code::SUCCESS)
}
