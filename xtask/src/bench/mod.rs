//! `cargo xtask bench`: oomguard beside its peers, as ratios from one run.

mod agent;
mod ansible;
mod check;
pub mod fleet;
mod guard;
mod incident;
mod noop;
mod report;
mod rollout;
mod swapfile;
mod times;

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use clap::ValueEnum;

use crate::static_binary;
use report::{Row, Section};

/// Measure oomguard beside its peers and print a table of ratios.
///
/// Nothing else should run on the machine meanwhile. docs/benchmarks.md says how to read the tables.
#[derive(clap::Args)]
pub struct Args {
    /// What to measure; all of it by default
    #[arg(value_enum)]
    benches: Vec<Bench>,
    /// How often each command is timed
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,
    /// Put the tables into docs/benchmarks.md
    #[arg(long)]
    write: bool,
    /// The Ansible role geerlingguy.swap, as `ansible-galaxy role install -p DIR geerlingguy.swap` puts it into DIR
    #[arg(long, value_name = "DIR")]
    roles: Option<PathBuf>,
    /// The size of the log for `incident`
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u64).range(20..=100_000))]
    megabytes: u64,
    /// How many processes a build of `guard` has
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    processes: u32,
    /// How long `agent` is scraped before its memory is looked at
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=1440))]
    minutes: u64,
    #[command(flatten)]
    fleet: fleet::Size,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Bench {
    /// `check` on this machine, with 1,000 processes more than it has
    Check,
    /// A swap file of 4 GiB against dd, on ext4, xfs and btrfs of a lab host
    Swapfile,
    /// An apply that changes nothing against Ansible's geerlingguy.swap, on two lab hosts
    Noop,
    /// 20,000 short processes in a lab host, with the agent and without it
    Guard,
    /// The agent's memory and time, beside earlyoom and node_exporter in a lab host
    Agent,
    /// `incident` on a log of 2 GB with 1,000 reports, against `rg -c`
    Incident,
    /// A check of 500 hosts on loopback addresses against `ssh true` on all, and with many of them going wrong
    Fleet,
    /// The first apply and one that changes nothing, on three lab hosts at once, against Ansible's geerlingguy.swap
    Rollout,
}

impl Bench {
    /// Its mark in docs/benchmarks.md.
    fn name(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Swapfile => "swapfile",
            Self::Noop => "noop",
            Self::Guard => "guard",
            Self::Agent => "agent",
            Self::Incident => "incident",
            Self::Fleet => "fleet",
            Self::Rollout => "rollout",
        }
    }
}

/// Measures, prints and, if asked, writes down.
///
/// # Errors
/// When something cannot be built, booted or run. A target that is missed is no error: the table says so.
pub fn run(root: &Path, args: &Args) -> Result<bool> {
    let all = Bench::value_variants();
    let benches = if args.benches.is_empty() { all } else { &args.benches };
    let binary = static_binary::build(root, "dist")?;
    let mut sections = Vec::new();
    for bench in benches {
        eprintln!("measuring {}", bench.name());
        let rows = match bench {
            Bench::Check => check::measure(&binary, args.runs)?,
            Bench::Swapfile => swapfile::measure(&binary, args.runs)?,
            Bench::Guard => guard::measure(&binary, args.runs, args.processes)?,
            Bench::Agent => agent::measure(root, &binary, args.minutes)?,
            Bench::Noop => noop::measure(root, &binary, args.runs, args.roles.as_deref())?,
            Bench::Incident => incident::measure(root, &binary, args.runs, args.megabytes)?,
            Bench::Fleet => fleet::measure(root, &binary, args.runs, args.fleet)?,
            Bench::Rollout => rollout::measure(root, &binary, args.runs, args.roles.as_deref())?,
        };
        ensure!(!rows.is_empty(), "{} measured nothing", bench.name());
        let section = Section { name: bench.name(), machine: report::machine(root)?, rows };
        println!("\n{}", section.markdown());
        sections.push(section);
    }
    if args.write {
        report::write(&root.join("docs/benchmarks.md"), &sections)?;
    }
    Ok(true)
}
