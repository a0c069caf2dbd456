//! `oomguard spec diff`: compares the policies of two documents.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use oomguard_spec::difference::documents;

use crate::args::{Format, HUMAN_JSON, formats};
use crate::failure::{Failure, code};
use crate::output::{Terminal, spec_diff};
use crate::policy_source::{no_policy, read};

/// Compare the policies of two documents, setting by setting
///
/// Exit status: 0 when they are the same, 2 when they differ.
#[derive(Debug, Args)]
pub struct Diff {
    /// First document
    #[arg(value_hint = ValueHint::FilePath)]
    before: PathBuf,
    /// Second document
    #[arg(value_hint = ValueHint::FilePath)]
    after: PathBuf,
    /// Compare only this role
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
    /// Output format
    #[arg(long, default_value = "human", value_parser = formats(HUMAN_JSON))]
    format: Format,
}

impl Diff {
    pub fn run(&self, terminal: &mut Terminal) -> Result<u8, Failure> {
        run(self, terminal)
    }
}

fn run(args: &Diff, terminal: &mut Terminal) -> Result<u8, Failure> {
    let style = terminal.error_style();
    let (before, after) = (read(&args.before, style)?, read(&args.after, style)?);
    let comparison = documents(&before, &after, args.role.as_deref())
        .map_err(|(document, error)| no_policy(document, &error, style))?;
    terminal.print(&match args.format {
        Format::Json => crate::output::pretty(&comparison),
        _ => spec_diff::text(&comparison),
    })?;
    Ok(if comparison.same { code::SUCCESS } else { code::DIFFERS })
}
