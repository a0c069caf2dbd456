//! The programs of this machine that the lab runs.

use std::path::Path;

/// A program and the Debian package that brings it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tool {
    /// The program.
    pub program: &'static str,
    /// Its package.
    pub package: &'static str,
}

const TOOLS: &[(&str, &str)] = &[
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("qemu-img", "qemu-utils"),
    ("mmdebstrap", "mmdebstrap"),
    ("mke2fs", "e2fsprogs"),
    ("resize2fs", "e2fsprogs"),
    ("ssh", "openssh-client"),
    ("ssh-keygen", "openssh-client"),
    ("setpriv", "util-linux"),
    ("unshare", "util-linux"),
    ("prometheus", "prometheus"),
    ("promtool", "prometheus"),
];

/// Where programs of a Debian host are.
const DIRECTORIES: [&str; 6] =
    ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// The programs that the lab needs and this machine does not have.
#[must_use]
pub fn missing_tools() -> Vec<Tool> {
    TOOLS
        .iter()
        .filter(|(program, _)| !DIRECTORIES.iter().any(|d| Path::new(d).join(program).exists()))
        .map(|&(program, package)| Tool { program, package })
        .collect()
}
