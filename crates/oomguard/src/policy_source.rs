//! The policy that a command line names.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use oomguard_spec::policy::Policy;
use oomguard_spec::{Builtin, Document, MAX_BYTES, PolicyError, Rejected, Style, builtin};

use crate::args::PolicyArgs;
use crate::failure::Failure;
use crate::output::Terminal;

/// A policy, and where it comes from.
#[derive(Clone, Debug)]
pub struct PolicySource {
    /// The policy.
    pub policy: Policy,
    /// In words: `built-in role ci`, `ci.cspec, role ci_servers`.
    pub name: String,
    /// The arguments that give the same policy again.
    pub args: String,
}

/// Reads the policy that a command line names. Messages about a document go to standard error.
pub fn policy(args: &PolicyArgs, terminal: &mut Terminal) -> Result<PolicySource, Failure> {
    match &args.spec {
        Some(path) => from_document(path, args.role.as_deref(), terminal),
        None => from_builtin(args.role.as_deref()),
    }
}

fn from_builtin(role: Option<&str>) -> Result<PolicySource, Failure> {
    let builtin = match role {
        None => Builtin::Workstation,
        Some(name) => builtin_role(name)?,
    };
    let args = if role.is_some() { format!(" --role {}", builtin.name()) } else { String::new() };
    Ok(PolicySource {
        policy: builtin::policy(builtin),
        name: format!("built-in role {}", builtin.name()),
        args,
    })
}

/// A built-in role by name.
pub fn builtin_role(name: &str) -> Result<Builtin, Failure> {
    name.parse()
        .map_err(|e| Failure::usage(e).hint("for a role of your own, give its document with --spec FILE"))
}

fn from_document(path: &Path, role: Option<&str>, terminal: &mut Terminal) -> Result<PolicySource, Failure> {
    let document = read(path, terminal.error_style())?;
    let (policy, notes) = match document.policy_with_notes(role) {
        Ok(read) => read,
        Err(error) => return Err(no_policy(&document, &error, terminal.error_style())),
    };
    let said: Vec<_> = document.diagnostics().iter().cloned().chain(notes).collect();
    terminal.note(&document.render(&said, terminal.error_style()));
    let role = role.map(str::to_owned).or_else(|| document.default_role());
    let shown = match &role {
        Some(role) => format!("{}, role {role}", document.name()),
        None => document.name().to_owned(),
    };
    let role = role.map(|role| format!(" --role {}", quoted(&role))).unwrap_or_default();
    let path = quoted(&path.display().to_string());
    Ok(PolicySource { policy, name: shown, args: format!(" --spec {path}{role}") })
}

/// Quotes a word for a shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+:@%,=".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// Why a document has no usable policy, with the place in it where there is one.
pub fn no_policy(document: &Document, error: &PolicyError, style: Style) -> Failure {
    match error {
        PolicyError::Invalid { diagnostics, .. } => {
            Failure::Document(format!("{}error: {error}\n", document.render(diagnostics, style)))
        }
        _ if document.roles().is_empty() => Failure::usage(error),
        _ => Failure::usage(error).hint("choose with --role ROLE"),
    }
}

/// Reads a document; `-` is standard input.
pub fn read(path: &Path, style: Style) -> Result<Document, Failure> {
    match read_or_reject(path)? {
        Ok(document) => Ok(document),
        Err(rejected) => Err(Failure::Document(rejected.render(style))),
    }
}

/// Reads a document. An unreadable file is a failure, an invalid document is `Rejected`.
pub fn read_or_reject(path: &Path) -> Result<Result<Document, Rejected>, Failure> {
    let name = if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() };
    let bytes = bytes(path).map_err(|error| {
        Failure::error(format!("cannot read {name}: {error}")).hint("give the path of a cspec document")
    })?;
    Ok(oomguard_spec::read(&name, &bytes))
}

/// Reads at most one byte more than a document may have; the parser then reports it as too long.
pub fn bytes(path: &Path) -> std::io::Result<Vec<u8>> {
    let most = MAX_BYTES as u64 + 1;
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        std::io::stdin().lock().take(most).read_to_end(&mut bytes)?;
    } else {
        File::open(path)?.take(most).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}
