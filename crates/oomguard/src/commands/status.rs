//! `oomguard status`: one screen.

use oomguard_converge::Facts;
use oomguard_fleet::job::Task;
use oomguard_host::Host;
use oomguard_report::StatusReport;

use super::many::{self, Order};
use crate::args::{Status, TextFormat};
use crate::failure::{Failure, code};
use crate::output::{Terminal, status};
use crate::policy_source;

pub fn run(args: &Status, host: &Host, terminal: &mut Terminal) -> Result<u8, Failure> {
    if many::asked(&args.fleet)? {
        let order = Order {
            task: Task::Status,
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
    let report = StatusReport::new(super::host_name(host), &source.policy, &facts);
    let text = match args.format {
        TextFormat::Json => oomguard_report::to_json(&report),
        TextFormat::Text => status::text(&report, &source.name, terminal),
    };
    terminal.print(&text)?;
    Ok(code::AS_IT_SHOULD_BE)
}
