//! `oomguard mcp approve`: a person approves a plan of an assistant.

use clap::Args;
use oomguard_host::Host;
use oomguard_mcp::approval;

use super::mcp::{self, StateArgs};
use crate::failure::{Failure, code};
use crate::output::Terminal;

/// Approve a plan of an assistant, once and for 15 minutes
///
/// Shows what would be done, and asks.
#[derive(Debug, Args)]
pub struct Approve {
    /// ID of the plan, as the assistant shows it
    #[arg(value_name = "PLAN_ID")]
    plan: String,
    /// Do not ask for confirmation
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    place: StateArgs,
}

impl Approve {
    pub fn run(&self, terminal: &mut Terminal) -> Result<u8, Failure> {
        let host = Host::live();
        let state = mcp::state_dir(&self.place)?;
        let plan = approval::load(&state, &self.plan, host.now()).map_err(Failure::error)?;
        let mut text = format!("{} on {}, for {}:\n", plan.kind.tool(), plan.host, plan.policy.name);
        for step in &plan.steps {
            text.push_str(&format!("  {step}\n"));
        }
        terminal.print(&text)?;
        if !self.yes {
            match terminal.ask("Allow an assistant to do this once, within 15 minutes?")? {
                Some(true) => {}
                Some(false) => {
                    terminal.print("Not approved.\n")?;
                    return Ok(code::ERROR);
                }
                None => {
                    return Err(Failure::usage("no terminal to ask on; the plan is not approved")
                        .hint("use --yes to approve it without a question"));
                }
            }
        }
        approval::approve(&state, &plan, host.now()).map_err(Failure::error)?;
        terminal.print(&format!(
            "Approved: {}, plan {}. The approval is valid once, for 15 minutes.\n",
            plan.kind.tool(),
            plan.id
        ))?;
        Ok(code::SUCCESS)
    }
}
