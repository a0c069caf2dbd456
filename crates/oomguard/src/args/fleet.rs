//! Other hosts: which, how they are reached, how many at a time, and what was done on them.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, ValueHint};

use super::{PolicyArgs, TableFormat};

/// Other hosts than this one.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Other hosts, over ssh")]
pub struct FleetArgs {
    /// These hosts: `host`, `user@host`, `host:port`; commas or blanks between
    #[arg(long, value_name = "HOST", num_args = 1.., value_delimiter = ',')]
    pub host: Vec<String>,
    /// The hosts of this file: a cspec document, what `ansible-inventory --list` prints, or a host a line
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub inventory: Option<PathBuf>,
    /// Of those only these: names, groups and globs, commas between, `!` takes away
    #[arg(long, value_name = "PATTERN")]
    pub limit: Option<String>,
    #[command(flatten)]
    pub reach: ReachArgs,
}

/// How other hosts are reached.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Other hosts, over ssh")]
pub struct ReachArgs {
    /// So many hosts at a time
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=2000))]
    pub forks: u16,
    /// Another configuration of ssh than the user's own
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub ssh_config: Option<PathBuf>,
    /// Become root with `sudo -n` even to look; without it, what root alone may read is left out where sudo is refused
    #[arg(long)]
    pub sudo: bool,
    /// Keep runs in this folder; else in $XDG_STATE_HOME/oomguard/runs, or for root in /var/lib/oomguard/runs
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub runs: Option<PathBuf>,
}

/// How many hosts are changed before it is seen how the first ones are.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Other hosts, over ssh")]
pub struct WaveArgs {
    /// How far each wave goes, counted from the first host: numbers of hosts, or shares of all
    #[arg(long, value_name = "WAVES", default_value = "1,25%,100%")]
    pub wave: String,
    /// Go on while no more hosts than this have failed
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub max_failures: usize,
}

#[derive(Debug, Subcommand)]
pub enum Fleet {
    /// List what was done on other hosts, the latest last
    Runs {
        #[command(flatten)]
        place: RunsArgs,
        /// How to print
        #[arg(long, default_value = "table")]
        format: TableFormat,
    },
    /// Show what came of each host of a run
    Show {
        /// Its name, as `fleet runs` prints it
        id: String,
        #[command(flatten)]
        place: RunsArgs,
        /// How to print
        #[arg(long, default_value = "table")]
        format: TableFormat,
    },
    /// Ask those hosts of a run again that failed or were not reached
    Resume {
        /// Its name, as `fleet runs` prints it
        id: String,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
        /// How to print
        #[arg(long, default_value = "table")]
        format: TableFormat,
        #[command(flatten)]
        reach: ReachArgs,
    },
    /// Show how every host stood when it was last seen, the worst first; hosts that are named are looked at first
    Status {
        #[command(flatten)]
        policy: PolicyArgs,
        /// How to print
        #[arg(long, default_value = "table")]
        format: FleetFormat,
        #[command(flatten)]
        fleet: FleetArgs,
    },
}

/// Where runs are kept.
#[derive(Clone, Debug, Default, Args)]
pub struct RunsArgs {
    /// The folder of runs; else $XDG_STATE_HOME/oomguard/runs, or for root /var/lib/oomguard/runs
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub runs: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FleetFormat {
    /// For people
    Table,
    /// For programs; `oomguard schema fleet` describes it
    Json,
    /// One page that needs no network
    Html,
    /// The `verification` section of a cspec document
    Cspec,
}
