//! Third-party MCP clients: one in Python, and the official inspector and conformance tests from npm. Node comes from a
//! Python package, so the machine's version does not matter.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::{static_binary, tools, venv};

/// Pinned versions.
const LISTS: &str = "crates/oomguard/tests/mcp_clients";

/// Tells the tests where the folder is; it contains `venv` and `node`.
pub const VARIABLE: &str = "OOMGUARD_MCP_CLIENTS";

/// Installs the clients if they are missing.
///
/// # Errors
/// When Python or a package is not available.
pub fn for_tests(root: &Path) -> Result<PathBuf> {
    let dir = static_binary::target_dir(root)?.join("mcp-clients");
    let lists = root.join(LISTS);
    venv::install_pinned(&dir.join("venv"), &lists.join("requirements.txt"))?;
    install_node_packages(&dir, &lists)?;
    Ok(dir)
}

fn install_node_packages(dir: &Path, lists: &Path) -> Result<()> {
    let node = dir.join("node");
    let stamp = node.join("installed");
    let lock = lists.join("package-lock.json");
    let wanted = fs::read(&lock).with_context(|| format!("cannot read {}", lock.display()))?;
    if fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    fs::create_dir_all(&node).with_context(|| format!("cannot create {}", node.display()))?;
    for name in ["package.json", "package-lock.json"] {
        fs::copy(lists.join(name), node.join(name)).with_context(|| format!("cannot copy {name}"))?;
    }
    let bin = dir.join("venv/bin");
    let path = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths(std::iter::once(bin.clone()).chain(env::split_paths(&path)))?;
    let mut npm = Command::new(bin.join("npm"));
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"]);
    tools::run(npm.current_dir(&node).env("PATH", path))?;
    fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))
}
