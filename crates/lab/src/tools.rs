//! The programs that the lab needs on this machine.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::proc::succeed;

/// A program and its Debian package.
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

/// The program folders of a Debian host.
const DIRECTORIES: [&str; 6] =
    ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// The required programs that are missing on this machine.
#[must_use]
pub fn missing_tools() -> Vec<Tool> {
    TOOLS
        .iter()
        .filter(|(program, _)| !DIRECTORIES.iter().any(|d| Path::new(d).join(program).exists()))
        .map(|&(program, package)| Tool { program, package })
        .collect()
}

/// Since this version (8.1) QEMU locks the pages that it translates. Before, one emulated processor could run code that another
/// one was writing, and once in some hundred boots the kernel panicked or hung, or QEMU crashed.
const RELIABLE_QEMU: (u32, u32) = (8, 1);

/// Whether this machine's QEMU sometimes fails when it emulates. `false` if there is no QEMU.
#[must_use]
pub fn qemu_is_old() -> bool {
    let asked = succeed(Command::new("qemu-system-x86_64").arg("--version"), Duration::from_secs(30));
    let version = asked.ok().and_then(|text| version(&String::from_utf8_lossy(&text)));
    version.is_some_and(|version| version < RELIABLE_QEMU)
}

/// The first two numbers in the output of `qemu-system-x86_64 --version`.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split("version ").nth(1)?.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::{RELIABLE_QEMU, version};

    #[test]
    fn version_is_parsed_from_the_output() {
        let debian_12 =
            "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)\nCopyright (c) 2003-2022\n";
        assert_eq!(version(debian_12), Some((7, 2)));
        assert!(version(debian_12) < Some(RELIABLE_QEMU));
        assert!(version("QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)\n") > Some(RELIABLE_QEMU));
        assert_eq!(version("QEMU emulator version 8.1\n"), Some(RELIABLE_QEMU));
        assert_eq!(version("no such program"), None);
    }
}
