//! `oomguard rollback`: back to the bytes, scores and swaps of before.

use oomguard_converge::rollback;
use oomguard_fleet::job::Task;
use oomguard_host::Host;

use super::apply::agreed;
use super::many::{self, Order};
use super::steps::Steps;
use crate::args::{PolicyArgs, Rollback, TableFormat};
use crate::failure::{Failure, code};
use crate::output::{Terminal, plan};

pub fn run(args: &Rollback, host: &Host, terminal: &mut Terminal) -> Result<u8, Failure> {
    if many::asked(&args.fleet)? {
        if args.step {
            return Err(many::only_here("--step"));
        }
        let task = Task::Rollback { to: args.to.clone() };
        let order = Order {
            task,
            fleet: &args.fleet,
            policy: &PolicyArgs::default(),
            waves: Some(&args.waves),
            yes: args.yes,
            json: args.format == TableFormat::Json,
        };
        return many::run(&order, host, terminal);
    }
    many::json_is_for_others(args.format)?;

    let undoing = rollback::Rollback::open(host, args.to.as_deref())?;
    let ids: Vec<String> = undoing.ids().map(str::to_owned).collect();
    let Some(newest) = undoing.plan()? else {
        terminal.print("There is nothing to undo: the journal has no apply that is not undone already.\n")?;
        return Ok(code::AS_IT_SHOULD_BE);
    };
    terminal.print(&format!("Undoes {}.\n", ids.join(", then ")))?;
    terminal.print(&plan::changes(&newest))?;
    if !args.yes && !args.step && !agreed(terminal)? {
        return Ok(code::ERROR);
    }
    let undone = undoing.run(&mut Steps { terminal, pause: args.step })?;
    terminal.print(&format!("Undone: {}. The host is as it was before.\n", undone.join(", ")))?;
    Ok(code::AS_IT_SHOULD_BE)
}
