//! `oomguard spec`: cspec documents.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueHint};
use oomguard_spec::{PolicyError, builtin, policy_to_document};

use super::spec_check::Check;
use super::spec_diff::Diff;
use crate::args::{Format, HUMAN_JSON, formats};
use crate::failure::{Failure, code};
use crate::output::{Terminal, pretty};
use crate::policy_source::{builtin_role, read};
use crate::replace::replace;

/// Check, compare, format and show cspec documents
#[derive(Debug, Subcommand)]
pub enum Spec {
    Check(Check),
    Diff(Diff),
    Fmt(Fmt),
    Show(Show),
}

/// Format a document as strict YAML: the same data and comments
#[derive(Debug, Args)]
pub struct Fmt {
    /// Document; `-` is standard input
    #[arg(value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// Change the file instead of printing
    #[arg(long)]
    write: bool,
}

/// Show the policy of a document or of a built-in role
///
/// As a document to start your own from.
#[derive(Debug, Args)]
pub struct Show {
    /// Document; `-` is standard input
    #[arg(required_unless_present = "builtin", value_hint = ValueHint::FilePath)]
    file: Option<PathBuf>,
    /// Role of the document
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
    /// Built-in role: workstation, ci or validator
    #[arg(long, value_name = "ROLE", conflicts_with_all = ["file", "role"])]
    builtin: Option<String>,
    /// Output format
    #[arg(long, default_value = "human", value_parser = formats(HUMAN_JSON))]
    format: Format,
}

impl Spec {
    pub fn run(&self, terminal: &mut Terminal) -> Result<u8, Failure> {
        match self {
            Self::Check(args) => args.run(terminal),
            Self::Diff(args) => args.run(terminal),
            Self::Fmt(args) => fmt(&args.file, args.write, terminal),
            Self::Show(args) => show(args, terminal),
        }
    }
}

fn fmt(file: &Path, write: bool, terminal: &mut Terminal) -> Result<u8, Failure> {
    let document = read(file, terminal.error_style())?;
    let strict = document.to_strict_yaml();
    if !write {
        terminal.note(&document.render(document.diagnostics(), terminal.error_style()));
        terminal.print_document(&strict)?;
        return Ok(code::SUCCESS);
    }
    if file == Path::new("-") {
        return Err(Failure::usage("--write needs a file, not standard input"));
    }
    if strict != document.source() {
        // A symbolic link stays: its target is replaced.
        fs::canonicalize(file)
            .and_then(|file| replace(&file, strict.as_bytes()))
            .map_err(|error| Failure::error(format!("cannot write {}: {error}", file.display())))?;
    }
    Ok(code::SUCCESS)
}

fn show(args: &Show, terminal: &mut Terminal) -> Result<u8, Failure> {
    let json = args.format == Format::Json;
    if let Some(role) = &args.builtin {
        let role = builtin_role(role)?;
        let text = if json { pretty(&builtin::policy(role)) } else { builtin::source(role).to_owned() };
        terminal.print_document(&text)?;
        return Ok(code::SUCCESS);
    }
    let role = args.role.as_deref();
    let Some(file) = &args.file else { return Err(Failure::usage("give a document or --builtin ROLE")) };
    let document = read(file, terminal.error_style())?;
    let policy = document.policy(role).map_err(|error| match &error {
        PolicyError::Invalid { diagnostics, .. } => {
            Failure::Document(document.render(diagnostics, terminal.error_style()))
        }
        _ => Failure::usage(&error),
    })?;
    let role = role.map(str::to_owned).or_else(|| document.default_role());
    terminal.print_document(&if json {
        pretty(&policy)
    } else {
        policy_to_document(&policy, role.as_deref().unwrap_or("all"))
    })?;
    Ok(code::SUCCESS)
}
