//! `oomguard spec`: documents.

use std::fs;
use std::path::{Path, PathBuf};

use oomguard_spec::{Diagnostic, PolicyError, Severity, builtin, policy_to_document};
use serde::Serialize;

use crate::args::{Spec, TextFormat};
use crate::failure::{Failure, code};
use crate::output::Terminal;
use crate::policy_source::{builtin_role, read};
use crate::replace::replace;

pub fn run(command: &Spec, terminal: &mut Terminal) -> Result<u8, Failure> {
    match command {
        Spec::Check { files, format } => check(files, *format, terminal),
        Spec::Fmt { file, write } => fmt(file, *write, terminal),
        Spec::Show { builtin: Some(role), .. } => {
            terminal.print(builtin::source(builtin_role(role)?))?;
            Ok(code::AS_IT_SHOULD_BE)
        }
        Spec::Show { file, role, .. } => show(file.as_deref(), role.as_deref(), terminal),
    }
}

#[derive(Serialize)]
struct Checked {
    file: PathBuf,
    diagnostics: Vec<Diagnostic>,
}

fn check(files: &[PathBuf], format: TextFormat, terminal: &mut Terminal) -> Result<u8, Failure> {
    let mut all = Vec::new();
    for file in files {
        let document = match read(file, terminal.output_style()) {
            Ok(document) => document,
            Err(Failure::Document(text)) if files.len() > 1 => {
                terminal.note(&text);
                all.push(unreadable(file));
                continue;
            }
            Err(failure) => return Err(failure),
        };
        let mut said = document.diagnostics().to_vec();
        said.extend(document.lint());
        if format == TextFormat::Text {
            terminal.print(&document.render(&said, terminal.output_style()))?;
            terminal.print(&format!("{}: {}\n", file.display(), summary(&said, &document.roles())))?;
        }
        all.push(Checked { file: file.clone(), diagnostics: said });
    }
    if format == TextFormat::Json {
        terminal.print(&(serde_json::to_string_pretty(&all).unwrap_or_default() + "\n"))?;
    }
    let broken =
        all.iter().flat_map(|checked| &checked.diagnostics).any(|said| said.severity == Severity::Error);
    Ok(if broken { code::ERROR } else { code::AS_IT_SHOULD_BE })
}

fn unreadable(file: &Path) -> Checked {
    let said = Diagnostic {
        severity: Severity::Error,
        code: "unreadable",
        message: "the document cannot be read".to_owned(),
        primary: oomguard_spec::Span::default(),
        secondary: Vec::new(),
        help: None,
    };
    Checked { file: file.to_path_buf(), diagnostics: vec![said] }
}

fn summary(said: &[Diagnostic], roles: &[String]) -> String {
    let count = |severity| said.iter().filter(|diagnostic| diagnostic.severity == severity).count();
    let (errors, warnings, notes) = (count(Severity::Error), count(Severity::Warning), count(Severity::Note));
    let roles =
        if roles.is_empty() { "no policy".to_owned() } else { format!("roles: {}", roles.join(", ")) };
    if errors + warnings + notes == 0 {
        return format!("fine; {roles}");
    }
    format!("{errors} errors, {warnings} warnings, {notes} notes; {roles}")
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
