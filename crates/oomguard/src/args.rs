//! The one definition of the command line: help, man pages and completions come from it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;

const EXIT_CODES: &str = "\
Exit codes:
  0   as it should be
  1   an error: what was asked could not be done
  2   something differs from the policy (check, plan, apply)
  64  wrong usage";

/// Keeps the sessions and services of a Linux server alive when memory runs out.
///
/// It states a memory policy (swap, swappiness, OOM protection), applies it so that the host boots whenever power is
/// cut, and proves it on the live processes. Protection is for keepers (user managers, tmux servers, services), never
/// for the load that runs inside them.
#[derive(Debug, Parser)]
#[command(name = "oomguard", version, after_help = EXIT_CODES, max_term_width = 100)]
pub struct Cli {
    /// Look at the host in this folder instead of this machine (check, plan, status, journal)
    #[arg(long, global = true, display_order = 90, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub root: Option<PathBuf>,
    /// When to use colours
    #[arg(long, global = true, display_order = 91, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
    #[command(subcommand)]
    pub command: Command,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say in which ways this host misses the policy
    Check(Check),
    /// Show what `apply` would change, with a diff of every file
    Plan(Plan),
    /// Change this host so that it is as the policy says
    Apply(Apply),
    /// Undo an apply: back to the bytes, scores and swaps of before
    Rollback(Rollback),
    /// Show what was applied and undone
    Journal(Journal),
    /// Show swap, swappiness, pressure and protected processes in one screen
    Status(Status),
    /// Explain what the OOM killer did and why, from a kernel log
    Incident(Incident),
    /// Check, format or show a cspec document
    #[command(subcommand)]
    Spec(Spec),
    /// Print the JSON schema of something that oomguard prints or reads
    Schema {
        /// Which; without it, the names
        name: Option<SchemaName>,
    },
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the man page, or write those of all commands to a folder
    Man {
        /// Write one file for each command here
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        out: Option<PathBuf>,
    },
}

/// Where the policy comes from.
#[derive(Clone, Debug, Default, Args)]
pub struct PolicyArgs {
    /// The role: a built-in one (workstation, ci, validator), or one of the document's
    #[arg(long, value_name = "ROLE")]
    pub role: Option<String>,
    /// A cspec document with the policy, instead of a built-in one
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub spec: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Check {
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// How to print
    #[arg(long, default_value = "table")]
    pub format: CheckFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CheckFormat {
    /// For people
    Table,
    /// For programs; `oomguard schema check` describes it
    Json,
    /// For CI systems
    Junit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TextFormat {
    /// For people
    Text,
    /// For programs; `oomguard schema NAME` describes it
    Json,
}

#[derive(Debug, Args)]
pub struct Plan {
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// Save the plan here, for `oomguard apply FILE`
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
    /// How to print
    #[arg(long, default_value = "text")]
    pub format: TextFormat,
}

#[derive(Debug, Args)]
pub struct Apply {
    /// A plan saved by `oomguard plan -o FILE`; refused when the host has changed since
    #[arg(value_name = "PLAN", value_hint = ValueHint::FilePath, conflicts_with_all = ["role", "spec"])]
    pub plan: Option<PathBuf>,
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// Stop after every step until Enter is pressed; end of input stops for good
    #[arg(long)]
    pub step: bool,
}

#[derive(Debug, Args)]
pub struct Rollback {
    /// Undo this apply and all after it; without it, the last one
    #[arg(long, value_name = "ID")]
    pub to: Option<String>,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// Stop after every step until Enter is pressed; end of input stops for good
    #[arg(long)]
    pub step: bool,
}

#[derive(Debug, Args)]
pub struct Journal {
    #[command(subcommand)]
    pub command: Option<JournalCommand>,
}

#[derive(Clone, Debug, Subcommand)]
pub enum JournalCommand {
    /// List what was applied, the latest last (the default)
    List {
        /// How to print
        #[arg(long, default_value = "text")]
        format: TextFormat,
    },
    /// Show one apply as a whole
    Show {
        /// Its name, as `journal list` prints it
        id: String,
        /// How to print
        #[arg(long, default_value = "text")]
        format: TextFormat,
    },
}

#[derive(Debug, Args)]
pub struct Status {
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// How to print
    #[arg(long, default_value = "text")]
    pub format: TextFormat,
}

#[derive(Debug, Args)]
pub struct Incident {
    /// A log; `-` is standard input. Without it, this machine's journal, or /dev/kmsg
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,
    /// Only incidents from then on: `2026-01-23 13:38` (UTC, or the log's own zone), or `90m`, `24h`, `7d` ago
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub since: Option<String>,
    /// Only one boot of the journal: 0 is this one, -1 the one before; see journalctl(1)
    #[arg(long, value_name = "N", allow_hyphen_values = true, conflicts_with = "file")]
    pub boot: Option<i32>,
    /// How to print: the last incident, or with json all of them
    #[arg(long, default_value = "text")]
    pub format: IncidentFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum IncidentFormat {
    /// One screen
    Text,
    /// For an issue
    Markdown,
    /// One page that needs no network
    Html,
    /// For programs; `oomguard schema incident` describes it
    Json,
    /// A session document, with the change as a policy that `plan` takes
    Cspec,
}

#[derive(Debug, Subcommand)]
pub enum Spec {
    /// Read documents and say what is wrong with them
    Check {
        /// The documents; `-` is standard input
        #[arg(required = true, value_hint = ValueHint::FilePath)]
        files: Vec<PathBuf>,
        /// How to print
        #[arg(long, default_value = "text")]
        format: TextFormat,
    },
    /// Write a document as strict YAML: the same data, with the comments kept
    Fmt {
        /// The document; `-` is standard input
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// Change the file instead of printing
        #[arg(long)]
        write: bool,
    },
    /// Show the policy of a document or of a built-in role as the document you would write yourself
    Show {
        /// The document; `-` is standard input
        #[arg(required_unless_present = "builtin", value_hint = ValueHint::FilePath)]
        file: Option<PathBuf>,
        /// The role of the document
        #[arg(long, value_name = "ROLE")]
        role: Option<String>,
        /// A built-in role instead of a document: workstation, ci or validator
        #[arg(long, value_name = "ROLE", conflicts_with_all = ["file", "role"])]
        builtin: Option<String>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SchemaName {
    /// `oomguard check --format json`
    Check,
    /// `oomguard plan --format json` and saved plans
    Plan,
    /// `oomguard journal show --format json`
    Journal,
    /// `oomguard status --format json`
    Status,
    /// The policy inside a plan
    Policy,
    /// `oomguard incident --format json`
    Incident,
}
