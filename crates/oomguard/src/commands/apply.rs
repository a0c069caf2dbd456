//! `oomguard apply`: asks, changes the host, checks it again, and shows its swap.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use oomguard_converge::Plan;
use oomguard_converge::apply::{ApplyError, Session};
#[cfg(feature = "fleet")]
use oomguard_fleet::job::Task;
use oomguard_host::Host;
use oomguard_report::CheckReport;
use schemars::JsonSchema;
use serde::Serialize;

#[cfg(feature = "fleet")]
use super::fleet_run::{self, Order};
use super::steps::Steps;
#[cfg(feature = "fleet")]
use crate::args::{FleetArgs, WaveArgs};
use crate::args::{Format, HUMAN_JSON, PolicyArgs, formats};
use crate::failure::{Failure, code};
use crate::output::{Paint, Terminal, check, plan, pretty};
use crate::policy_source::{self, PolicySource};

/// Apply the policy to this host
///
/// Shows the plan, asks, changes the host step by step, and checks it again. Crash-safe and idempotent: after a power
/// cut the host boots, and the same command finishes the job. Needs root. Exit status: 0 when the host then matches the
/// policy, 2 when it still differs.
#[derive(Debug, Args)]
pub struct Apply {
    /// A plan saved by `oomguard plan -o FILE`
    ///
    /// Refused when the host has changed since.
    #[arg(value_name = "PLAN", value_hint = ValueHint::FilePath, conflicts_with_all = ["role", "spec"])]
    plan: Option<PathBuf>,
    #[command(flatten)]
    policy: PolicyArgs,
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

/// What `apply --format json` prints for this host.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Applied {
    /// `oomguard.apply/1`
    pub schema: String,
    /// The name of the apply in the history; null when there was nothing to change.
    pub id: Option<String>,
    /// Number of changes.
    pub changes: usize,
    /// The check of the host afterwards.
    pub check: CheckReport,
}

impl Apply {
    pub fn run(&self, terminal: &mut Terminal) -> Result<u8, Failure> {
        terminal.be_quiet(self.quiet);
        run(self, &Host::live(), terminal)
    }
}

fn run(args: &Apply, host: &Host, terminal: &mut Terminal) -> Result<u8, Failure> {
    #[cfg(feature = "fleet")]
    if fleet_run::asked(&args.fleet)? {
        if args.step || args.plan.is_some() {
            return Err(fleet_run::only_here("a saved plan or --step"));
        }
        let order = Order {
            task: Task::Apply,
            fleet: &args.fleet,
            policy: &args.policy,
            waves: Some(&args.waves),
            yes: args.yes,
            json: args.format == Format::Json,
        };
        return fleet_run::run(&order, host, terminal);
    }

    let json = args.format == Format::Json;
    let saved = args.plan.as_deref().map(read_plan).transpose()?;
    let source = match &saved {
        Some(plan) => PolicySource {
            policy: plan.policy.clone(),
            name: "the saved plan's policy".to_owned(),
            args: String::new(),
        },
        None => policy_source::policy(&args.policy, terminal)?,
    };
    let session = Session::open(host, &source.policy, env!("CARGO_PKG_VERSION"))?;
    if let Some(id) = session.unfinished() {
        terminal.say(json, &format!("Apply {id} was interrupted; this one finishes it.\n"))?;
    }
    if let Some(saved) = &saved {
        session.expect(saved)?;
    }
    let refusals = session.refusals();
    if !refusals.is_empty() {
        return Err(ApplyError::Refused(refusals).into());
    }
    if !session.plan().changes.is_empty() {
        terminal.say(json, &plan::text(session.plan(), "", terminal))?;
        if !args.yes && !args.step && !agreed(terminal)? {
            return Ok(code::ERROR);
        }
    }
    let changes = session.plan().changes.len();
    let outcome = session.apply(&mut Steps { terminal, pause: args.step, json })?;
    let (host_name, left) = (super::host_name(host), outcome.left);
    let report = CheckReport::new(host_name, &source.name, left, Vec::new(), &outcome.facts);
    let code = if report.fine { code::SUCCESS } else { code::DIFFERS };
    if json {
        let (schema, id) = ("oomguard.apply/1".to_owned(), outcome.id);
        terminal.print(&pretty(&Applied { schema, id, changes, check: report }))?;
        return Ok(code);
    }
    match &outcome.id {
        Some(id) => terminal.print(&format!("Done. `oomguard rollback --to {id}` undoes it.\n\n"))?,
        None => terminal.print("Nothing to change.\n\n")?,
    }
    terminal.print(&check::text(
        &report,
        &outcome.facts,
        check::Shown { args: &source.args, verbose: false },
        terminal,
    ))?;
    terminal.print(&swap_status(host, terminal))?;
    Ok(code)
}

fn read_plan(path: &Path) -> Result<Plan, Failure> {
    let shown = path.display();
    let bytes = fs::read(path).map_err(|error| Failure::error(format!("cannot read {shown}: {error}")))?;
    Plan::from_json(&bytes).map_err(|error| Failure::error(format!("{shown}: {error}")))
}

/// Asks on a terminal; without one, --yes is needed.
pub fn agreed(terminal: &mut Terminal) -> Result<bool, Failure> {
    match terminal.ask("Apply these changes?")? {
        Some(true) => Ok(true),
        Some(false) => {
            terminal.print("Nothing was changed.\n")?;
            Ok(false)
        }
        None => Err(Failure::usage("no terminal to ask on; nothing was changed")
            .hint("use --yes to skip the question")),
    }
}

/// `swapon --show` and `free -h`.
pub fn swap_status(host: &Host, terminal: &Terminal) -> String {
    let mut text = String::new();
    for (program, args) in [("swapon", "--show"), ("free", "-h")] {
        // For information only: a host without procps is no failure.
        if let Ok(ran) = host.run(program, &[args]) {
            let title = terminal.paint(Paint::Bold, &format!("{program} {args}"));
            text.push_str(&format!("\n{title}\n{}", String::from_utf8_lossy(&ran.stdout)));
        }
    }
    text
}
