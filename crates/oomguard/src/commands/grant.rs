//! `oomguard mcp approve`: a person approves a plan of `oomguard mcp`.

use oomguard_host::Host;
use oomguard_mcp::approval;

use super::mcp;
use crate::args::Grant;
use crate::failure::{Failure, code};
use crate::output::Terminal;

pub fn run(args: &Grant, host: &Host, terminal: &mut Terminal) -> Result<u8, Failure> {
    let state = mcp::state_dir(&args.place)?;
    let plan = approval::load(&state, &args.plan, host.now()).map_err(Failure::error)?;
    let mut text = format!("{} on {}, for {}:\n", plan.kind.tool(), plan.host, plan.policy.name);
    for step in &plan.steps {
        text.push_str(&format!("  {step}\n"));
    }
    terminal.print(&text)?;
    if !args.yes {
        match terminal.ask("Allow an assistant to do this once, within 15 minutes?")? {
            Some(true) => {}
            Some(false) => {
                terminal.print("Not approved.\n")?;
                return Ok(code::ERROR);
            }
            None => {
                return Err(Failure::usage(
                    "cannot ask for confirmation without a terminal; the plan is not approved",
                )
                .hint("pass --yes to approve it without confirmation"));
            }
        }
    }
    approval::approve(&state, &plan, host.now()).map_err(Failure::error)?;
    terminal.print(&format!(
        "Approved: {}, plan {}. The approval is valid once, for 15 minutes.\n",
        plan.kind.tool(),
        plan.id
    ))?;
    Ok(code::AS_IT_SHOULD_BE)
}
