//! `oomguard fleet`: runs on other hosts, and the state of each host.

use clap::{Args, Subcommand};
use oomguard_fleet::job::Task;
use oomguard_fleet::render;
use oomguard_fleet::status::latest;
use oomguard_host::Host;

use super::fleet_run::{self, Asking, Order};
use super::fleet_setup::Setup;
use crate::args::{FleetArgs, Format, HUMAN_JSON, PolicyArgs, ReachArgs, RunsArgs, formats};
use crate::failure::{Failure, code};
use crate::output::{Terminal, fleet};

/// Set up hosts over ssh, show their state, resume runs
///
/// `check`, `plan`, `apply`, `rollback`, `status` and `incident` take --host and --inventory. Each of these is a run:
/// its results are kept, and can be shown and resumed.
#[derive(Debug, Subcommand)]
pub enum Fleet {
    Status(Status),
    Setup(Setup),
    Runs(Runs),
    Show(Show),
    Resume(Resume),
}

/// Show the last known state of each host, the worst first
///
/// Hosts that are named are checked first.
#[derive(Debug, Args)]
pub struct Status {
    #[command(flatten)]
    policy: PolicyArgs,
    /// Output format
    #[arg(long, default_value = "human", value_parser = formats(&[Format::Human, Format::Json, Format::Html, Format::Cspec]))]
    format: Format,
    #[command(flatten)]
    fleet: FleetArgs,
}

/// List runs, the latest last
#[derive(Debug, Args)]
pub struct Runs {
    /// Output format
    #[arg(long, default_value = "human", value_parser = formats(HUMAN_JSON))]
    format: Format,
    #[command(flatten)]
    place: RunsArgs,
}

/// Show the result of a run for each host
#[derive(Debug, Args)]
pub struct Show {
    /// ID of the run, from `fleet runs`
    id: String,
    /// Output format
    #[arg(long, default_value = "human", value_parser = formats(HUMAN_JSON))]
    format: Format,
    #[command(flatten)]
    place: RunsArgs,
}

/// Retry the failed and unreachable hosts of a run
#[derive(Debug, Args)]
pub struct Resume {
    /// ID of the run, from `fleet runs`
    id: String,
    /// Do not ask for confirmation
    #[arg(short, long)]
    yes: bool,
    /// Output format
    #[arg(long, default_value = "human", value_parser = formats(HUMAN_JSON))]
    format: Format,
    #[command(flatten)]
    reach: ReachArgs,
}

impl Fleet {
    pub fn run(&self, terminal: &mut Terminal) -> Result<u8, Failure> {
        match self {
            Self::Status(args) => status(args, &Host::live(), terminal),
            Self::Setup(args) => args.run(terminal),
            Self::Runs(args) => {
                let runs = fleet_run::runs(args.place.runs.as_deref())?;
                let kept: Vec<_> = runs.ids()?.iter().filter_map(|id| runs.open(id).ok()).collect();
                terminal.print(&match args.format {
                    Format::Json => fleet::runs_json(&kept),
                    _ => fleet::runs_table(&kept),
                })?;
                Ok(code::SUCCESS)
            }
            Self::Show(args) => {
                let kept = fleet_run::runs(args.place.runs.as_deref())?.open(&args.id)?;
                let outcomes = kept.outcomes();
                terminal.print(&match args.format {
                    Format::Json => fleet::json(&kept, &outcomes),
                    _ => fleet::text(&kept, &outcomes, terminal),
                })?;
                Ok(fleet_run::exit_code(&kept.run.task, &outcomes))
            }
            Self::Resume(args) => {
                let kept = fleet_run::runs(args.reach.runs.as_deref())?.open(&args.id)?;
                let left = kept.unfinished();
                fleet_run::finish(&kept, &left, &args.reach, args.yes, args.format == Format::Json, terminal)
            }
        }
    }
}

fn status(args: &Status, host: &Host, terminal: &mut Terminal) -> Result<u8, Failure> {
    let (hosts, policy) = (&args.fleet, &args.policy);
    let asked = fleet_run::asked(hosts)?;
    let mut names = Vec::new();
    if asked {
        let order = Order { task: Task::Check, fleet: hosts, policy, waves: None, yes: true, json: false };
        let kept = fleet_run::begin(&order, host, terminal)?;
        let asking = Asking { yes: true, json: true };
        fleet_run::work(&kept, &kept.run.hosts, &hosts.reach, asking, terminal)?;
        names.extend(kept.run.hosts.into_iter().map(|member| member.target.name));
    }
    let mut standings = latest(&fleet_run::runs(hosts.reach.runs.as_deref())?)?;
    standings.retain(|standing| !asked || names.contains(&standing.outcome.target.name));
    terminal.print(&match args.format {
        Format::Json => fleet::status_json(&standings),
        Format::Html => render::html(&standings, host.now()),
        Format::Cspec => render::cspec(&standings),
        _ => fleet::status_text(&standings, terminal),
    })?;
    let outcomes: Vec<_> = standings.into_iter().map(|standing| standing.outcome).collect();
    Ok(fleet_run::exit_code(&Task::Check, &outcomes))
}
