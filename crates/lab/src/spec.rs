//! The specification of a host.

use crate::release::Release;

/// The file system of a data disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fs {
    /// ext4
    Ext4,
    /// XFS
    Xfs,
    /// Btrfs
    Btrfs,
}

impl Fs {
    /// The name that mkfs and mount know.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
            Self::Btrfs => "btrfs",
        }
    }
}

/// A data disk, formatted on the first boot and mounted on every boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Disk {
    pub(crate) fs: Fs,
    pub(crate) gib: u32,
    pub(crate) mount_point: String,
}

/// The release, memory and disks of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostSpec {
    pub(crate) release: Release,
    pub(crate) memory_mib: u32,
    pub(crate) root_gib: u32,
    pub(crate) disks: Vec<Disk>,
    pub(crate) kernel_args: Vec<String>,
}

impl HostSpec {
    /// A host with 1 GiB of memory and a root disk of 40 GiB.
    #[must_use]
    pub fn new(release: Release) -> Self {
        Self {
            release,
            memory_mib: 1024,
            root_gib: crate::recipe::ROOT_GIB,
            disks: Vec::new(),
            kernel_args: Vec::new(),
        }
    }

    /// Sets the memory.
    #[must_use]
    pub fn memory_mib(mut self, mib: u32) -> Self {
        self.memory_mib = mib;
        self
    }

    /// Sets the size of the root disk and its ext4 file system.
    #[must_use]
    pub fn root_gib(mut self, gib: u32) -> Self {
        self.root_gib = gib;
        self
    }

    /// Adds a disk with a file system, mounted at `mount_point` by a systemd mount unit.
    #[must_use]
    pub fn disk(mut self, fs: Fs, gib: u32, mount_point: &str) -> Self {
        self.disks.push(Disk { fs, gib, mount_point: mount_point.to_owned() });
        self
    }

    /// Adds a kernel argument.
    #[must_use]
    pub fn kernel_arg(mut self, arg: &str) -> Self {
        self.kernel_args.push(arg.to_owned());
        self
    }

    /// Whether it has no data disks or kernel arguments.
    pub(crate) fn is_plain(&self) -> bool {
        self.disks.is_empty() && self.kernel_args.is_empty()
    }
}
