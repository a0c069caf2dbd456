//! Ansible in a virtual environment of its own.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::{static_binary, venv};

/// What the tests of the collection need, pinned.
const REQUIREMENTS: &str = "integrations/ansible/tests/requirements.txt";

/// Names the environment to the tests.
pub const VARIABLE: &str = "OOMGUARD_ANSIBLE";

/// The environment with what the collection's tests need; made when it is not there.
///
/// # Errors
/// When Python or a package is not to be had.
pub fn for_tests(root: &Path) -> Result<PathBuf> {
    let venv = static_binary::target_dir(root)?.join("ansible");
    venv::install_pinned(&venv, &root.join(REQUIREMENTS))?;
    Ok(venv)
}
