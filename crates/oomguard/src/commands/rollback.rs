//! `oomguard rollback`: undoes applies.

use clap::Args;
use oomguard_converge::rollback;
#[cfg(feature = "fleet")]
use oomguard_fleet::job::Task;
use oomguard_host::Host;
use schemars::JsonSchema;
use serde::Serialize;

use super::apply::agreed;
#[cfg(feature = "fleet")]
use super::fleet_run::{self, Order};
use super::steps::Steps;
#[cfg(feature = "fleet")]
use crate::args::{FleetArgs, PolicyArgs, WaveArgs};
use crate::args::{Format, HUMAN_JSON, formats};
use crate::failure::{Failure, code};
use crate::output::{Terminal, plan, pretty};

/// Undo an apply
///
/// Restores the files, the scores of processes that still run, and the swaps to what they were before. Refuses to undo a
/// file that somebody has changed since. Needs root.
#[derive(Debug, Args)]
pub struct Rollback {
    /// Undo this apply and all later ones [default: the last apply]
    #[arg(long, value_name = "ID")]
    to: Option<String>,
    /// Do not ask for confirmation
    #[arg(short, long)]
    yes: bool,
    /// Wait for Enter after each step
    ///
    /// End of input stops for good; the same command continues later.
    #[arg(long)]
    step: bool,
    /// Output format
    #[arg(long, default_value = "human", value_parser = formats(HUMAN_JSON))]
    format: Format,
    /// Print errors only; the exit status has the result
    #[arg(short, long, requires = "yes")]
    quiet: bool,
    #[cfg(feature = "fleet")]
    #[command(flatten)]
    fleet: FleetArgs,
    #[cfg(feature = "fleet")]
    #[command(flatten)]
    waves: WaveArgs,
}

/// What `rollback --format json` prints for this host.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RolledBack {
    /// `oomguard.rollback/1`
    pub schema: String,
    /// The applies that were undone, the latest first; empty when there was nothing to undo.
    pub undone: Vec<String>,
}

impl Rollback {
    pub fn run(&self, terminal: &mut Terminal) -> Result<u8, Failure> {
        terminal.be_quiet(self.quiet);
        run(self, &Host::live(), terminal)
    }
}

fn run(args: &Rollback, host: &Host, terminal: &mut Terminal) -> Result<u8, Failure> {
    #[cfg(feature = "fleet")]
    if fleet_run::asked(&args.fleet)? {
        if args.step {
            return Err(fleet_run::only_here("--step"));
        }
        let task = Task::Rollback { to: args.to.clone() };
        let order = Order {
            task,
            fleet: &args.fleet,
            policy: &PolicyArgs::default(),
            waves: Some(&args.waves),
            yes: args.yes,
            json: args.format == Format::Json,
        };
        return fleet_run::run(&order, host, terminal);
    }

    let json = args.format == Format::Json;
    let report = |undone| pretty(&RolledBack { schema: "oomguard.rollback/1".to_owned(), undone });
    let undoing = rollback::Rollback::open(host, args.to.as_deref())?;
    let ids: Vec<String> = undoing.ids().map(str::to_owned).collect();
    let Some(newest) = undoing.plan()? else {
        let nothing = "Nothing to undo: the history has no apply that is still in force.\n";
        terminal.print(&if json { report(Vec::new()) } else { nothing.to_owned() })?;
        return Ok(code::SUCCESS);
    };
    terminal.say(json, &format!("Rolling back {}:\n{}", ids.join(", then "), plan::changes(&newest)))?;
    if !args.yes && !args.step && !agreed(terminal)? {
        return Ok(code::ERROR);
    }
    let undone = undoing.run(&mut Steps { terminal, pause: args.step, json })?;
    terminal.print(&if json {
        report(undone)
    } else {
        format!("Rolled back: {}. The host is back in its previous state.\n", undone.join(", "))
    })?;
    Ok(code::SUCCESS)
}
