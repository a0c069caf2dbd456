//! `oomguard rank`: in which order the kernel would kill.

use oomguard_converge::rank::Load;
use oomguard_host::Host;
use oomguard_report::{NamedPolicy, RankReport};

use crate::args::{Rank, TableFormat};
use crate::failure::{Failure, code};
use crate::output::{Terminal, rank};
use crate::policy_source;

pub fn run(args: &Rank, host: &Host, terminal: &mut Terminal) -> Result<u8, Failure> {
    let asked = args.policy.spec.is_some() || args.policy.role.is_some();
    let source = policy_source::policy(&args.policy, terminal)?;
    let policy = NamedPolicy { name: source.name, policy: source.policy };
    let load = |text: &String| text.parse().map_err(|error| Failure::usage(format!("--add: {error}")));
    let loads: Vec<Load> = args.add.iter().map(load).collect::<Result<_, _>>()?;
    let report = RankReport::read(host, &policy, asked, &loads)?;
    let text = match args.format {
        TableFormat::Json => oomguard_report::to_json(&report),
        TableFormat::Table => rank::table(&report, terminal),
    };
    terminal.print(&text)?;
    Ok(code::AS_IT_SHOULD_BE)
}
