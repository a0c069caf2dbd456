//! `oomguard spec`: documents.

use std::fs;
use std::path::{Path, PathBuf};

use oomguard_spec::{Diagnostic, PolicyError, Severity, builtin, policy_to_document};
use serde::Serialize;

use crate::args::{Spec, TextFormat};
use crate::failure::{Failure, code};
use crate::output::{Terminal, counted};
use crate::policy_source::{builtin_role, read, read_or_reject};
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
    let style = terminal.output_style();
    let mut all = Vec::new();
    let mut unread = None;
    for file in files {
        let (said, text, roles) = match read_or_reject(file) {
            Ok(Ok(document)) => {
                let mut said = document.diagnostics().to_vec();
                said.extend(document.lint());
                let text = document.render(&said, style);
                (said, text, roles(&document.roles()))
            }
            Ok(Err(rejected)) => {
                let text = rejected.render(style);
                (rejected.diagnostics, text, "nothing of it can be used".to_owned())
            }
            // The other documents are still checked.
            Err(failure) => {
                if let Some(earlier) = unread.replace(failure) {
                    terminal.fail(&earlier);
                }
                continue;
            }
        };
        if format == TextFormat::Text {
            let blank = if text.is_empty() { "" } else { "\n" };
            let verdict = summary(&said);
            terminal.print(&format!("{text}{blank}{}: {verdict}; {roles}\n", file.display()))?;
        }
        all.push(Checked { file: file.clone(), diagnostics: said });
    }
    if format == TextFormat::Json {
        terminal.print(&(serde_json::to_string_pretty(&all).unwrap_or_default() + "\n"))?;
    }
    if let Some(failure) = unread {
        return Err(failure);
    }
    let broken =
        all.iter().flat_map(|checked| &checked.diagnostics).any(|said| said.severity == Severity::Error);
    Ok(if broken { code::ERROR } else { code::AS_IT_SHOULD_BE })
}

fn roles(roles: &[String]) -> String {
    match roles {
        [] => "no policy in it".to_owned(),
        [one] => format!("role: {one}"),
        several => format!("roles: {}", several.join(", ")),
    }
}

/// `2 errors, 1 warning`, or that it is fine.
fn summary(said: &[Diagnostic]) -> String {
    let words = [(Severity::Error, "error"), (Severity::Warning, "warning"), (Severity::Note, "note")];
    let counts: Vec<String> = words
        .into_iter()
        .map(|(severity, word)| (said.iter().filter(|one| one.severity == severity).count(), word))
        .filter(|(number, _)| *number > 0)
        .map(|(number, word)| counted(number, word))
        .collect();
    if counts.is_empty() { "fine".to_owned() } else { counts.join(", ") }
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
