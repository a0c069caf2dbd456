//! `oomguard check`: compares a host with a policy.

use clap::Args;
use oomguard_converge::{Facts, Plan, findings, rank};
#[cfg(feature = "fleet")]
use oomguard_fleet::job::Task;
use oomguard_host::Host;
use oomguard_report::CheckReport;

#[cfg(feature = "fleet")]
use super::fleet_run::{self, Order};
#[cfg(feature = "fleet")]
use crate::args::FleetArgs;
use crate::args::{Format, PolicyArgs, QuietArgs, RootArgs, formats};
use crate::failure::{Failure, code};
use crate::output::{Terminal, check, junit};
use crate::policy_source;

/// Check this host against a policy
///
/// Lists what differs, the most severe first, and what `apply` would do about it. Reads as any user and changes
/// nothing. Exit status: 0 when the host matches the policy, 2 when it differs; advice does not count.
#[derive(Debug, Args)]
pub struct Check {
    #[command(flatten)]
    policy: PolicyArgs,
    /// Output format
    #[arg(long, default_value = "human", value_parser = formats(&[Format::Human, Format::Json, Format::Junit]))]
    format: Format,
    #[command(flatten)]
    quiet: QuietArgs,
    /// Show all findings, and all of their text
    #[arg(short, long)]
    verbose: bool,
    #[command(flatten)]
    root: RootArgs,
    #[cfg(feature = "fleet")]
    #[command(flatten)]
    fleet: FleetArgs,
}

impl Check {
    pub fn run(&self, terminal: &mut Terminal) -> Result<u8, Failure> {
        terminal.be_quiet(self.quiet.quiet);
        run(self, &self.root.host()?, terminal)
    }
}

fn run(args: &Check, host: &Host, terminal: &mut Terminal) -> Result<u8, Failure> {
    #[cfg(feature = "fleet")]
    if fleet_run::asked(&args.fleet)? {
        if args.format == Format::Junit {
            return Err(fleet_run::only_here("--format junit"));
        }
        let order = Order {
            task: Task::Check,
            fleet: &args.fleet,
            policy: &args.policy,
            waves: None,
            yes: true,
            json: args.format == Format::Json,
        };
        return fleet_run::run(&order, host, terminal);
    }

    let source = policy_source::policy(&args.policy, terminal)?;
    let facts = Facts::read(host, &source.policy)?;
    let found = findings(&source.policy, &facts);
    let refusals = Plan::make(&source.policy, &facts).refusals;
    let mut report = CheckReport::new(super::host_name(host), &source.name, found, refusals, &facts);
    report.dies_first = rank::first(host, &facts)?;
    let text = match args.format {
        Format::Json => oomguard_report::to_json(&report),
        Format::Junit => junit::document(&report),
        _ => {
            let shown = check::Shown { args: &source.args, verbose: args.verbose };
            check::text(&report, &facts, shown, terminal)
        }
    };
    terminal.print(&text)?;
    Ok(if report.fine { code::SUCCESS } else { code::DIFFERS })
}
