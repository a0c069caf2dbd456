//! `oomguard advise`: how much swap a host should have.

use oomguard_agent::recorder::{self, peaks};
use oomguard_converge::Facts;
use oomguard_converge::advise::{COMPILER, Evidence, Load, advise};
use oomguard_host::{Host, cpus};
use oomguard_spec::size::Bytes;
use oomguard_spec::{Builtin, builtin};

use crate::args::{Advise, TextFormat};
use crate::failure::{Failure, code};
use crate::output::{Terminal, advise as output};

pub fn run(args: &Advise, host: &Host, terminal: &mut Terminal) -> Result<u8, Failure> {
    let each = args.each.as_deref().map(str::parse::<Bytes>).transpose();
    let each =
        each.map_err(|error| Failure::usage(format!("--each: {error}")).hint("write for example 3.5GB"))?;
    let cores = host.read(cpus::ONLINE).ok().and_then(|bytes| cpus::count(&bytes).ok());
    let each = each.unwrap_or(COMPILER).0;
    let load = match (args.compilers, args.each.is_some()) {
        (None, false) => None,
        (Some(processes), _) => Some(Load { processes, each, stated: true }),
        (None, true) => Some(Load { processes: cores.unwrap_or(0), each, stated: false }),
    };
    let recording = match &args.recorder {
        Some(path) => std::fs::read(path)
            .map_err(|error| Failure::error(format!("cannot read {}: {error}", path.display())))?,
        // Only root may read it; the sum says on what it rests.
        None => host.read(recorder::PATH).unwrap_or_default(),
    };
    let recorded = peaks::of(&recorder::read(&recording));
    if let (Some(path), None) = (&args.recorder, &recorded) {
        return Err(Failure::error(format!("there is no record in {}", path.display()))
            .hint("`oomguard recorder run --file FILE` makes one"));
    }
    // Which built-in role is no matter: it says only where a swap file would go.
    let facts = Facts::read(host, &builtin::policy(Builtin::Workstation))?;
    let advice = advise(&Evidence::of(&facts, cores, load, recorded));
    terminal.print(&match args.format {
        TextFormat::Text => output::text(&super::host_name(host), &advice, terminal),
        TextFormat::Json => serde_json::to_string_pretty(&advice).unwrap_or_default() + "\n",
    })?;
    Ok(code::AS_IT_SHOULD_BE)
}
