//! `oomguard apply`: asks, changes the host, checks it again, and shows the swap as it is then.

use std::fs;
use std::path::Path;

use oomguard_converge::Plan;
use oomguard_converge::apply::{ApplyError, Session};
use oomguard_fleet::job::Task;
use oomguard_host::Host;
use oomguard_report::CheckReport;

use super::many::{self, Order};
use super::steps::Steps;
use crate::args::{self, PolicyArgs, TableFormat};
use crate::failure::{Failure, code};
use crate::output::{Paint, Terminal, check, plan};
use crate::policy_source::{self, PolicySource};

pub fn run(args: &args::Apply, host: &Host, terminal: &mut Terminal) -> Result<u8, Failure> {
    if many::asked(&args.fleet)? {
        if args.step || args.plan.is_some() {
            return Err(many::only_here("a saved plan, or --step,"));
        }
        let order = Order {
            task: Task::Apply,
            fleet: &args.fleet,
            policy: &args.policy,
            waves: Some(&args.waves),
            yes: args.yes,
            json: args.format == TableFormat::Json,
        };
        return many::run(&order, host, terminal);
    }
    many::json_is_for_others(args.format)?;

    let saved = args.plan.as_deref().map(read_plan).transpose()?;
    let source = match &saved {
        Some(plan) => PolicySource {
            policy: plan.policy.clone(),
            name: "the saved plan's policy".to_owned(),
            args: String::new(),
        },
        None => policy(&args.policy, terminal)?,
    };
    let session = Session::open(host, &source.policy, env!("CARGO_PKG_VERSION"))?;
    if let Some(id) = session.unfinished() {
        terminal.print(&format!("The apply {id} was interrupted; this one finishes it.\n"))?;
    }
    if let Some(saved) = &saved {
        session.expect(saved)?;
    }
    let refusals = session.refusals();
    if !refusals.is_empty() {
        return Err(ApplyError::Refused(refusals).into());
    }
    if !session.plan().changes.is_empty() {
        terminal.print(&plan::text(session.plan(), "", terminal))?;
        if !args.yes && !args.step && !agreed(terminal)? {
            return Ok(code::ERROR);
        }
    }
    let outcome = session.apply(&mut Steps { terminal, pause: args.step })?;
    let (host_name, left) = (super::host_name(host), outcome.left);
    let report = CheckReport::new(host_name, &source.name, left, Vec::new(), &outcome.facts);
    match &outcome.id {
        Some(id) => terminal.print(&format!("Done. `oomguard rollback --to {id}` undoes it.\n\n"))?,
        None => terminal.print("Nothing to change.\n\n")?,
    }
    terminal.print(&check::table(&report, &outcome.facts, &source.args, terminal))?;
    terminal.print(&swap_status(host, terminal))?;
    Ok(if report.fine { code::AS_IT_SHOULD_BE } else { code::DIFFERS })
}

fn policy(args: &PolicyArgs, terminal: &mut Terminal) -> Result<PolicySource, Failure> {
    policy_source::policy(args, terminal)
}

fn read_plan(path: &Path) -> Result<Plan, Failure> {
    let shown = path.display();
    let bytes = fs::read(path).map_err(|error| Failure::error(format!("cannot read {shown}: {error}")))?;
    Plan::from_json(&bytes).map_err(|error| Failure::error(format!("{shown}: {error}")))
}

/// Asks on a terminal; without one, somebody has to have said yes before.
pub fn agreed(terminal: &mut Terminal) -> Result<bool, Failure> {
    match terminal.ask("Change this host so?")? {
        Some(true) => Ok(true),
        Some(false) => {
            terminal.print("Nothing was changed.\n")?;
            Ok(false)
        }
        None => Err(Failure::usage("there is no terminal to ask on, and nothing was changed")
            .hint("give --yes to change the host without being asked")),
    }
}

/// The swap status of the team's own procedure: `swapon --show` and `free -h`.
pub fn swap_status(host: &Host, terminal: &Terminal) -> String {
    let mut text = String::new();
    for (program, args) in [("swapon", "--show"), ("free", "-h")] {
        // Only shown: a host without procps is no failure.
        if let Ok(ran) = host.run(program, &[args]) {
            let title = terminal.paint(Paint::Bold, &format!("{program} {args}"));
            text.push_str(&format!("\n{title}\n{}", String::from_utf8_lossy(&ran.stdout)));
        }
    }
    text
}
