//! What an image is made from. Its hash is the image's name in the cache.

use sha2::{Digest, Sha256};

use crate::release::Release;

/// The script that turns a Debian tree into a lab host.
pub(crate) const CUSTOMISE: &str = include_str!("customise.sh");

/// The size of a root disk before an overlay makes it larger.
pub(crate) const ROOT_GIB: u32 = 40;

/// The part of Debian's archive that images are built from.
pub(crate) const COMPONENT: &str = "main";

const PACKAGES: &[&str] = &[
    "linux-image-cloud-amd64",
    "systemd",
    "systemd-sysv",
    "dbus",
    "dbus-user-session",
    "libpam-systemd",
    "openssh-server",
    "tmux",
    "screen",
    "cron",
    "procps",
    "util-linux",
    "e2fsprogs",
    "xfsprogs",
    "btrfs-progs",
    "python3",
    "sudo",
    "iproute2",
    "udev",
    "initramfs-tools",
    "lz4",
    "kmod",
    "systemd-container",
    "less",
];

/// The packages of a release's image, joined by commas.
pub(crate) fn packages(_release: Release) -> String {
    PACKAGES.join(",")
}

/// The name of a release's image: the hash of all that it is made from.
pub(crate) fn image_name(release: Release, public_key: &str) -> String {
    let mut hash = Sha256::new();
    let size = ROOT_GIB.to_string();
    for part in ["2", release.suite(), COMPONENT, &packages(release), CUSTOMISE, public_key, &size] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let digest: String = hash.finalize().iter().map(|b| format!("{b:02x}")).collect();
    format!("{}-{}", release.suite(), digest.get(..16).unwrap_or(&digest))
}
