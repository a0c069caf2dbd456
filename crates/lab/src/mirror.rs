//! Where Debian's packages come from: the mirror that this machine's own apt uses.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::proc::succeed;
use crate::release::Release;

/// The keyring of Debian's package.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// The apt source to build a release from; `None` leaves the choice to mmdebstrap.
///
/// Only the release, without its security and updates suites: they delete old versions of packages, so a cached index may
/// name packages that no longer exist.
pub(crate) fn source(release: Release) -> Option<String> {
    line(release.suite())
}

/// The apt source of the backports of this machine's release; `None` if its mirror or release is unknown.
///
/// The release is the one that `os_release` (os-release(5)) names.
#[must_use]
pub fn backports(os_release: &str) -> Option<String> {
    let field = |name| os_release.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    if field("ID")?.trim_matches('"') != "debian" {
        return None;
    }
    line(&format!("{}-backports", field("VERSION_CODENAME")?.trim_matches('"')))
}

/// The apt source of a suite, on the mirror that this machine uses.
fn line(suite: &str) -> Option<String> {
    let mut ask = Command::new("apt-get");
    ask.args(["indextargets", "--format", "$(REPO_URI)"]);
    ask.args(["Origin: Debian", "Label: Debian", "Component: main"]);
    let answer = succeed(&mut ask, Duration::from_secs(30)).ok()?;
    let uri = pick(&String::from_utf8_lossy(&answer))?;
    let signed = if Path::new(KEYRING).exists() { format!("[signed-by={KEYRING}] ") } else { String::new() };
    Some(format!("deb {signed}{uri} {suite} {}", crate::recipe::COMPONENT))
}

/// The first mirror with a plain http or https address.
fn pick(uris: &str) -> Option<String> {
    let mut uris = uris.lines().map(str::trim);
    uris.find(|uri| uri.starts_with("http://") || uri.starts_with("https://")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::pick;

    #[test]
    fn local_mirror_lists_are_skipped() {
        let uris = "mirror+file:/etc/apt/mirrors/debian.list\nhttps://mirror.example/debian/\n";
        assert_eq!(pick(uris).as_deref(), Some("https://mirror.example/debian/"));
        assert_eq!(pick(""), None);
    }
}
