//! Ansible in a virtual environment.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::{static_binary, venv};

/// Pinned versions for the collection's tests.
const REQUIREMENTS: &str = "integrations/ansible/tests/requirements.txt";

/// Tells the tests where the environment is.
pub const VARIABLE: &str = "OOMGUARD_ANSIBLE";

/// Creates the environment for the collection's tests if it is missing.
///
/// # Errors
/// When Python or a package is not available.
pub fn for_tests(root: &Path) -> Result<PathBuf> {
    let venv = static_binary::target_dir(root)?.join("ansible");
    venv::install_pinned(&venv, &root.join(REQUIREMENTS))?;
    Ok(venv)
}
