//! `oomguard setup`: fresh servers over ssh, in numbered steps.

use oomguard_fleet::job::Task;
use oomguard_fleet::setup::Phase;
use oomguard_host::Host;
use oomguard_spec::Builtin;

use super::many::{self, Order};
use crate::args::{FleetArgs, PolicyArgs, Setup, TableFormat};
use crate::failure::Failure;
use crate::output::Terminal;

pub fn run(args: &Setup, host: &Host, terminal: &mut Terminal) -> Result<u8, Failure> {
    let phase = if args.dry_run { Phase::DryRun } else { Phase::Change };
    // A document may have a role of its own; without one, a server is a validator.
    let role = match (&args.role, &args.spec) {
        (None, None) => Some(Builtin::Validator.name().to_owned()),
        (role, _) => role.clone(),
    };
    let order = Order {
        task: Task::Setup { phase },
        fleet: &FleetArgs { host: args.hosts.clone(), reach: args.reach.clone(), ..FleetArgs::default() },
        policy: &PolicyArgs { role, spec: args.spec.clone() },
        waves: Some(&args.waves),
        yes: args.yes,
        json: args.format == TableFormat::Json,
    };
    if args.dry_run {
        terminal
            .note("Dry run: nothing is changed; only oomguard itself is sent to /usr/local/lib/oomguard.\n");
    }
    many::run(&order, host, terminal)
}
