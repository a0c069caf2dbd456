//! `oomguard rank`: in which order the kernel would kill.

use oomguard_converge::Facts;
use oomguard_converge::rank::Load;
use oomguard_fleet::job::NamedPolicy;
use oomguard_host::Host;
use oomguard_report::RankReport;

use crate::args::{Rank, TableFormat};
use crate::failure::{Failure, code};
use crate::output::{Terminal, rank};
use crate::policy_source;

pub fn run(args: &Rank, host: &Host, terminal: &mut Terminal) -> Result<u8, Failure> {
    let asked = args.policy.spec.is_some() || args.policy.role.is_some();
    let source = policy_source::policy(&args.policy, terminal)?;
    let policy = NamedPolicy { name: source.name, policy: source.policy };
    let report = report(&args.add, &policy, asked, host)?;
    let text = match args.format {
        TableFormat::Json => oomguard_report::to_json(&report),
        TableFormat::Table => rank::table(&report, terminal),
    };
    terminal.print(&text)?;
    Ok(code::AS_IT_SHOULD_BE)
}

/// The order, with the scores as they are or as the policy means them.
pub fn report(
    add: &[String],
    policy: &NamedPolicy,
    as_policy: bool,
    host: &Host,
) -> Result<RankReport, Failure> {
    let load = |text: &String| text.parse().map_err(|error| Failure::usage(format!("--add: {error}")));
    let loads: Vec<Load> = add.iter().map(load).collect::<Result<_, _>>()?;
    // Without a policy the scores are as they are; the facts about units say who set them.
    let facts = Facts::read(host, &policy.policy)?;
    let ranking = oomguard_converge::rank::rank(host, &facts, as_policy.then_some(&policy.policy), &loads)?;
    Ok(RankReport::new(super::host_name(host), as_policy.then(|| policy.name.clone()), ranking))
}
