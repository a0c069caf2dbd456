//! `oomguard advise`: recommends a swap size.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use oomguard_agent::recorder::{self, peaks};
use oomguard_converge::Facts;
use oomguard_converge::advise::{Advice, COMPILER, Evidence, Load, advise};
use oomguard_host::{Host, cpus};
use oomguard_spec::size::Bytes;
use oomguard_spec::{Builtin, builtin};

use crate::args::{Format, HUMAN_JSON, RootArgs, formats};
use crate::failure::{Failure, code};
use crate::output::{Terminal, advise as output};

/// Recommend a swap size
///
/// Calculated from recorded usage and the expected workload. Prints the calculation line by line, beside the rule of thumb. Nothing is changed.
#[derive(Debug, Args)]
pub struct Advise {
    /// Number of compilers that run at the same time [default: number of CPUs]
    #[arg(long, value_name = "N")]
    compilers: Option<u32>,
    /// Memory of each compiler, such as 800MB or 3.5GB [default: 4GB]
    ///
    /// The default is what a large rustc needs.
    #[arg(long, value_name = "SIZE")]
    each: Option<String>,
    /// Read this recorder file instead of the host's
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    recorder: Option<PathBuf>,
    /// Output format
    #[arg(long, default_value = "human", value_parser = formats(HUMAN_JSON))]
    format: Format,
    #[command(flatten)]
    root: RootArgs,
}

impl Advise {
    pub fn run(&self, terminal: &mut Terminal) -> Result<u8, Failure> {
        let advice = advice(self, &self.root.host()?)?;
        terminal.print(&match self.format {
            Format::Json => crate::output::pretty(&advice),
            _ => output::text(&super::host_name(&self.root.host()?), &advice, terminal),
        })?;
        Ok(code::SUCCESS)
    }
}

fn advice(args: &Advise, host: &Host) -> Result<Advice, Failure> {
    let each = args.each.as_deref().map(str::parse::<Bytes>).transpose();
    let each =
        each.map_err(|error| Failure::usage(format!("--each: {error}")).hint("write a size such as 3.5GB"))?;
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
        // Only root may read it; the calculation says when nothing was recorded.
        None => host.read(recorder::PATH).unwrap_or_default(),
    };
    let recorded = peaks::of(&recorder::read(&recording));
    if let (Some(path), None) = (&args.recorder, &recorded) {
        return Err(Failure::error(format!("no records in {}", path.display()))
            .hint("`oomguard recorder run --file FILE` records one"));
    }
    // Any built-in role will do: it only decides where a swap file would be.
    let facts = Facts::read(host, &builtin::policy(Builtin::Workstation))?;
    Ok(advise(&Evidence::of(&facts, cores, load, recorded)))
}
