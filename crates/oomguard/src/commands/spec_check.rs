//! `oomguard spec check`: many documents, for people and for CI systems.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use oomguard_spec::Severity;

use crate::args::SpecCheckFormat;
use crate::failure::{Failure, code};
use crate::output::Terminal;
use crate::output::spec_check::{Checked, Report};
use crate::policy_source::read_or_reject;

/// Folders below folders below folders: more than this is a mistake, or a link in a circle.
const DEEPEST: usize = 16;

pub fn run(paths: &[PathBuf], format: SpecCheckFormat, terminal: &mut Terminal) -> Result<u8, Failure> {
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
        if format == SpecCheckFormat::Text {
            terminal.print(&checked.text())?;
        }
        report.files.push(checked);
    }
    match format {
        SpecCheckFormat::Text => {}
        SpecCheckFormat::Json => terminal.print(&report.to_json())?,
        SpecCheckFormat::Sarif => terminal.print(&report.to_sarif())?,
        SpecCheckFormat::Junit => terminal.print(&report.to_junit())?,
    }
    let mut said = report.files.iter().flat_map(|checked| &checked.diagnostics);
    let broken = said.any(|said| said.severity == Severity::Error) || !report.unread.is_empty();
    Ok(if broken { code::ERROR } else { code::AS_IT_SHOULD_BE })
}

/// The documents that are meant: files as they are, of folders every `.cspec` in and below them, in order.
fn documents(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    for path in paths {
        if !path.is_dir() {
            found.push(path.clone());
            continue;
        }
        let mut below = BTreeSet::new();
        walk(path, 0, &mut below)
            .map_err(|error| Failure::error(format!("cannot read the folder {}: {error}", path.display())))?;
        if below.is_empty() {
            return Err(Failure::error(format!("there is no .cspec document in {}", path.display()))
                .hint("give the path of a cspec document, or of a folder with some"));
        }
        found.extend(below);
    }
    Ok(found)
}

/// Hidden folders (`.git`) are left out, and so are links: what they lead to is checked where it is.
fn walk(folder: &Path, depth: usize, found: &mut BTreeSet<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (kind, name, path) = (entry.file_type()?, entry.file_name(), entry.path());
        if kind.is_dir() && !name.as_encoded_bytes().starts_with(b".") && depth < DEEPEST {
            walk(&path, depth + 1, found)?;
        } else if kind.is_file() && path.extension().is_some_and(|end| end == "cspec") {
            found.insert(path);
        }
    }
    Ok(())
}
