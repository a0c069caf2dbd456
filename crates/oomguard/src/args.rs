//! Arguments that several commands share.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum, ValueHint};
use oomguard_host::Host;

use crate::failure::Failure;

/// Arguments of every command.
#[derive(Clone, Debug, Args)]
pub struct GlobalArgs {
    /// When to use colors
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        display_order = 900,
        value_name = "WHEN",
        default_value = "auto"
    )]
    pub color: Color,
}

/// When to use colors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// How a command prints. Each command takes some of these: see [`formats`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Text for people
    Human,
    /// JSON for programs; `oomguard generate schema` prints its schema
    Json,
    /// JUnit XML for CI systems
    Junit,
    /// SARIF 2.1.0 for code hosts
    Sarif,
    /// One self-contained page
    Html,
    /// Markdown for an issue
    Markdown,
    /// A cspec document
    Cspec,
}

/// What almost every command prints.
pub const HUMAN_JSON: &[Format] = &[Format::Human, Format::Json];

/// Restricts `--format` to what a command can print.
pub fn formats(allowed: &'static [Format]) -> impl TypedValueParser<Value = Format> {
    let values = allowed.iter().filter_map(ValueEnum::to_possible_value);
    PossibleValuesParser::new(values).try_map(|name| Format::from_str(&name, false))
}

/// Which policy.
#[derive(Clone, Debug, Default, Args)]
pub struct PolicyArgs {
    /// Role of the policy: built-in, or of --spec
    ///
    /// Without --spec, a built-in role: workstation (the default), ci or validator. With --spec, a role of that
    /// document.
    #[arg(long, value_name = "ROLE")]
    pub role: Option<String>,
    /// Read the policy from a cspec document
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub spec: Option<PathBuf>,
}

/// A directory instead of this machine.
#[derive(Clone, Debug, Default, Args)]
pub struct RootArgs {
    /// Read a host's files from DIR, not this machine
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub root: Option<PathBuf>,
}

impl RootArgs {
    /// The host that is meant.
    pub fn host(&self) -> Result<Host, Failure> {
        match &self.root {
            None => Ok(Host::live()),
            Some(root) if root.is_dir() => Ok(Host::folder(root)),
            Some(root) => Err(Failure::usage(format!("--root {}: no such directory", root.display()))),
        }
    }
}

/// Less output.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct QuietArgs {
    /// Print errors only; the exit status has the result
    #[arg(short, long)]
    pub quiet: bool,
}

/// Hosts other than this one.
#[cfg(feature = "fleet")]
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Other hosts (over ssh)")]
pub struct FleetArgs {
    /// Hosts, comma-separated: HOST, USER@HOST, HOST:PORT
    #[arg(long, value_name = "HOST", num_args = 1.., value_delimiter = ',')]
    pub host: Vec<String>,
    /// Read hosts from a file
    ///
    /// A cspec document, the output of `ansible-inventory --list`, or a list with one host per line.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub inventory: Option<PathBuf>,
    /// Restrict to matching hosts; `!` excludes
    ///
    /// Names, groups and globs, comma-separated, for example `testnet*,!testnet003*`.
    #[arg(long, value_name = "PATTERN")]
    pub limit: Option<String>,
    #[command(flatten)]
    pub reach: ReachArgs,
}

/// How other hosts are reached.
#[cfg(feature = "fleet")]
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Other hosts (over ssh)")]
pub struct ReachArgs {
    /// Maximum number of concurrent hosts
    #[arg(
        long,
        hide_short_help = true,
        value_name = "N",
        default_value_t = 50,
        value_parser = clap::value_parser!(u16).range(1..=2000)
    )]
    pub forks: u16,
    /// Use this ssh configuration file
    #[arg(long, hide_short_help = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub ssh_config: Option<PathBuf>,
    /// Require root (`sudo -n`) even for commands that only read
    ///
    /// Without it, a host that refuses sudo is read as an ordinary user, and what only root may read is reported as
    /// unknown.
    #[arg(long, hide_short_help = true)]
    pub sudo: bool,
    /// Keep runs in this directory
    ///
    /// Default: /var/lib/oomguard/runs for root, else $XDG_STATE_HOME/oomguard/runs or ~/.local/state/oomguard/runs.
    #[arg(long, hide_short_help = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub runs: Option<PathBuf>,
}

/// Where runs are kept.
#[cfg(feature = "fleet")]
#[derive(Clone, Debug, Default, Args)]
pub struct RunsArgs {
    /// Keep runs in this directory
    ///
    /// Default: /var/lib/oomguard/runs for root, else $XDG_STATE_HOME/oomguard/runs or ~/.local/state/oomguard/runs.
    #[arg(long, hide_short_help = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub runs: Option<PathBuf>,
}

/// The size of each wave of a rollout.
#[cfg(feature = "fleet")]
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Other hosts (over ssh)")]
pub struct WaveArgs {
    /// Hosts after each wave, as numbers or shares
    #[arg(long, value_name = "WAVES", default_value = "1,25%,100%")]
    pub wave: String,
    /// Stop when more hosts than this have failed
    #[arg(long, hide_short_help = true, value_name = "N", default_value_t = 0)]
    pub max_failures: usize,
}
