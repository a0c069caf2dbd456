//! What has to happen to the swap of a host: decided once, for findings and plan alike.

use oomguard_host::swapfile::Allocation;
use oomguard_spec::policy::{Policy, SwapPolicy};
use oomguard_spec::size::Bytes;

use crate::facts::Facts;
use crate::facts::swap::{self, Area, OwnSwapFile, Place};
use crate::finding::Refusal;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// What has to happen to the swap of a host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SwapDecision {
    /// Bytes of swap on disk now.
    pub total: u64,
    /// Bytes that the policy wants.
    pub wanted: u64,
    /// Bytes that the policy accepts.
    pub required: u64,
    /// Swaps that exist and are off although the next boot would switch them on, or that are ours.
    pub switch_on: Vec<String>,
    /// A new swap file.
    pub create: Option<NewSwapFile>,
    /// The swap file of ours that stays or comes, to be named in fstab.
    pub keep: Option<String>,
    /// Swaps of others that are on now and not at the next boot.
    pub adopt: Vec<Area>,
    /// Swap files of ours to be switched off and deleted.
    pub retire: Vec<String>,
    /// Why less than wanted is what the disk allows, when it is so.
    pub disk_bound: Option<String>,
    /// Why nothing may be done.
    pub refusals: Vec<Refusal>,
}

/// A swap file to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSwapFile {
    /// Its final path.
    pub path: String,
    /// Its length in bytes.
    pub size: u64,
    /// How its blocks are obtained.
    pub allocation: Allocation,
    /// Whether copy-on-write must be off (btrfs).
    pub nocow: bool,
}

/// Decides what has to happen to the swap of a host.
#[must_use]
pub fn decide(policy: &Policy, facts: &Facts) -> Option<SwapDecision> {
    let (swap, place) = (policy.swap.as_ref()?, facts.swap.place.as_ref()?);
    if let Some(why) = &facts.swap.unknown {
        return Some(SwapDecision { refusals: vec![swap_not_known(why)], ..SwapDecision::default() });
    }
    let target = swap.target(Bytes(facts.memory.mem_total));
    let mut decision = SwapDecision {
        total: facts.swap.on_disk().map(|area| area.size).sum(),
        wanted: target.wanted.0,
        required: target.required.0,
        ..SwapDecision::default()
    };
    if let Some(kind) = &facts.container {
        // Its disk and its fstab say nothing: swap is its host's. So no other reason is looked for.
        if decision.total + MIB < decision.required {
            decision.refusals.push(container_refusal(kind, swap));
        }
        return Some(decision);
    }
    let foreign = foreign_swap(facts, place, &mut decision);
    let own_wanted = decision.wanted.saturating_sub(foreign);
    if place.own.is_empty() {
        if foreign + MIB < decision.required {
            create_first(facts, place, own_wanted, target.floor.0.saturating_sub(foreign), &mut decision);
        }
    } else if own_wanted < MIB {
        // The others' swap is enough by itself. Ours does no harm, and taking it away is not what was asked.
        decision.keep = place.own.iter().find(|file| file.active).map(|file| file.path.clone());
    } else {
        fit_own(facts, place, own_wanted, &mut decision);
    }
    refuse_retiring(facts, &mut decision);
    Some(decision)
}

/// Nothing is decided on half the facts.
fn swap_not_known(why: &str) -> Refusal {
    Refusal::new(
        "swap-not-known",
        format!("the swap of this host cannot be read: {why}"),
        "run as root, with /proc mounted and a readable /etc/fstab",
    )
}

/// What others' swap gives, now and with what the next boot would switch on.
fn foreign_swap(facts: &Facts, place: &Place, decision: &mut SwapDecision) -> u64 {
    let is_own = |path: &str| place.own.iter().any(|file| file.path == path);
    let mut bytes = 0;
    for area in facts.swap.on_disk().filter(|area| !is_own(&area.path)) {
        bytes += area.size;
        if area.kind == swap::AreaKind::File && !facts.swap.is_persistent(&area.path) {
            decision.adopt.push(area.clone());
        }
    }
    for entry in &facts.swap.fstab_swaps {
        let off = entry.exists && !entry.noauto && facts.swap.area(&entry.path).is_none();
        if off
            && !is_own(&entry.path)
            && !decision.switch_on.contains(&entry.path)
            && let Some(size) = entry.formatted_size
        {
            bytes += size;
            decision.switch_on.push(entry.path.clone());
        }
    }
    bytes
}

/// There is no swap file of ours yet, and there has to be one.
fn create_first(facts: &Facts, place: &Place, wanted: u64, floor: u64, decision: &mut SwapDecision) {
    refuse_place(facts, place, decision);
    let Some(room) = room_for_new(place) else { return };
    let size = if wanted <= room { wanted } else { rounded_down(room) };
    if size < wanted {
        decision.disk_bound = Some(disk_words(place, wanted));
    }
    if size < floor.max(MIB) {
        decision.refusals.push(disk_refusal(place, floor.max(MIB)));
        return;
    }
    // The policy's own name; another one only when an active swap of somebody else has it.
    decision.create = Some(new_file(facts, place, size));
    decision.keep = Some(place.free_name.clone());
}

/// There are swap files of ours: one of the right size stays, or a new one is made; the others go.
fn fit_own(facts: &Facts, place: &Place, wanted: u64, decision: &mut SwapDecision) {
    let fits = |file: &&OwnSwapFile| same_size(file.size, wanted);
    let active_first = |file: &&OwnSwapFile| file.active;
    let mut right: Vec<&OwnSwapFile> = place.own.iter().filter(fits).collect();
    right.sort_by_key(|file| !active_first(file));
    let largest = place.own.iter().max_by_key(|file| (file.active, file.size));
    let keep = match (right.first(), largest) {
        (Some(file), _) => (*file).clone(),
        (None, Some(file)) if room_for_new(place).is_none_or(|room| wanted > room) => {
            if wanted < file.size {
                decision.refusals.push(disk_refusal(place, wanted));
            }
            decision.disk_bound = Some(disk_words(place, wanted));
            file.clone()
        }
        _ => {
            refuse_place(facts, place, decision);
            decision.create = Some(new_file(facts, place, wanted));
            decision.keep = Some(place.free_name.clone());
            decision.retire = place.own.iter().map(|file| file.path.clone()).collect();
            return;
        }
    };
    if !keep.active {
        decision.switch_on.push(keep.path.clone());
    }
    decision.retire =
        place.own.iter().filter(|file| file.path != keep.path).map(|file| file.path.clone()).collect();
    decision.keep = Some(keep.path);
}

fn new_file(facts: &Facts, place: &Place, size: u64) -> NewSwapFile {
    NewSwapFile {
        path: place.free_name.clone(),
        size,
        allocation: allocation(place.fs_type.as_deref(), facts.kernel_version),
        nocow: place.fs_type.as_deref() == Some("btrfs"),
    }
}

/// fallocate, but for kernels on which swapon then finds holes: XFS before 4.18, and ext4 in 5.7.
fn allocation(fs_type: Option<&str>, kernel: (u32, u32)) -> Allocation {
    match fs_type {
        Some("xfs") if kernel < (4, 18) => Allocation::Zeros,
        Some("ext4") if kernel == (5, 7) => Allocation::Zeros,
        Some("ext2" | "ext3") => Allocation::Zeros,
        _ => Allocation::Fallocate,
    }
}

/// A swap file of `wanted` bytes shows a page less in /proc/swaps, and that is the same size.
fn same_size(size: u64, wanted: u64) -> bool {
    size.abs_diff(wanted) < MIB
}

/// Bytes that a new file may take: what is free, less a tenth of the disk or 2 GiB, whichever is more.
pub(crate) fn room_for_new(place: &Place) -> Option<u64> {
    let disk = place.disk?;
    Some(disk.free.saturating_sub((disk.total / 10).max(2 * GIB)))
}

/// In large steps, so that a plan is still the same a minute later.
fn rounded_down(bytes: u64) -> u64 {
    let step = if bytes >= 4 * GIB { GIB } else { 64 * MIB };
    bytes / step * step
}

fn disk_words(place: &Place, wanted: u64) -> String {
    let free = place.disk.map_or(0, |disk| disk.free);
    format!(
        "the policy asks for {}; the disk of {} has {} free, and a tenth of the disk or 2 GiB must stay free",
        Bytes(wanted),
        place.file,
        Bytes(free)
    )
}

fn disk_refusal(place: &Place, least: u64) -> Refusal {
    let free = place.disk.map_or(0, |disk| disk.free);
    Refusal::new(
        "disk-full",
        format!(
            "not enough disk space for {} of swap at {}: {} free, and a tenth of the disk or 2 GiB must stay free",
            Bytes(least),
            place.file,
            Bytes(free)
        ),
        "free disk space, or name a `file` on another disk in the policy's `swap`",
    )
}

/// Everything that is wrong with the place for a new file, at once.
fn refuse_place(facts: &Facts, place: &Place, decision: &mut SwapDecision) {
    let mut refuse =
        |id, reason: String, advice: &str| decision.refusals.push(Refusal::new(id, reason, advice));
    if let Some(why) = &place.untrusted {
        refuse(
            "untrusted-path",
            format!("no swap file at {}: {why}", place.file),
            "name a file in directories that only root can change, without symbolic links",
        );
    }
    if let Some(what) = &place.occupied_by {
        refuse(
            "occupied",
            format!("{} already exists: {what}", place.file),
            "move it elsewhere, or name another `file` in the policy's `swap`",
        );
    }
    match place.fs_type.as_deref() {
        Some("ext2" | "ext3" | "ext4" | "xfs") => {}
        Some("btrfs") => {
            if place.btrfs_devices.is_some_and(|devices| devices != 1) {
                refuse(
                    "btrfs-devices",
                    format!(
                        "{} is on a btrfs with several devices, which does not support swap files",
                        place.file
                    ),
                    "name a file on a file system with one device",
                );
            }
            if facts.kernel_version < (5, 0) {
                refuse(
                    "btrfs-kernel",
                    format!("Linux {} cannot swap to a file on btrfs (5.0 can)", facts.kernel),
                    "name a file on ext4 or xfs",
                );
            }
        }
        Some(other) => refuse(
            "file-system",
            format!("{} is on {other}, which does not support swap files safely", place.file),
            "name a file on ext4, xfs or btrfs (one device)",
        ),
        None => refuse(
            "file-system",
            format!("the file system of {} is unknown (/proc/self/mountinfo)", place.file),
            "mount /proc, or name a file on another file system",
        ),
    }
    if place.disk.is_none() {
        refuse(
            "disk-space",
            format!("the free space at {} is unknown", place.file),
            "check that the directory exists",
        );
    }
    if facts.swap.kubelet_refuses_swap {
        refuse(
            "kubelet",
            "a kubelet is configured on this host, and it refuses to start with swap".to_owned(),
            "set `failSwapOn: false` in /var/lib/kubelet/config.yaml first, or leave `swap` out of the policy",
        );
    }
}

/// Taking a swap away needs room for what is in it.
fn refuse_retiring(facts: &Facts, decision: &mut SwapDecision) {
    if decision.retire.is_empty() {
        return;
    }
    if let Some(offset) = &facts.swap.resume_offset {
        decision.refusals.push(Refusal::new(
            "hibernation",
            format!(
                "the kernel resumes from a swap file (resume_offset={offset}), and a new file would break hibernation"
            ),
            "remove resume= and resume_offset= from the kernel's command line first",
        ));
    }
    let goes = |area: &&Area| decision.retire.contains(&area.path);
    let used: u64 = facts.swap.areas.iter().filter(goes).map(|area| area.used).sum();
    let stays =
        facts.swap.areas.iter().filter(|area| !goes(area)).map(|area| area.size - area.used).sum::<u64>();
    let comes = decision.create.as_ref().map_or(0, |file| file.size);
    if !swap::has_room_for(used, &facts.memory, stays + comes) {
        let available = facts.memory.mem_available.unwrap_or(facts.memory.mem_free);
        decision.refusals.push(Refusal::new(
            "no-room",
            format!(
                "{} of {} are in use; memory ({} available) and the remaining swap ({}) have no room for that with a fifth \
                 to spare",
                Bytes(used),
                decision.retire.join(", "),
                Bytes(available),
                Bytes(stays + comes)
            ),
            "wait until less swap is in use, or set a larger size",
        ));
    }
}

fn container_refusal(kind: &str, swap: &SwapPolicy) -> Refusal {
    Refusal::new(
        "container",
        format!("this is a container ({kind}): {} would belong to its host, which manages swap", swap.file),
        "run oomguard on the host; in the container, use a policy without `swap` and `swappiness`",
    )
}
