//! `oomguard rank`: the order in which the kernel would kill.

use clap::Args;
use oomguard_converge::rank::Load;
use oomguard_host::Host;
use oomguard_report::{NamedPolicy, RankReport};

use crate::args::{Format, HUMAN_JSON, PolicyArgs, RootArgs, formats};
use crate::failure::{Failure, code};
use crate::output::{Terminal, rank};
use crate::policy_source;

/// List processes in the order the kernel would kill them
///
/// Uses the kernel's own calculation: resident memory, swap, page tables and oom_score_adj. Without --role and --spec,
/// scores are the current ones; with a policy, those that the policy sets. Changes nothing.
#[derive(Debug, Args)]
pub struct Rank {
    #[command(flatten)]
    policy: PolicyArgs,
    /// Assume this load runs too, such as rustc:3.5GB*8
    ///
    /// May be given several times. `rank` then also shows which processes would be killed before the load fits.
    #[arg(long, value_name = "NAME:SIZE*N")]
    add: Vec<String>,
    /// Show all processes, not just the first ten
    #[arg(long)]
    all: bool,
    /// Output format
    #[arg(long, default_value = "human", value_parser = formats(HUMAN_JSON))]
    format: Format,
    #[command(flatten)]
    root: RootArgs,
}

impl Rank {
    pub fn run(&self, terminal: &mut Terminal) -> Result<u8, Failure> {
        run(self, &self.root.host()?, terminal)
    }
}

fn run(args: &Rank, host: &Host, terminal: &mut Terminal) -> Result<u8, Failure> {
    let asked = args.policy.spec.is_some() || args.policy.role.is_some();
    let source = policy_source::policy(&args.policy, terminal)?;
    let policy = NamedPolicy { name: source.name, policy: source.policy };
    let load = |text: &String| text.parse().map_err(|error| Failure::usage(format!("--add: {error}")));
    let loads: Vec<Load> = args.add.iter().map(load).collect::<Result<_, _>>()?;
    let report = RankReport::read(host, &policy, asked, &loads)?;
    let text = match args.format {
        Format::Json => oomguard_report::to_json(&report),
        _ => rank::text(&report, args.all, terminal),
    };
    terminal.print(&text)?;
    Ok(code::SUCCESS)
}
