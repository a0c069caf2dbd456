//! `oomguard plan`: what `apply` would change.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use oomguard_converge::{Facts, Plan};
#[cfg(feature = "fleet")]
use oomguard_fleet::job::Task;
use oomguard_host::Host;

#[cfg(feature = "fleet")]
use super::fleet_run::{self, Order};
#[cfg(feature = "fleet")]
use crate::args::FleetArgs;
use crate::args::{Format, HUMAN_JSON, PolicyArgs, QuietArgs, RootArgs, formats};
use crate::failure::{Failure, code};
use crate::output::check::not_read;
use crate::output::{Terminal, plan};
use crate::policy_source;
use crate::replace::replace;

/// Show what `apply` would change, with a diff of each file
///
/// Changes nothing. Exit status: 0 when there is nothing to change, 2 when there is.
#[derive(Debug, Args)]
pub struct PlanArgs {
    #[command(flatten)]
    policy: PolicyArgs,
    /// Save the plan for `oomguard apply FILE`
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,
    /// Output format
    #[arg(long, default_value = "human", value_parser = formats(HUMAN_JSON))]
    format: Format,
    #[command(flatten)]
    quiet: QuietArgs,
    #[command(flatten)]
    root: RootArgs,
    #[cfg(feature = "fleet")]
    #[command(flatten)]
    fleet: FleetArgs,
}

impl PlanArgs {
    pub fn run(&self, terminal: &mut Terminal) -> Result<u8, Failure> {
        terminal.be_quiet(self.quiet.quiet);
        run(self, &self.root.host()?, terminal)
    }
}

fn run(args: &PlanArgs, host: &Host, terminal: &mut Terminal) -> Result<u8, Failure> {
    #[cfg(feature = "fleet")]
    if fleet_run::asked(&args.fleet)? {
        if args.output.is_some() {
            return Err(fleet_run::only_here("--output"));
        }
        let order = Order {
            task: Task::Plan,
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
    let plan = Plan::make(&source.policy, &facts);
    let next = args.output.as_ref().map_or_else(
        || format!("oomguard apply{}", source.args),
        |path| format!("oomguard apply {}", path.display()),
    );
    if let Some(path) = &args.output {
        replace(path, plan.to_json().as_bytes()).map_err(|error| {
            Failure::error(format!("cannot save the plan as {}: {error}", path.display()))
        })?;
    }
    let text = match args.format {
        Format::Json => crate::output::pretty(&plan),
        _ => plan::text(&plan, &next, terminal),
    };
    terminal.print(&text)?;
    terminal.note(&not_read(&facts.unread));
    Ok(if plan.is_empty() { code::SUCCESS } else { code::DIFFERS })
}
