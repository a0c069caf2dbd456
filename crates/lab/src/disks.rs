//! The data disks of a host: formatted once, mounted by units, so that /etc/fstab stays as it was.

use crate::spec::Disk;
use crate::ssh::quote;

/// The shell commands that format and mount the disks of a host on its first boot.
pub(crate) fn set_up(disks: &[Disk]) -> Vec<String> {
    let one = |(letter, disk): (char, &Disk)| {
        let (device, fs) = (format!("/dev/vd{letter}"), disk.fs.name());
        let place = quote(&disk.mount_point);
        format!(
            "set -e; mkfs.{fs} -q {device}; unit=$(systemd-escape --path --suffix=mount {place}); \
             printf '[Unit]\\nDescription=Data disk of a lab host\\n\\n[Mount]\\nWhat={device}\\n\
             Where=%s\\nType={fs}\\n\\n[Install]\\nWantedBy=local-fs.target\\n' {place} \
             > /etc/systemd/system/$unit; systemctl daemon-reload; systemctl enable -q --now $unit; \
             sync"
        )
    };
    ('b'..='z').zip(disks).map(one).collect()
}
