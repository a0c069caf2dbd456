//! The kernel, the container, and the version of systemd.

use oomguard_host::proc::meminfo::{self, Meminfo};
use oomguard_host::proc::mountinfo;
use oomguard_host::proc::pressure::{self, Pressure};
use oomguard_host::proc::version;
use oomguard_host::{Host, HostError};
use serde::Serialize;

use super::unread::Unread;

/// Which cgroup hierarchies are mounted under /sys/fs/cgroup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cgroups {
    /// Version 2 alone: what current systemd uses.
    V2,
    /// Version 1, with or without a version 2 beside it.
    V1,
    /// None that could be seen.
    None,
}

pub(super) fn memory(host: &Host) -> oomguard_host::Result<Meminfo> {
    let path = "/proc/meminfo";
    meminfo::parse(&host.read(path)?).map_err(|source| HostError::Content { path: path.to_owned(), source })
}

pub(super) fn release(host: &Host, unread: &mut Vec<Unread>) -> (String, (u32, u32)) {
    let path = "/proc/sys/kernel/osrelease";
    match host.read(path) {
        Ok(bytes) => (String::from_utf8_lossy(&bytes).trim().to_owned(), version::kernel_release(&bytes)),
        Err(e) => {
            unread.push(Unread::new(path, e, "which kernel this is"));
            (String::new(), (0, 0))
        }
    }
}

pub(super) fn pressure(host: &Host, unread: &mut Vec<Unread>) -> Option<Pressure> {
    let path = "/proc/pressure/memory";
    let bytes = match host.read(path) {
        Ok(bytes) => bytes,
        Err(e) => {
            let why =
                if e.is_not_found() { "the kernel has no PSI (or psi=0)".to_owned() } else { e.to_string() };
            unread.push(Unread::new(path, why, "how much time is lost waiting for memory"));
            return None;
        }
    };
    match pressure::parse(&bytes) {
        Ok(pressure) => Some(pressure),
        Err(e) => {
            unread.push(Unread::new(path, e, "how much time is lost waiting for memory"));
            None
        }
    }
}

pub(super) fn machine_id(host: &Host) -> Option<String> {
    let id = String::from_utf8(host.read("/etc/machine-id").ok()?).ok()?;
    let id = id.trim();
    (!id.is_empty()).then(|| id.to_owned())
}

/// What kind of container this is, from the places where container managers say so (systemd's container interface).
pub(super) fn container(host: &Host) -> Option<String> {
    if let Ok(bytes) = host.read("/run/systemd/container") {
        let name = String::from_utf8_lossy(&bytes).trim().to_owned();
        return Some(if name.is_empty() { "container".to_owned() } else { name });
    }
    for (mark, name) in [("/.dockerenv", "docker"), ("/run/.containerenv", "podman")] {
        if host.lstat(mark).ok().flatten().is_some() && !looks_like_a_machine(host) {
            return Some(name.to_owned());
        }
    }
    // Only root may read it; the other marks are for everybody else.
    let environ = host.read("/proc/1/environ").ok()?;
    let value = environ.split(|byte| *byte == 0).find_map(|pair| pair.strip_prefix(b"container="))?;
    Some(String::from_utf8_lossy(value).into_owned())
}

/// A virtual machine made from a container's image keeps the image's marks: there, the kernel's own threads can be
/// seen, and the root is a file system on a disk.
fn looks_like_a_machine(host: &Host) -> bool {
    let kthreadd = host.read("/proc/2/comm").is_ok_and(|comm| comm.trim_ascii_end() == b"kthreadd");
    let mounts = host.read("/proc/self/mountinfo").ok().and_then(|bytes| mountinfo::parse(&bytes).ok());
    let root = mounts.as_deref().and_then(|mounts| mountinfo::mount_of(mounts, "/"));
    kthreadd && root.is_some_and(|mount| mount.source.starts_with("/dev/"))
}

pub(super) fn cgroups(host: &Host) -> Cgroups {
    let Some(mounts) = host.read("/proc/self/mountinfo").ok().and_then(|b| mountinfo::parse(&b).ok()) else {
        return Cgroups::None;
    };
    if mounts.iter().any(|mount| mount.fs_type == "cgroup") {
        Cgroups::V1
    } else if mounts.iter().any(|mount| mount.fs_type == "cgroup2") {
        Cgroups::V2
    } else {
        Cgroups::None
    }
}

/// The version of systemd, from the name of its own library: asking systemctl would cost more than all other facts.
pub(super) fn systemd_version(host: &Host) -> Option<u32> {
    const PREFIX: &str = "libsystemd-shared-";
    let mut dirs =
        vec!["/usr/lib/systemd".to_owned(), "/lib/systemd".to_owned(), "/usr/lib64/systemd".to_owned()];
    for arch in ["x86_64", "aarch64", "riscv64"] {
        dirs.push(format!("/usr/lib/{arch}-linux-gnu/systemd"));
    }
    dirs.iter().find_map(|dir| {
        host.list_dir(dir).ok()?.iter().find_map(|name| {
            let digits = name.strip_prefix(PREFIX)?;
            let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
            digits[..end].parse().ok()
        })
    })
}
