//! `oomguard events`: what the agent has seen.

use oomguard_agent::event_log;
use oomguard_host::Host;

use crate::args::{Events, TableFormat};
use crate::failure::{Failure, code};
use crate::output::{Terminal, events};

pub fn run(args: &Events, host: &Host, terminal: &mut Terminal) -> Result<u8, Failure> {
    let since = args.since.as_deref().map(|text| crate::since::parse(text, host.now_ms())).transpose()?;
    let log = event_log::read(host).map_err(|error| {
        let hint =
            error.is_permission_denied().then_some("only root and its group may read the log; use `sudo`");
        hint.into_iter().fold(Failure::error(error), |failure, hint| failure.hint(hint))
    })?;
    let log = log.filter(since, args.kind.as_deref());
    let text = match args.format {
        TableFormat::Json => serde_json::to_string_pretty(&log).unwrap_or_default() + "\n",
        TableFormat::Table => events::text(&log, args.since.is_some() || args.kind.is_some(), terminal),
    };
    terminal.print(&text)?;
    Ok(code::AS_IT_SHOULD_BE)
}
