//! One file for each subcommand; no logic of their own.

mod advise;
mod agent;
mod apply;
mod check;
mod docs;
mod drill;
mod drill_part;
mod events;
mod fleet;
mod grant;
mod incident;
mod journal;
mod many;
mod mcp;
mod plan;
mod rank;
mod record;
mod recorder;
mod remote;
mod rollback;
mod runbook;
mod schema;
mod setup;
mod spec;
mod spec_check;
mod spec_diff;
mod status;
mod steps;

use oomguard_host::Host;
use oomguard_report::host_name;

use crate::args::{Cli, Command};
use crate::failure::Failure;
use crate::output::Terminal;

/// Runs the subcommand; the exit code.
pub fn run(cli: Cli, terminal: &mut Terminal) -> Result<u8, Failure> {
    let root = cli.root.clone();
    let host = match &cli.root {
        None => Host::live(),
        Some(root) if !root.is_dir() => {
            return Err(Failure::usage(format!("--root {}: there is no such folder", root.display())));
        }
        Some(root) => Host::folder(root),
    };
    match cli.command {
        Command::Check(args) => check::run(&args, &host, terminal),
        Command::Plan(args) => plan::run(&args, &host, terminal),
        Command::Apply(args) => apply::run(&args, live(&host)?, terminal),
        Command::Rollback(args) => rollback::run(&args, live(&host)?, terminal),
        Command::Journal(args) => journal::run(args.command, &host, terminal),
        Command::Status(args) => status::run(&args, &host, terminal),
        Command::Events(args) => events::run(&args, &host, terminal),
        Command::Agent(args) => agent::run(&args, live(&host)?),
        Command::Rank(args) => rank::run(&args, &host, terminal),
        Command::Recorder(command) => recorder::run(&command, &host, terminal),
        Command::Incident(args) => incident::run(&args, &host, terminal),
        Command::Fleet(command) => fleet::run(&command, &host, terminal),
        Command::Setup(args) => setup::run(&args, &host, terminal),
        Command::Mcp(args) => mcp::run(&args, root, host, terminal),
        Command::Grant(args) => grant::run(&args, &host, terminal),
        Command::Remote { agent } => remote::run(agent.as_deref(), &host),
        Command::Record(args) => record::run(&args, &host, terminal),
        Command::Runbook(args) => runbook::run(&args, terminal),
        Command::Advise(args) => advise::run(&args, &host, terminal),
        Command::Drill(args) => drill::run(&args, live(&host)?, terminal),
        Command::DrillPart(part) => drill_part::run(&part, &host),
        Command::Spec(command) => spec::run(&command, terminal),
        Command::Schema { name } => schema::run(name, terminal),
        Command::Completions { shell } => docs::completions(shell, terminal),
        Command::Man { out } => docs::man(out.as_deref(), terminal),
    }
}

/// Only a live machine is changed: a folder has no kernel to prove the change on.
fn live(host: &Host) -> Result<&Host, Failure> {
    if host.is_live() {
        return Ok(host);
    }
    Err(Failure::usage("a host that is a folder (--root) is only looked at, never changed")
        .hint("run the command on the machine itself"))
}
