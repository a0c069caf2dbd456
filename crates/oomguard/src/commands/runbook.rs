//! `oomguard runbook`: what to do when an alert comes.

use oomguard_report::runbook::{ALL, Runbook, find};

use crate::args;
use crate::failure::{Failure, code};
use crate::output::Terminal;

pub fn run(args: &args::Runbook, terminal: &mut Terminal) -> Result<u8, Failure> {
    let Some(name) = &args.name else {
        terminal.print(&ALL.iter().map(line).collect::<String>())?;
        return Ok(code::AS_IT_SHOULD_BE);
    };
    let runbook = find(name).ok_or_else(|| {
        let names: Vec<&str> = ALL.iter().map(|runbook| runbook.name).collect();
        Failure::usage(format!("there is no runbook {}", oomguard_text::quoted(name, 80)))
            .hint(format!("there are: {}; the name of an alert is one, too", names.join(", ")))
    })?;
    terminal.print(runbook.text)?;
    Ok(code::AS_IT_SHOULD_BE)
}

fn line(runbook: &Runbook) -> String {
    let alerts: Vec<&str> = runbook.alerts().collect();
    format!("{:<17} {} ({})\n", runbook.name, runbook.title(), alerts.join(", "))
}
