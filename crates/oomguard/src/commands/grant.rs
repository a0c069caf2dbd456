//! `oomguard grant`: a person says yes to a plan of `oomguard mcp`.

use oomguard_host::Host;
use oomguard_mcp::grant;

use super::mcp;
use crate::args::Grant;
use crate::failure::{Failure, code};
use crate::output::Terminal;

pub fn run(args: &Grant, host: &Host, terminal: &mut Terminal) -> Result<u8, Failure> {
    let state = mcp::state(&args.place)?;
    let plan = grant::plan(&state, &args.plan, host.now()).map_err(Failure::error)?;
    let mut text = format!("{} on {}, for {}:\n", plan.kind.tool(), plan.host, plan.policy.name);
    for step in &plan.steps {
        text.push_str(&format!("  {step}\n"));
    }
    terminal.print(&text)?;
    if !args.yes {
        match terminal.ask("May an assistant do this once, within 15 minutes?")? {
            Some(true) => {}
            Some(false) => {
                terminal.print("Nothing is granted.\n")?;
                return Ok(code::ERROR);
            }
            None => {
                return Err(Failure::usage("there is no terminal to ask on, and nothing is granted")
                    .hint("give --yes to grant it without being asked"));
            }
        }
    }
    grant::give(&state, &plan, host.now()).map_err(Failure::error)?;
    terminal.print(&format!("Granted: {} of {}, once, for 15 minutes.\n", plan.kind.tool(), plan.id))?;
    Ok(code::AS_IT_SHOULD_BE)
}
