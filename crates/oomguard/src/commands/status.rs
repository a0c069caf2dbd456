//! `oomguard status`: memory, swap, pressure and protected processes on one screen.

use clap::Args;
use oomguard_converge::Facts;
#[cfg(feature = "fleet")]
use oomguard_fleet::job::Task;
use oomguard_host::Host;
use oomguard_report::StatusReport;

#[cfg(feature = "fleet")]
use super::fleet_run::{self, Order};
#[cfg(feature = "fleet")]
use crate::args::FleetArgs;
use crate::args::{Format, HUMAN_JSON, PolicyArgs, RootArgs, formats};
use crate::failure::{Failure, code};
use crate::output::{Terminal, status};
use crate::policy_source;

/// Show memory, swap, pressure and protected processes
///
/// Reads as any user and changes nothing.
#[derive(Debug, Args)]
pub struct Status {
    #[command(flatten)]
    policy: PolicyArgs,
    /// Output format
    #[arg(long, default_value = "human", value_parser = formats(HUMAN_JSON))]
    format: Format,
    #[command(flatten)]
    root: RootArgs,
    #[cfg(feature = "fleet")]
    #[command(flatten)]
    fleet: FleetArgs,
}

impl Status {
    pub fn run(&self, terminal: &mut Terminal) -> Result<u8, Failure> {
        run(self, &self.root.host()?, terminal)
    }
}

fn run(args: &Status, host: &Host, terminal: &mut Terminal) -> Result<u8, Failure> {
    #[cfg(feature = "fleet")]
    if fleet_run::asked(&args.fleet)? {
        let order = Order {
            task: Task::Status,
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
    let report = StatusReport::new(super::host_name(host), &source.policy, &facts);
    let text = match args.format {
        Format::Json => oomguard_report::to_json(&report),
        _ => status::text(&report, &source.name, terminal),
    };
    terminal.print(&text)?;
    Ok(code::SUCCESS)
}
