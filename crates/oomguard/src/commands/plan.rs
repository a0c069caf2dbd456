//! `oomguard plan`: what `apply` would change.

use oomguard_converge::{Facts, Plan};
use oomguard_fleet::job::Task;
use oomguard_host::Host;

use super::many::{self, Order};
use crate::args::{self, TextFormat};
use crate::failure::{Failure, code};
use crate::output::check::not_read;
use crate::output::{Terminal, plan};
use crate::policy_source;
use crate::replace::replace;

pub fn run(args: &args::Plan, host: &Host, terminal: &mut Terminal) -> Result<u8, Failure> {
    if many::asked(&args.fleet)? {
        if args.output.is_some() {
            return Err(many::only_here("--output"));
        }
        let order = Order {
            task: Task::Plan,
            fleet: &args.fleet,
            policy: &args.policy,
            waves: None,
            yes: true,
            json: args.format == TextFormat::Json,
        };
        return many::run(&order, host, terminal);
    }

    let source = policy_source::policy(&args.policy, terminal)?;
    let facts = Facts::read(host, &source.policy)?;
    let plan = Plan::make(&source.policy, &facts);
    let next = args.output.as_ref().map_or_else(
        || format!("oomguard apply{}", source.args),
        |path| format!("oomguard apply {}", path.display()),
    );
    if let Some(path) = &args.output {
        replace(path, plan.to_json().as_bytes()).map_err(|error| {
            Failure::error(format!("cannot save the plan as {}: {error}", path.display()))
        })?;
    }
    let text = match args.format {
        TextFormat::Json => plan.to_json(),
        TextFormat::Text => plan::text(&plan, &next, terminal),
    };
    terminal.print(&text)?;
    terminal.note(&not_read(&facts.unread));
    Ok(if plan.is_empty() { code::AS_IT_SHOULD_BE } else { code::DIFFERS })
}
