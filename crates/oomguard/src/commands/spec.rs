//! `oomguard spec`: documents.

use std::fs;
use std::path::Path;

use oomguard_spec::{PolicyError, builtin, policy_to_document};

use super::{spec_check, spec_diff};
use crate::args::Spec;
use crate::failure::{Failure, code};
use crate::output::Terminal;
use crate::policy_source::{builtin_role, read};
use crate::replace::replace;

pub fn run(command: &Spec, terminal: &mut Terminal) -> Result<u8, Failure> {
    match command {
        Spec::Check { files, format } => spec_check::run(files, *format, terminal),
        Spec::Diff(args) => spec_diff::run(args, terminal),
        Spec::Fmt { file, write } => fmt(file, *write, terminal),
        Spec::Show { builtin: Some(role), .. } => {
            terminal.print(builtin::source(builtin_role(role)?))?;
            Ok(code::AS_IT_SHOULD_BE)
        }
        Spec::Show { file, role, .. } => show(file.as_deref(), role.as_deref(), terminal),
    }
}

fn fmt(file: &Path, write: bool, terminal: &mut Terminal) -> Result<u8, Failure> {
    let document = read(file, terminal.error_style())?;
    let strict = document.to_strict_yaml();
    if !write {
        terminal.note(&document.render(document.diagnostics(), terminal.error_style()));
        terminal.print(&strict)?;
        return Ok(code::AS_IT_SHOULD_BE);
    }
    if file == Path::new("-") {
        return Err(Failure::usage("--write needs a file, and standard input is none"));
    }
    if strict != document.source() {
        // The document itself, not a link to it.
        fs::canonicalize(file)
            .and_then(|file| replace(&file, strict.as_bytes()))
            .map_err(|error| Failure::error(format!("cannot write {}: {error}", file.display())))?;
    }
    Ok(code::AS_IT_SHOULD_BE)
}

fn show(file: Option<&Path>, role: Option<&str>, terminal: &mut Terminal) -> Result<u8, Failure> {
    let Some(file) = file else { return Err(Failure::usage("give a document, or --builtin ROLE")) };
    let document = read(file, terminal.error_style())?;
    let policy = document.policy(role).map_err(|error| match &error {
        PolicyError::Invalid { diagnostics, .. } => {
            Failure::Document(document.render(diagnostics, terminal.error_style()))
        }
        _ => Failure::usage(&error),
    })?;
    let role = role.map(str::to_owned).or_else(|| document.default_role());
    terminal.print(&policy_to_document(&policy, role.as_deref().unwrap_or("all")))?;
    Ok(code::AS_IT_SHOULD_BE)
}
