//! The one definition of the command line: help, man pages and completions come from it.

mod drill;
mod fleet;
mod practice;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;

pub use drill::{Drill, DrillPart, DrillScope, SceneName};
pub use fleet::{Fleet, FleetArgs, FleetFormat, ReachArgs, WaveArgs};
pub use practice::{Advise, Record, Runbook, SpecCheckFormat, SpecDiff};

const EXIT_CODES: &str = "\
Exit codes:
  0   as it should be
  1   an error: what was asked could not be done
  2   something differs from the policy (check, plan, apply), or is not proved (drill)
  3   some of several hosts failed, or were not reached
  64  wrong usage";

/// Keeps the sessions and services of a Linux server alive when memory runs out.
///
/// It states a memory policy (swap, swappiness, OOM protection), applies it so that the host boots whenever power is
/// cut, and proves it on the live processes. Protection is for keepers (user managers, tmux servers, services), never
/// for the load that runs inside them.
#[derive(Debug, Parser)]
#[command(name = "oomguard", version, after_help = EXIT_CODES, max_term_width = 100)]
pub struct Cli {
    /// Look at the host in this folder instead of this machine (check, plan, status, journal, events, rank, recorder show)
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
    /// Show what the agent has seen: OOM kills, leaks, pressure, full swap
    Events(Events),
    /// Keep protection on keepers and off the load, as they start; systemd runs it
    Agent(Agent),
    /// Show in which order the kernel would kill if memory ran out
    Rank(Rank),
    /// Show or record the minutes before an incident
    #[command(subcommand)]
    Recorder(Recorder),
    /// Explain what the OOM killer did and why, from a kernel log
    Incident(Incident),
    /// Check, format or show a cspec document
    #[command(subcommand)]
    Spec(Spec),
    /// Write what was done and seen as a session document
    Record(Record),
    /// Print what to do when an alert comes
    Runbook(Runbook),
    /// Say how much swap this host should have, as a sum of what was seen and what is to run
    Advise(Advise),
    /// Prove protection on this host: let memory run out in a small room of its own, and see who lives
    Drill(Drill),
    /// A part of a drill; `oomguard drill` itself runs it
    #[command(hide = true, subcommand)]
    DrillPart(DrillPart),
    /// Show and resume what was done on many hosts, and how they stand
    #[command(subcommand)]
    Fleet(Fleet),
    /// Set up fresh servers over ssh: program, swap, protection, agent, in numbered steps
    Setup(Setup),
    /// Serve assistants over the Model Context Protocol: they look, and change hosts only as far as a person grants it
    Mcp(Mcp),
    /// Let an assistant carry out a plan of `oomguard mcp`: once, within 15 minutes
    Grant(Grant),
    /// Do a job that comes on standard input; oomguard itself runs it on other hosts
    #[command(hide = true)]
    Remote {
        /// The agent's program that was sent with this one
        #[arg(long, value_name = "FILE")]
        agent: Option<PathBuf>,
    },
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
    #[command(flatten)]
    pub fleet: FleetArgs,
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
    #[command(flatten)]
    pub fleet: FleetArgs,
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
    /// How to print what came of other hosts
    #[arg(long, default_value = "table")]
    pub format: TableFormat,
    #[command(flatten)]
    pub fleet: FleetArgs,
    #[command(flatten)]
    pub waves: WaveArgs,
}

#[derive(Debug, Args)]
pub struct Mcp {
    /// The hosts of this file may be named, besides `local`; a document, what `ansible-inventory --list` prints, or a host a line
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub inventory: Option<PathBuf>,
    /// Documents and logs beneath this folder may be read; may be given several times
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub folder: Vec<PathBuf>,
    /// Also offer apply_plan, rollback and setup_testnet_server; each call needs what `oomguard grant` gives
    #[arg(long)]
    pub allow_write: bool,
    /// Serve streamable HTTP on this port of this machine, instead of standard input and output; port 0 takes a free one
    #[arg(long, value_name = "127.0.0.1:PORT", requires = "token_file")]
    pub http: Option<SocketAddr>,
    /// The file with the bearer token that clients must show: of your own, with the mode 0600
    #[arg(long, value_name = "FILE", requires = "http", value_hint = ValueHint::FilePath)]
    pub token_file: Option<PathBuf>,
    #[command(flatten)]
    pub place: StateArgs,
    #[command(flatten)]
    pub reach: ReachArgs,
}

/// Where `mcp` keeps what it must remember.
#[derive(Clone, Debug, Default, Args)]
pub struct StateArgs {
    /// The folder of plans, grants and the audit; else $XDG_STATE_HOME/oomguard/mcp, or for root /var/lib/oomguard/mcp
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub state: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Grant {
    /// The plan, as the assistant names it
    #[arg(value_name = "PLAN_ID")]
    pub plan: String,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    #[command(flatten)]
    pub place: StateArgs,
}

#[derive(Debug, Args)]
pub struct Setup {
    /// The servers: `host`, `user@host`, `host:port`; commas or blanks between
    #[arg(value_name = "HOST", required = true, value_delimiter = ',')]
    pub hosts: Vec<String>,
    /// The role: a built-in one (workstation, ci, validator), or one of the document's [default: validator]
    #[arg(long, value_name = "ROLE")]
    pub role: Option<String>,
    /// A cspec document with the policy, instead of a built-in one
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub spec: Option<PathBuf>,
    /// Say what each step would do, and change nothing; oomguard itself is sent there all the same
    #[arg(long, conflicts_with = "yes")]
    pub dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// How to print what came of the servers; with json, the steps go to standard error
    #[arg(long, default_value = "table")]
    pub format: TableFormat,
    #[command(flatten)]
    pub reach: ReachArgs,
    #[command(flatten)]
    pub waves: WaveArgs,
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
    /// How to print what came of other hosts
    #[arg(long, default_value = "table")]
    pub format: TableFormat,
    #[command(flatten)]
    pub fleet: FleetArgs,
    #[command(flatten)]
    pub waves: WaveArgs,
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
    #[command(flatten)]
    pub fleet: FleetArgs,
}

#[derive(Debug, Args)]
pub struct Rank {
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// Think of this load as running too, for example rustc:3.5GB*8; may be given several times
    #[arg(long, value_name = "NAME:SIZE*N")]
    pub add: Vec<String>,
    /// How to print
    #[arg(long, default_value = "table")]
    pub format: TableFormat,
}

#[derive(Debug, Args)]
pub struct Events {
    /// Only those since then: `15m`, `2h` or `7d` ago, `2026-01-23` or `2026-01-23 14:00` in UTC
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Only those of this kind
    #[arg(long, value_name = "KIND", value_parser = PossibleValuesParser::new(oomguard_agent::event::KINDS))]
    pub kind: Option<String>,
    /// How to print
    #[arg(long, default_value = "table")]
    pub format: TableFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TableFormat {
    /// For people
    Table,
    /// For programs; `oomguard schema NAME` describes it
    Json,
}

#[derive(Debug, Args)]
pub struct Agent {
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// Serve metrics and /healthz on this port of 127.0.0.1; 0: do not
    #[arg(long, value_name = "PORT", default_value_t = oomguard_agent::http::PORT)]
    pub port: u16,
    /// Also put the metrics into this folder of node_exporter's textfile collector
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub textfile: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum Recorder {
    /// Show how memory, swap, pressure and the largest processes went, while it records or after a crash
    Show {
        /// Only what was recorded since then: `15m`, `2h` or `7d` ago, `2026-01-23` or `2026-01-23 14:00` in UTC
        #[arg(long, value_name = "TIME")]
        since: Option<String>,
        /// Another file than the host's
        #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
        file: Option<PathBuf>,
        /// How to print
        #[arg(long, default_value = "table")]
        format: TableFormat,
    },
    /// Record without the agent, as during a load test; until it is killed, or for a while
    Run {
        /// How long: 90s, 10m, 2h
        #[arg(long = "for", value_name = "DURATION")]
        length: Option<String>,
        /// Another file than the host's
        #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
        file: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub struct Incident {
    /// A log; `-` is standard input. Without it, this machine's journal, or /dev/kmsg
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,
    /// Only incidents since then: `15m`, `2h` or `7d` ago, `2026-01-23` or `2026-01-23 14:00` in UTC, or the log's own zone
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub since: Option<String>,
    /// Only one boot of the journal: 0 is this one, -1 the one before; see journalctl(1)
    #[arg(long, value_name = "N", allow_hyphen_values = true, conflicts_with = "file")]
    pub boot: Option<i32>,
    /// A recorder's file with the minutes before the last incident; for this machine's own log, its own
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub recorder: Option<PathBuf>,
    /// How to print: the last incident, or with json all of them
    #[arg(long, default_value = "text")]
    pub format: IncidentFormat,
    #[command(flatten)]
    pub fleet: FleetArgs,
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
        /// The documents; of a folder every .cspec in and below it; `-` is standard input
        #[arg(required = true, value_hint = ValueHint::AnyPath)]
        files: Vec<PathBuf>,
        /// How to print
        #[arg(long, default_value = "text")]
        format: SpecCheckFormat,
    },
    /// Say what two documents ask differently, setting by setting
    Diff(SpecDiff),
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
    /// `oomguard rank --format json`
    Rank,
    /// `oomguard recorder show --format json`
    Recorder,
    /// The policy inside a plan
    Policy,
    /// `oomguard events --format json`
    Events,
    /// One event, as hooks and webhooks get it
    Event,
    /// `oomguard incident --format json`
    Incident,
    /// What every command prints with `--format json` for other hosts; `oomguard fleet show`, `fleet status`
    Fleet,
    /// `oomguard fleet runs --format json`
    FleetRuns,
    /// `oomguard spec check --format json`
    SpecCheck,
    /// `oomguard spec diff --format json`
    SpecDiff,
    /// `oomguard advise --format json`
    Advise,
    /// `oomguard drill --format json`
    Drill,
}
