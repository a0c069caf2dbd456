//! Where the agent's policy comes from: a document, a built-in role, or what `apply` has written.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use oomguard_converge::layout;
use oomguard_host::files::sha256;
use oomguard_spec::{Builtin, MAX_BYTES, Severity, builtin};

use crate::run::{LoadError, LoadedPolicy};

/// The policy that the agent was asked to enforce.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyChoice {
    /// A document.
    pub spec: Option<PathBuf>,
    /// A role of that document, or a built-in one.
    pub role: Option<String>,
}

impl PolicyChoice {
    /// Reads the policy: the one asked for, else the one that `apply` wrote, else the built-in default.
    ///
    /// # Errors
    /// When there is no such role, or the document cannot be read or is not valid.
    pub fn load(&self) -> Result<LoadedPolicy, LoadError> {
        let applied = Path::new(layout::AGENT_POLICY);
        match (&self.spec, &self.role) {
            (Some(path), role) => from_document(path, role.as_deref()),
            (None, Some(role)) => role
                .parse()
                .map(built_in)
                .map_err(|e| LoadError { name: format!("built-in role {role}"), why: format!("{e}") }),
            (None, None) if applied.symlink_metadata().is_ok() => from_document(applied, None),
            (None, None) => Ok(built_in(Builtin::Workstation)),
        }
    }
}

fn built_in(role: Builtin) -> LoadedPolicy {
    let name = format!("built-in role {}", role.name());
    LoadedPolicy { policy: builtin::policy(role), name, digest: sha256(builtin::source(role).as_bytes()) }
}

fn from_document(path: &Path, role: Option<&str>) -> Result<LoadedPolicy, LoadError> {
    let name = path.display().to_string();
    let error = |why: String| LoadError { name: name.clone(), why };
    let bytes = read(path).map_err(|e| error(format!("cannot read it: {e}")))?;
    let document = oomguard_spec::read(&name, &bytes).map_err(|rejected| {
        let first = rejected.diagnostics.iter().find(|said| said.severity == Severity::Error);
        error(first.map_or_else(
            || "not a valid document".to_owned(),
            |first| format!("line {}: {}", first.primary.line, first.message),
        ))
    })?;
    let policy = document.policy(role).map_err(|e| error(e.to_string()))?;
    Ok(LoadedPolicy { policy, name: name.clone(), digest: sha256(&bytes) })
}

/// At most one byte more than a document may have: its reader says that it is too long.
fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_is_the_document_or_the_built_in_role_that_was_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let spec = dir.path().join("policy.cspec");
        std::fs::write(&spec, builtin::source(Builtin::Ci)).unwrap();
        let by_document = PolicyChoice { spec: Some(spec.clone()), role: None }.load().unwrap();
        let by_role = PolicyChoice { spec: None, role: Some("ci".to_owned()) }.load().unwrap();
        assert_eq!((by_document.policy, by_document.digest), (by_role.policy, by_role.digest));
        assert_eq!(by_document.name, spec.display().to_string());
    }

    #[test]
    fn a_missing_role_or_document_and_a_broken_one_are_refused_with_the_reason() {
        let dir = tempfile::tempdir().unwrap();
        let broken = dir.path().join("broken.cspec");
        std::fs::write(&broken, "memory_config:\n  swappiness: [1\n").unwrap();
        let why = |spec: Option<PathBuf>, role: Option<&str>| {
            PolicyChoice { spec, role: role.map(str::to_owned) }.load().unwrap_err().why
        };
        assert!(why(None, Some("nobody")).contains("nobody"));
        assert!(why(Some(dir.path().join("none")), None).starts_with("cannot read it: "));
        let said = why(Some(broken), None);
        assert!(said.starts_with("line "), "{said}");
    }
}
