//! `oomguard spec check`: documents, for people and for CI systems.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use oomguard_spec::Severity;

use crate::args::{Format, QuietArgs, formats};
use crate::failure::{Failure, code};
use crate::output::Terminal;
use crate::output::spec_check::{Checked, Report};
use crate::policy_source::read_or_reject;

/// Deeper directories than this are a mistake.
const MAX_DEPTH: usize = 16;

const FORMATS: &[Format] = &[Format::Human, Format::Json, Format::Junit, Format::Sarif];

/// Check documents for errors
///
/// Exit status: 0 when all documents can be used (warnings are only printed), 1 when one has an error or cannot be read.
#[derive(Debug, Args)]
pub struct Check {
    /// Documents, or directories with .cspec files; `-` is standard input
    #[arg(required = true, value_hint = ValueHint::AnyPath)]
    files: Vec<PathBuf>,
    /// Output format
    #[arg(long, default_value = "human", value_parser = formats(FORMATS))]
    format: Format,
    #[command(flatten)]
    quiet: QuietArgs,
}

impl Check {
    pub fn run(&self, terminal: &mut Terminal) -> Result<u8, Failure> {
        terminal.be_quiet(self.quiet.quiet);
        run(&self.files, self.format, terminal)
    }
}

fn run(paths: &[PathBuf], format: Format, terminal: &mut Terminal) -> Result<u8, Failure> {
    let mut report = Report::default();
    for path in documents(paths)? {
        let shown = path.display().to_string();
        let style = terminal.output_style();
        let checked = match read_or_reject(&path) {
            Ok(Ok(document)) => {
                let mut said = document.diagnostics().to_vec();
                said.extend(document.lint());
                Checked::of(shown, document.render(&said, style), said, document.roles())
            }
            Ok(Err(rejected)) => Checked::rejected(shown, rejected.render(style), rejected.diagnostics),
            // The other documents are still checked.
            Err(failure) => {
                report.unread.push(shown);
                terminal.fail(&failure);
                continue;
            }
        };
        if format == Format::Human {
            terminal.print(&checked.text())?;
        }
        report.files.push(checked);
    }
    match format {
        Format::Json => terminal.print(&report.to_json())?,
        Format::Sarif => terminal.print(&report.to_sarif())?,
        Format::Junit => terminal.print(&report.to_junit())?,
        _ => {}
    }
    let mut said = report.files.iter().flat_map(|checked| &checked.diagnostics);
    let broken = said.any(|said| said.severity == Severity::Error) || !report.unread.is_empty();
    Ok(if broken { code::ERROR } else { code::SUCCESS })
}

/// Files as given, and every `.cspec` in and below directories, in order.
fn documents(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    for path in paths {
        if !path.is_dir() {
            found.push(path.clone());
            continue;
        }
        let mut below = BTreeSet::new();
        walk(path, 0, &mut below).map_err(|error| {
            Failure::error(format!("cannot read the directory {}: {error}", path.display()))
        })?;
        if below.is_empty() {
            return Err(Failure::error(format!("no .cspec document in {}", path.display()))
                .hint("give a cspec document, or a directory that has some"));
        }
        found.extend(below);
    }
    Ok(found)
}

/// Leaves out hidden directories (`.git`) and symbolic links.
fn walk(folder: &Path, depth: usize, found: &mut BTreeSet<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (kind, name, path) = (entry.file_type()?, entry.file_name(), entry.path());
        if kind.is_dir() && !name.as_encoded_bytes().starts_with(b".") && depth < MAX_DEPTH {
            walk(&path, depth + 1, found)?;
        } else if kind.is_file() && path.extension().is_some_and(|end| end == "cspec") {
            found.insert(path);
        }
    }
    Ok(())
}
