//! `oomguard check`: in which ways a host misses its policy.

use oomguard_converge::{Facts, Plan, findings, rank};
use oomguard_fleet::job::Task;
use oomguard_host::Host;
use oomguard_report::CheckReport;

use super::many::{self, Order};
use crate::args::{Check, CheckFormat};
use crate::failure::{Failure, code};
use crate::output::{Terminal, check, junit};
use crate::policy_source;

pub fn run(args: &Check, host: &Host, terminal: &mut Terminal) -> Result<u8, Failure> {
    if many::asked(&args.fleet)? {
        if args.format == CheckFormat::Junit {
            return Err(many::only_here("--format junit"));
        }
        let order = Order {
            task: Task::Check,
            fleet: &args.fleet,
            policy: &args.policy,
            waves: None,
            yes: true,
            json: args.format == CheckFormat::Json,
        };
        return many::run(&order, host, terminal);
    }

    let source = policy_source::policy(&args.policy, terminal)?;
    let facts = Facts::read(host, &source.policy)?;
    let found = findings(&source.policy, &facts);
    let refusals = Plan::make(&source.policy, &facts).refusals;
    let mut report = CheckReport::new(super::host_name(host), &source.name, found, refusals, &facts);
    report.dies_first = rank::first(host, &facts)?;
    let text = match args.format {
        CheckFormat::Table => check::table(&report, &facts, &source.args, terminal),
        CheckFormat::Json => oomguard_report::to_json(&report),
        CheckFormat::Junit => junit::document(&report),
    };
    terminal.print(&text)?;
    Ok(if report.fine { code::AS_IT_SHOULD_BE } else { code::DIFFERS })
}
