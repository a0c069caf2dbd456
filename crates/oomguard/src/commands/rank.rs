//! `oomguard rank`: in which order the kernel would kill.

use oomguard_converge::Facts;
use oomguard_converge::rank::{Load, rank};
use oomguard_host::Host;

use crate::args::{Rank, TableFormat};
use crate::failure::{Failure, code};
use crate::output::Terminal;
use crate::output::rank::{self, Report};
use crate::policy_source;

pub fn run(args: &Rank, host: &Host, terminal: &mut Terminal) -> Result<u8, Failure> {
    let loads: Vec<Load> = args
        .add
        .iter()
        .map(|text| text.parse().map_err(|error| Failure::usage(format!("--add: {error}"))))
        .collect::<Result<_, _>>()?;
    let asked = args.policy.spec.is_some() || args.policy.role.is_some();
    // Without a policy the scores are as they are; the facts about units say who set them.
    let source = policy_source::policy(&args.policy, terminal)?;
    let facts = Facts::read(host, &source.policy)?;
    let ranking = rank(host, &facts, asked.then_some(&source.policy), &loads)?;
    let report = Report::new(super::host_name(host), asked.then_some(source.name), ranking);
    let text = match args.format {
        TableFormat::Json => report.to_json(),
        TableFormat::Table => rank::table(&report, terminal),
    };
    terminal.print(&text)?;
    Ok(code::AS_IT_SHOULD_BE)
}
