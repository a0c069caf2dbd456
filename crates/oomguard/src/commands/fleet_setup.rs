//! `oomguard fleet setup`: sets up new servers over ssh, in numbered steps.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use oomguard_fleet::job::Task;
use oomguard_fleet::setup::Phase;
use oomguard_host::Host;
use oomguard_spec::Builtin;

use super::fleet_run::{self, Order};
use crate::args::{FleetArgs, Format, HUMAN_JSON, PolicyArgs, ReachArgs, WaveArgs, formats};
use crate::failure::Failure;
use crate::output::Terminal;

/// Set up new servers: program, swap, protection and agent
///
/// Debian 11 or later. Ten numbered steps: the first five check each server and show the plan, the others change it and
/// check it again.
#[derive(Debug, Args)]
pub struct Setup {
    /// Servers: HOST, USER@HOST or HOST:PORT
    #[arg(value_name = "HOST", required = true, value_delimiter = ',')]
    hosts: Vec<String>,
    /// Role of the policy [default: validator]
    ///
    /// Without --spec, a built-in role: workstation, ci or validator. With --spec, a role of that document.
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
    /// Read the policy from a cspec document
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    spec: Option<PathBuf>,
    /// Show what each step would do, and change nothing
    ///
    /// oomguard itself is still copied to the server.
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Do not ask for confirmation
    #[arg(short, long)]
    yes: bool,
    /// Output format; with json, steps go to standard error
    #[arg(long, default_value = "human", value_parser = formats(HUMAN_JSON))]
    format: Format,
    #[command(flatten)]
    reach: ReachArgs,
    #[command(flatten)]
    waves: WaveArgs,
}

impl Setup {
    pub fn run(&self, terminal: &mut Terminal) -> Result<u8, Failure> {
        let phase = if self.dry_run { Phase::DryRun } else { Phase::Change };
        // A document has roles of its own; without one, a server is a validator.
        let role = match (&self.role, &self.spec) {
            (None, None) => Some(Builtin::Validator.name().to_owned()),
            (role, _) => role.clone(),
        };
        let order = Order {
            task: Task::Setup { phase },
            fleet: &FleetArgs { host: self.hosts.clone(), reach: self.reach.clone(), ..FleetArgs::default() },
            policy: &PolicyArgs { role, spec: self.spec.clone() },
            waves: Some(&self.waves),
            yes: self.yes,
            json: self.format == Format::Json,
        };
        if self.dry_run {
            terminal.note("Dry run: nothing is changed, except that oomguard is copied to the servers.\n");
        }
        fleet_run::run(&order, &Host::live(), terminal)
    }
}
