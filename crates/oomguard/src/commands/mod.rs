//! The commands, by the headings of the help. Each file has the arguments, the help and the call of one command.

mod advise;
mod agent;
mod apply;
mod check;
mod drill;
mod drill_part;
mod events;
#[cfg(feature = "fleet")]
mod fleet;
#[cfg(feature = "fleet")]
mod fleet_run;
#[cfg(feature = "fleet")]
mod fleet_setup;
mod generate;
mod history;
mod incident;
#[cfg(feature = "mcp")]
mod mcp;
#[cfg(feature = "mcp")]
mod mcp_approve;
mod plan;
mod rank;
mod record;
mod recorder;
#[cfg(feature = "fleet")]
mod remote;
mod rollback;
mod runbook;
mod spec;
mod spec_check;
mod spec_diff;
mod status;
mod steps;

use clap::Subcommand;
use oomguard_host::Host;
use oomguard_report::host_name;

use crate::failure::Failure;
use crate::output::Terminal;

/// All commands; each enum below has those of one heading.
#[derive(Debug, Subcommand)]
pub enum Command {
    #[command(flatten)]
    ThisHost(ThisHost),
    #[command(flatten)]
    Explain(Explain),
    #[command(flatten)]
    Load(Load),
    #[cfg(feature = "fleet")]
    #[command(flatten)]
    ManyHosts(ManyHosts),
    #[command(flatten)]
    Documents(Documents),
    #[command(flatten)]
    Integration(Integration),
    #[command(flatten)]
    Other(Other),
    #[command(flatten)]
    Internal(Internal),
}

#[derive(Debug, Subcommand)]
pub enum ThisHost {
    Check(check::Check),
    Plan(plan::PlanArgs),
    Apply(apply::Apply),
    Rollback(rollback::Rollback),
    History(history::History),
    Status(status::Status),
}

#[derive(Debug, Subcommand)]
pub enum Explain {
    Incident(incident::Incident),
    Rank(rank::Rank),
    Events(events::Events),
    #[command(subcommand)]
    Recorder(recorder::RecorderCommand),
    Runbook(runbook::RunbookArgs),
}

#[derive(Debug, Subcommand)]
pub enum Load {
    Drill(drill::DrillArgs),
    Advise(advise::Advise),
}

#[cfg(feature = "fleet")]
#[derive(Debug, Subcommand)]
pub enum ManyHosts {
    #[command(subcommand)]
    Fleet(fleet::Fleet),
}

#[derive(Debug, Subcommand)]
pub enum Documents {
    #[command(subcommand)]
    Spec(spec::Spec),
    Record(record::Record),
}

#[derive(Debug, Subcommand)]
pub enum Integration {
    #[cfg(feature = "mcp")]
    Mcp(mcp::Mcp),
    Agent(agent::Agent),
}

#[derive(Debug, Subcommand)]
pub enum Other {
    #[command(subcommand)]
    Generate(generate::Generate),
}

/// What oomguard starts itself.
#[derive(Debug, Subcommand)]
pub enum Internal {
    #[cfg(feature = "fleet")]
    #[command(hide = true)]
    Remote(remote::Remote),
    #[command(hide = true, subcommand)]
    DrillPart(drill_part::DrillPart),
}

/// The headings of the help, each with its commands.
pub fn headings() -> Vec<(&'static str, clap::Command)> {
    let none = || clap::Command::new("oomguard");
    Vec::from([
        ("This host", ThisHost::augment_subcommands(none())),
        ("Explain", Explain::augment_subcommands(none())),
        ("Load", Load::augment_subcommands(none())),
        #[cfg(feature = "fleet")]
        ("Many hosts", ManyHosts::augment_subcommands(none())),
        ("Documents", Documents::augment_subcommands(none())),
        ("Integration", Integration::augment_subcommands(none())),
        ("Other", Other::augment_subcommands(none())),
    ])
}

/// Runs a command; the exit code.
pub fn run(command: Command, terminal: &mut Terminal) -> Result<u8, Failure> {
    match command {
        Command::ThisHost(ThisHost::Check(args)) => args.run(terminal),
        Command::ThisHost(ThisHost::Plan(args)) => args.run(terminal),
        Command::ThisHost(ThisHost::Apply(args)) => args.run(terminal),
        Command::ThisHost(ThisHost::Rollback(args)) => args.run(terminal),
        Command::ThisHost(ThisHost::History(args)) => args.run(terminal),
        Command::ThisHost(ThisHost::Status(args)) => args.run(terminal),
        Command::Explain(Explain::Incident(args)) => args.run(terminal),
        Command::Explain(Explain::Rank(args)) => args.run(terminal),
        Command::Explain(Explain::Events(args)) => args.run(terminal),
        Command::Explain(Explain::Recorder(args)) => args.run(terminal),
        Command::Explain(Explain::Runbook(args)) => args.run(terminal),
        Command::Load(Load::Drill(args)) => args.run(terminal),
        Command::Load(Load::Advise(args)) => args.run(terminal),
        #[cfg(feature = "fleet")]
        Command::ManyHosts(ManyHosts::Fleet(args)) => args.run(terminal),
        Command::Documents(Documents::Spec(args)) => args.run(terminal),
        Command::Documents(Documents::Record(args)) => args.run(terminal),
        #[cfg(feature = "mcp")]
        Command::Integration(Integration::Mcp(args)) => args.run(terminal),
        Command::Integration(Integration::Agent(args)) => args.run(),
        Command::Other(Other::Generate(args)) => args.run(terminal),
        #[cfg(feature = "fleet")]
        Command::Internal(Internal::Remote(args)) => args.run(),
        Command::Internal(Internal::DrillPart(args)) => args.run(),
    }
}

/// Only a live machine can be changed.
fn live(host: &Host) -> Result<&Host, Failure> {
    if host.is_live() {
        return Ok(host);
    }
    Err(Failure::usage("a directory given with --root can only be read, not changed")
        .hint("run the command on the machine itself"))
}
