//! `oomguard generate`: JSON schemas, shell completions, man pages and alert rules.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;
use oomguard_agent::rules::{RUNBOOK_BASE, RuleSet};
use oomguard_agent::{event, event_log};
use oomguard_converge::Plan;
use oomguard_converge::advise::Advice;
use oomguard_converge::history::Entry;
use oomguard_report::{CheckReport, RankReport, StatusReport};
use oomguard_spec::difference::Comparison;
use oomguard_spec::policy::Policy;
use schemars::schema_for;

use super::{apply, rollback, runbook};
use crate::cli::{self, Cli};
use crate::failure::{Failure, code};
#[cfg(feature = "fleet")]
use crate::output::fleet;
use crate::output::{Terminal, pretty, recorder, spec_check};

/// Generate completions, man pages, schemas or alert rules
#[derive(Debug, Subcommand)]
pub enum Generate {
    Schema(Schema),
    Completions(Completions),
    Man(Man),
    Rules(Rules),
}

/// Print the JSON schema of an output or input
///
/// Without a name, lists the names.
#[derive(Debug, Args)]
pub struct Schema {
    /// Name of the schema
    #[arg(hide_possible_values = true)]
    name: Option<SchemaName>,
}

/// Print a completion script for a shell
#[derive(Debug, Args)]
pub struct Completions {
    /// Shell
    shell: Shell,
}

/// Print the man page, or write the pages of all commands to a directory
#[derive(Debug, Args)]
pub struct Man {
    /// Write one file per command to this directory
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    out: Option<PathBuf>,
}

/// Print the Prometheus alert rules
#[derive(Debug, Args)]
pub struct Rules {
    /// Hosts that the rules are for
    #[arg(long = "for", value_name = "HOSTS", default_value = "agent")]
    hosts: RulesFor,

    /// URL of your copy of docs/runbooks, for the links in alerts
    #[arg(long, value_name = "URL", default_value = RUNBOOK_BASE)]
    runbook_base: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum RulesFor {
    /// Hosts that run the oomguard agent
    Agent,
    /// Hosts that run only node_exporter
    NodeExporter,
}

/// Each with the command that prints it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SchemaName {
    /// `check --format json`
    Check,
    /// `plan --format json` and saved plans
    Plan,
    /// `apply --format json`
    Apply,
    /// `rollback --format json`
    Rollback,
    /// `history show --format json`; `history list` prints an array of these
    History,
    /// `status --format json`
    Status,
    /// `rank --format json`
    Rank,
    /// `recorder show --format json`
    Recorder,
    /// `spec show --format json`, and the policy in a plan
    Policy,
    /// `events --format json`
    Events,
    /// One event, as hooks and webhooks receive it
    Event,
    /// `incident --format json`
    Incident,
    /// `runbook --format json`
    Runbooks,
    #[cfg(feature = "fleet")]
    /// Any command with `--host` or `--inventory`, `fleet show`, `fleet status`
    Fleet,
    #[cfg(feature = "fleet")]
    /// `fleet runs --format json`
    FleetRuns,
    /// `spec check --format json`
    SpecCheck,
    /// `spec diff --format json`
    SpecDiff,
    /// `advise --format json`
    Advise,
    /// `drill --format json`
    Drill,
}

impl Generate {
    pub fn run(&self, terminal: &mut Terminal) -> Result<u8, Failure> {
        match self {
            Self::Schema(Schema { name: None }) => terminal.print(&names())?,
            Self::Schema(Schema { name: Some(name) }) => terminal.print(&pretty(&schema(*name)))?,
            Self::Completions(args) => {
                let mut script = Vec::new();
                clap_complete::generate(args.shell, &mut Cli::command(), "oomguard", &mut script);
                terminal.print_document(&String::from_utf8_lossy(&script))?;
            }
            Self::Rules(rules) => terminal.print(&rules.text()?)?,
            Self::Man(Man { out: Some(dir) }) => man_pages(dir)?,
            Self::Man(Man { out: None }) => {
                let mut page = Vec::new();
                let rendered = clap_mangen::Man::new(cli::for_man()).render(&mut page);
                rendered.map_err(|error| Failure::error(format!("cannot make the man page: {error}")))?;
                terminal.print_document(&String::from_utf8_lossy(&page))?;
            }
        }
        Ok(code::SUCCESS)
    }
}

impl Rules {
    fn text(&self) -> Result<String, Failure> {
        let rules = match self.hosts {
            RulesFor::Agent => RuleSet::Agent,
            RulesFor::NodeExporter => RuleSet::NodeExporter,
        };
        rules.with_runbook_base(&self.runbook_base).map_err(|error| Failure::usage(error.to_string()))
    }
}

fn man_pages(dir: &Path) -> Result<(), Failure> {
    let failed = |error| Failure::error(format!("cannot write man pages to {}: {error}", dir.display()));
    fs::create_dir_all(dir).map_err(failed)?;
    clap_mangen::generate_to(cli::for_man(), dir).map_err(failed)
}

fn names() -> String {
    let line = |value: clap::builder::PossibleValue| {
        let help = value.get_help().map(ToString::to_string).unwrap_or_default();
        format!("{:<11} {help}\n", value.get_name())
    };
    SchemaName::value_variants().iter().filter_map(ValueEnum::to_possible_value).map(line).collect()
}

fn schema(name: SchemaName) -> schemars::Schema {
    match name {
        SchemaName::Check => schema_for!(CheckReport),
        SchemaName::Plan => schema_for!(Plan),
        SchemaName::Apply => schema_for!(apply::Applied),
        SchemaName::Rollback => schema_for!(rollback::RolledBack),
        SchemaName::History => schema_for!(Entry),
        SchemaName::Status => schema_for!(StatusReport),
        SchemaName::Rank => schema_for!(RankReport),
        SchemaName::Recorder => schema_for!(recorder::Report),
        SchemaName::Policy => schema_for!(Policy),
        SchemaName::Events => schema_for!(event_log::Log),
        SchemaName::Event => schema_for!(event::Entry),
        SchemaName::Incident => schema_for!(oomguard_incident::Report),
        SchemaName::Runbooks => schema_for!(runbook::Report),
        #[cfg(feature = "fleet")]
        SchemaName::Fleet => schema_for!(fleet::Report),
        #[cfg(feature = "fleet")]
        SchemaName::FleetRuns => schema_for!(fleet::RunsReport),
        SchemaName::SpecCheck => schema_for!(spec_check::Report),
        SchemaName::SpecDiff => schema_for!(Comparison),
        SchemaName::Advise => schema_for!(Advice),
        SchemaName::Drill => schema_for!(oomguard_drill::Report),
    }
}
