//! `cargo xtask bench`: compares oomguard with other tools, as ratios of one run.

mod agent;
mod ansible;
mod build;
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
use oomguard_lab::Vm;

use crate::static_binary;
use report::{Row, Section};

/// Compare oomguard with other tools and print tables of ratios.
///
/// Run it on an idle machine. docs/benchmarks.md explains the tables.
#[derive(clap::Args)]
pub struct Args {
    /// Benchmarks to run [default: all]
    #[arg(value_enum)]
    benches: Vec<Bench>,
    /// Number of runs of each command
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,
    /// Write the tables to docs/benchmarks.md
    #[arg(long)]
    write: bool,
    /// Directory of the Ansible role geerlingguy.swap, as installed by `ansible-galaxy role install -p DIR geerlingguy.swap`
    #[arg(long, value_name = "DIR")]
    roles: Option<PathBuf>,
    /// Size of the log for `incident`, in MB
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u64).range(20..=100_000))]
    megabytes: u64,
    /// Number of processes for `guard`
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    processes: u32,
    /// Minutes of scrapes for `agent` before its memory is measured
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=1440))]
    minutes: u64,
    #[command(flatten)]
    fleet: fleet::Size,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Bench {
    /// A clean build with the profiles `release` and `dist`
    Build,
    /// `check` on this machine with 1,000 extra processes
    Check,
    /// A 4 GiB swap file on ext4, xfs and btrfs, compared with dd
    Swapfile,
    /// An apply without changes, compared with Ansible's geerlingguy.swap
    Noop,
    /// 20,000 short processes with and without the agent
    Guard,
    /// The agent's memory and CPU time, compared with earlyoom and node_exporter
    Agent,
    /// `incident` on a 2 GB log with 1,000 reports, compared with `rg -c`
    Incident,
    /// A check of 500 hosts on loopback addresses, compared with `ssh true`; then with failing hosts
    Fleet,
    /// Applies on three lab hosts in parallel, compared with Ansible's geerlingguy.swap
    Rollout,
}

impl Bench {
    /// Its marker in docs/benchmarks.md.
    fn name(self) -> &'static str {
        match self {
            Self::Build => "build",
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

    fn measure(self, root: &Path, args: &Args) -> Result<Vec<Row>> {
        let binary = || static_binary::build(root, "dist");
        match self {
            Self::Build => build::measure(root),
            Self::Check => check::measure(&binary()?, args.runs),
            Self::Swapfile => swapfile::measure(&binary()?, args.runs),
            Self::Guard => guard::measure(&binary()?, args.runs, args.processes),
            Self::Agent => agent::measure(root, &binary()?, args.minutes),
            Self::Noop => noop::measure(root, &binary()?, args.runs, args.roles.as_deref()),
            Self::Incident => incident::measure(root, &binary()?, args.runs, args.megabytes),
            Self::Fleet => fleet::measure(root, &binary()?, args.runs, args.fleet),
            Self::Rollout => rollout::measure(root, &binary()?, args.runs, args.roles.as_deref()),
        }
    }
}

/// Puts the command and the agent's program into a host's /usr/local/bin.
fn push(vm: &Vm, binary: &Path) -> Result<()> {
    vm.push(binary, "/usr/local/bin/oomguard", 0o755)?;
    let agent = static_binary::AGENT;
    vm.push(&binary.with_file_name(agent), &format!("/usr/local/bin/{agent}"), 0o755)?;
    Ok(())
}

/// Runs the benchmarks and prints their tables.
///
/// # Errors
/// When something cannot be built, booted or run. A missed target is not an error; the table shows it.
pub fn run(root: &Path, args: &Args) -> Result<bool> {
    let all = Bench::value_variants();
    let benches = if args.benches.is_empty() { all } else { &args.benches };
    let mut sections = Vec::new();
    for &bench in benches {
        eprintln!("measuring {}", bench.name());
        let rows = bench.measure(root, args)?;
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
