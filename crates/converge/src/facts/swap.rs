//! Swap as it is now, swap as the next boot will make it, and the place where a swap file would go.

use oomguard_host::files::{self, DiskSpace, Kind};
use oomguard_host::fstab::Fstab;
use oomguard_host::proc::mountinfo::{self, Mount};
use oomguard_host::proc::swaps::{self, SwapArea, SwapKind};
use oomguard_host::proc::{kernel_cmdline, meminfo};
use oomguard_host::{Host, swap_header, swapfile, unit_file};
use serde::Serialize;

use super::unread::Unread;
use crate::blob::Blob;
use crate::layout;

/// The longest page of any architecture: the header's mark stands at the end of the first page.
const MAX_PAGE_SIZE: usize = 64 << 10;

/// Swap as it is now, and as it is at the next boot.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SwapFacts {
    /// What is on now.
    pub areas: Vec<Area>,
    /// /etc/fstab, byte for byte.
    pub fstab: Option<Blob>,
    /// The swap lines of /etc/fstab.
    pub fstab_swaps: Vec<FstabSwap>,
    /// Lines of /etc/fstab that name the same swap, as pairs of line numbers.
    pub duplicates: Vec<(usize, usize)>,
    /// Swap units of systemd, from /etc/systemd/system and its generators: what they switch on.
    pub units: Vec<SwapUnit>,
    /// Where the policy's swap file goes.
    pub place: Option<Place>,
    /// Whether a kubelet runs here that refuses to start with swap.
    pub kubelet_refuses_swap: bool,
    /// Why it is not known which swap is on, or which the next boot switches on.
    pub unknown: Option<String>,
    /// The kernel's `resume_offset=`, when hibernation uses a swap file.
    pub resume_offset: Option<String>,
}

/// A swap that is on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Area {
    /// As the kernel names it.
    pub path: String,
    /// What it lies on.
    pub kind: AreaKind,
    /// Bytes that can be used.
    pub size: u64,
    /// Bytes in use.
    pub used: u64,
    /// Higher is used first.
    pub priority: i32,
    /// Whether oomguard made it.
    pub owner: Owner,
}

/// What a swap lies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AreaKind {
    /// A file.
    File,
    /// A partition or another block device.
    Device,
    /// Compressed memory. It takes memory to give memory, and does not count for a policy.
    Zram,
}

/// Who made a swap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// oomguard: its label is in the header.
    Ours,
    /// Somebody else. Never deleted.
    Foreign,
    /// This user may not read the header.
    Unknown,
}

/// A swap line of /etc/fstab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FstabSwap {
    /// 1-based.
    pub line: usize,
    /// As it is written: a path, `UUID=...`, ...
    pub spec: String,
    /// The path that it means.
    pub path: String,
    /// Whether anything is at that path.
    pub exists: bool,
    /// Whether the boot leaves it off.
    pub noauto: bool,
    /// The bytes that its header promises, when there is a header that this user may read.
    pub formatted_size: Option<u64>,
}

/// A swap unit of systemd.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SwapUnit {
    /// The unit file.
    pub path: String,
    /// Its `What=`, resolved.
    pub what: String,
}

/// Where a swap file would go.
#[derive(Clone, Debug, Serialize)]
pub struct Place {
    /// The path that the policy names.
    pub file: String,
    /// What is at that path already, if it is not our swap file.
    pub occupied_by: Option<String>,
    /// Swap files of ours beside it, on or off.
    pub own: Vec<OwnSwapFile>,
    /// The first name of the row `file`, `file.2`, `file.3`, ... at which there is nothing.
    pub free_name: String,
    /// Why the folder cannot be trusted, when it cannot.
    pub untrusted: Option<String>,
    /// The file system.
    pub fs_type: Option<String>,
    /// How many devices a btrfs has.
    pub btrfs_devices: Option<usize>,
    /// Its space.
    #[serde(skip)]
    pub disk: Option<DiskSpace>,
}

/// A swap file that oomguard made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OwnSwapFile {
    /// Its path.
    pub path: String,
    /// Its length in bytes.
    pub size: u64,
    /// Whether it is on.
    pub active: bool,
}

impl SwapFacts {
    /// The swaps on disk that are on: what counts for a policy.
    pub fn on_disk(&self) -> impl Iterator<Item = &Area> {
        self.areas.iter().filter(|area| area.kind != AreaKind::Zram)
    }

    /// Whether the next boot switches this swap on by itself.
    #[must_use]
    pub fn is_persistent(&self, path: &str) -> bool {
        self.fstab_swaps.iter().any(|entry| entry.path == path && !entry.noauto)
            || self.units.iter().any(|unit| unit.what == path)
    }

    /// The swap of this path, when it is on.
    #[must_use]
    pub fn area(&self, path: &str) -> Option<&Area> {
        self.areas.iter().find(|area| area.path == path)
    }
}

pub(super) fn read(host: &Host, file: Option<&str>, unread: &mut Vec<Unread>) -> SwapFacts {
    let mut facts = SwapFacts::default();
    match host
        .read("/proc/swaps")
        .map_err(|e| e.to_string())
        .and_then(|b| swaps::parse(&b).map_err(|e| e.to_string()))
    {
        Ok(areas) => facts.areas = areas.into_iter().map(|area| area_of(host, area, unread)).collect(),
        Err(e) => {
            facts.unknown = Some(format!("/proc/swaps: {e}"));
            unread.push(Unread::new("/proc/swaps", e, "which swap is on"));
        }
    }
    read_fstab(host, &mut facts, unread);
    facts.units = swap_units(host);
    facts.place = file.map(|file| place(host, file, &facts.areas, unread));
    facts.kubelet_refuses_swap = kubelet_refuses_swap(host);
    let cmdline = host.read("/proc/cmdline").unwrap_or_default();
    let mut options = kernel_cmdline::parse(&cmdline).into_iter();
    facts.resume_offset = options.find(|(key, _)| key == "resume_offset").and_then(|(_, value)| value);
    facts
}

fn area_of(host: &Host, area: SwapArea, unread: &mut Vec<Unread>) -> Area {
    let kind = match area.kind {
        SwapKind::Partition if area.path.starts_with("/dev/zram") => AreaKind::Zram,
        SwapKind::Partition => AreaKind::Device,
        SwapKind::File => AreaKind::File,
    };
    let owner = if kind == AreaKind::File { owner(host, &area.path, unread) } else { Owner::Foreign };
    Area { path: area.path, kind, size: area.size, used: area.used, priority: area.priority, owner }
}

fn owner(host: &Host, path: &str, unread: &mut Vec<Unread>) -> Owner {
    match host.read_head(path, MAX_PAGE_SIZE) {
        Ok(head) => match swap_header::parse(&head) {
            Ok(header) if header.label == swapfile::LABEL => Owner::Ours,
            _ => Owner::Foreign,
        },
        Err(e) if e.is_permission_denied() => {
            unread.push(Unread::new(path, "only root may read it", "whether oomguard made this swap file"));
            Owner::Unknown
        }
        // Deleted under a running swap, or a path of another namespace.
        Err(_) => Owner::Foreign,
    }
}

fn read_fstab(host: &Host, facts: &mut SwapFacts, unread: &mut Vec<Unread>) {
    let bytes = match host.read_optional(layout::FSTAB) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return,
        Err(e) => {
            facts.unknown = Some(e.to_string());
            return unread.push(Unread::new(layout::FSTAB, e, "which swap the next boot switches on"));
        }
    };
    let fstab = Fstab::parse(&bytes);
    for entry in fstab.swap_entries() {
        let path = resolve(host, &entry.spec);
        let exists = host.lstat(&path).ok().flatten().is_some();
        let noauto = entry.has_option("noauto");
        let head = host.read_head(&path, MAX_PAGE_SIZE).ok();
        let formatted_size = head.and_then(|head| Some(swap_header::parse(&head).ok()?.size()));
        facts.fstab_swaps.push(FstabSwap {
            line: entry.line,
            spec: entry.spec,
            path,
            exists,
            noauto,
            formatted_size,
        });
    }
    facts.duplicates = duplicates(&facts.fstab_swaps);
    facts.fstab = Some(Blob(bytes));
}

/// Lines that mean the same swap, however each spells it.
fn duplicates(entries: &[FstabSwap]) -> Vec<(usize, usize)> {
    let mut pairs = Vec::new();
    for (at, entry) in entries.iter().enumerate() {
        if let Some(first) = entries[..at].iter().find(|earlier| earlier.path == entry.path) {
            pairs.push((first.line, entry.line));
        }
    }
    pairs
}

/// The path that a swap has in /proc/swaps, for the way in which fstab or a unit names it.
fn resolve(host: &Host, spec: &str) -> String {
    const TAGS: [(&str, &str); 4] = [
        ("UUID=", "/dev/disk/by-uuid"),
        ("LABEL=", "/dev/disk/by-label"),
        ("PARTUUID=", "/dev/disk/by-partuuid"),
        ("PARTLABEL=", "/dev/disk/by-partlabel"),
    ];
    let path = TAGS
        .iter()
        .find_map(|(tag, dir)| Some(format!("{dir}/{}", spec.strip_prefix(tag)?.trim_matches('"'))))
        .unwrap_or_else(|| spec.to_owned());
    match host.link_target(&path) {
        Some(target) if path.starts_with("/dev/") => join(files::parent(&path), &target),
        _ => path,
    }
}

/// `target` as seen from `dir`, without `.` and `..`.
fn join(dir: &str, target: &str) -> String {
    let mut parts: Vec<&str> = if target.starts_with('/') { Vec::new() } else { dir.split('/').collect() };
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    format!("/{}", parts.join("/"))
}

fn swap_units(host: &Host) -> Vec<SwapUnit> {
    let dirs = ["/etc/systemd/system", "/run/systemd/generator.late", "/run/systemd/system"];
    let mut units = Vec::new();
    for dir in dirs {
        for name in host.list_dir(dir).unwrap_or_default().iter().filter(|name| name.ends_with(".swap")) {
            let path = format!("{dir}/{name}");
            let bytes = host.read(&path).unwrap_or_default();
            if let Some((_, what)) = unit_file::parse(&bytes).last("Swap", "What") {
                let what = resolve(host, &what);
                units.push(SwapUnit { path, what });
            }
        }
    }
    units
}

fn place(host: &Host, file: &str, areas: &[Area], unread: &mut Vec<Unread>) -> Place {
    let dir = files::parent(file);
    let own = own_swap_files(host, file, areas, unread);
    let mounts = host.read("/proc/self/mountinfo").ok().and_then(|bytes| mountinfo::parse(&bytes).ok());
    let mount = mounts.as_deref().and_then(|mounts| mountinfo::mount_of(mounts, dir));
    Place {
        file: file.to_owned(),
        occupied_by: occupied(host, file, &own, areas),
        free_name: free_name(host, file),
        untrusted: untrusted(host, dir),
        fs_type: mount.map(|mount| mount.fs_type.clone()),
        btrfs_devices: mount.and_then(|mount| btrfs_devices(host, mount)),
        disk: host.disk_space(dir).ok(),
        own,
    }
}

/// Our swap files at `file`, `file.2`, `file.3`, ...: a file is ours when our label is in its header.
fn own_swap_files(host: &Host, file: &str, areas: &[Area], unread: &mut Vec<Unread>) -> Vec<OwnSwapFile> {
    let dir = files::parent(file).trim_end_matches('/');
    let base = file.rsplit('/').next().unwrap_or(file);
    let names = host.list_dir(files::parent(file)).unwrap_or_default();
    let generations = names.iter().filter(|name| {
        name.strip_prefix(base).is_some_and(|rest| {
            rest.is_empty() || rest.strip_prefix('.').is_some_and(|n| n.parse::<u32>().is_ok())
        })
    });
    let mut own = Vec::new();
    for name in generations {
        let path = format!("{dir}/{name}");
        let Ok(Some(meta)) = host.lstat(&path) else { continue };
        let listed = areas.iter().find(|area| area.path == path);
        let owner = match listed {
            Some(area) => area.owner,
            None if meta.kind == Kind::File => owner(host, &path, unread),
            None => Owner::Foreign,
        };
        if owner == Owner::Ours && meta.uid == host.trusted_uid() {
            own.push(OwnSwapFile { path, size: meta.len, active: listed.is_some() });
        }
    }
    own
}

fn occupied(host: &Host, file: &str, own: &[OwnSwapFile], areas: &[Area]) -> Option<String> {
    if own.iter().any(|mine| mine.path == file) || areas.iter().any(|area| area.path == file) {
        return None;
    }
    match host.lstat(file) {
        Ok(None) => None,
        Ok(Some(meta)) => Some(match meta.kind {
            Kind::File if host.read_head(file, 1).is_err_and(|e| e.is_permission_denied()) => {
                "a file that only root may read; root can tell whether oomguard made it".to_owned()
            }
            Kind::File => "a file that oomguard did not make".to_owned(),
            Kind::Directory => "a directory".to_owned(),
            Kind::Symlink => "a symbolic link".to_owned(),
            Kind::BlockDevice => "a block device".to_owned(),
            Kind::Other => "something that is not a regular file".to_owned(),
        }),
        Err(e) => Some(e.to_string()),
    }
}

fn free_name(host: &Host, file: &str) -> String {
    let is_free = |path: &str| matches!(host.lstat(path), Ok(None));
    if is_free(file) {
        return file.to_owned();
    }
    (2..10_000).map(|n| format!("{file}.{n}")).find(|path| is_free(path)).unwrap_or_else(|| file.to_owned())
}

/// Why the way to a folder cannot be trusted: whoever may write there could swap the file for another.
fn untrusted(host: &Host, dir: &str) -> Option<String> {
    let mut path = String::new();
    let mut ways = vec!["/".to_owned()];
    for part in dir.split('/').filter(|part| !part.is_empty()) {
        path.push('/');
        path.push_str(part);
        ways.push(path.clone());
    }
    ways.into_iter().find_map(|way| match host.lstat(&way) {
        Err(e) => Some(e.to_string()),
        Ok(None) => Some(format!("{way} does not exist")),
        Ok(Some(meta)) => match meta.kind {
            Kind::Symlink => Some(format!("{way} is a symbolic link")),
            Kind::Directory if meta.uid != host.trusted_uid() => {
                Some(format!("{way} belongs to user {}, not to root", meta.uid))
            }
            Kind::Directory if meta.mode & 0o022 != 0 => {
                Some(format!("users other than root can write to {way} (mode {:04o})", meta.mode))
            }
            Kind::Directory => None,
            _ => Some(format!("{way} is not a directory")),
        },
    })
}

fn btrfs_devices(host: &Host, mount: &Mount) -> Option<usize> {
    if mount.fs_type != "btrfs" {
        return None;
    }
    let device = resolve(host, &mount.source);
    let device = device.rsplit('/').next()?;
    for uuid in host.list_dir("/sys/fs/btrfs").ok()? {
        let devices = host.list_dir(&format!("/sys/fs/btrfs/{uuid}/devices")).unwrap_or_default();
        if devices.iter().any(|name| name == device) {
            return Some(devices.len());
        }
    }
    None
}

/// The kubelet refuses to start with swap unless its configuration says `failSwapOn: false`.
fn kubelet_refuses_swap(host: &Host) -> bool {
    match host.read_optional("/var/lib/kubelet/config.yaml") {
        Ok(Some(config)) => !String::from_utf8_lossy(&config)
            .lines()
            .any(|line| line.trim().strip_prefix("failSwapOn:").is_some_and(|value| value.trim() == "false")),
        _ => false,
    }
}

/// Memory that could take back what a swap of `used` bytes holds, and whether it is enough with a fifth to spare.
#[must_use]
pub fn has_room_for(used: u64, memory: &meminfo::Meminfo, other_free_swap: u64) -> bool {
    let available = memory.mem_available.unwrap_or(memory.mem_free);
    available.saturating_add(other_free_swap) >= used.saturating_add(used / 5)
}

#[cfg(test)]
mod tests {
    use super::join;

    #[test]
    fn a_link_is_followed_from_its_folder() {
        assert_eq!(join("/dev/disk/by-uuid", "../../sda2"), "/dev/sda2");
        assert_eq!(join("/dev/mapper", "../dm-0"), "/dev/dm-0");
        assert_eq!(join("/dev/disk/by-label", "/dev/vdb"), "/dev/vdb");
    }
}
