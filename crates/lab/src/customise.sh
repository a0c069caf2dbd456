#!/bin/sh
# Turns a fresh Debian tree into a lab host. mmdebstrap runs it outside the tree.
# $1: the tree   $2: the public key that may log in   $3: the release
set -eu
root=$1
key=$2
release=$3

# --- people: root, dev (a plain user), op (a user with sudo), all with one key
install -d -m 700 "$root/root/.ssh"
install -m 600 "$key" "$root/root/.ssh/authorized_keys"
uid=1000
for user in dev op; do
    chroot "$root" useradd --create-home --shell /bin/bash --uid "$uid" "$user"
    install -d -m 700 "$root/home/$user/.ssh"
    install -m 600 "$key" "$root/home/$user/.ssh/authorized_keys"
    chroot "$root" chown -R "$user:$user" "/home/$user/.ssh"
    uid=$((uid + 1))
done
echo 'op ALL=(ALL) NOPASSWD: ALL' > "$root/etc/sudoers.d/op"
chmod 440 "$root/etc/sudoers.d/op"

# --- names and mounts; the fstab is what Debian's installer leaves on a host without swap
echo lab > "$root/etc/hostname"
printf '127.0.0.1\tlocalhost\n127.0.1.1\tlab\n' > "$root/etc/hosts"
echo 'nameserver 10.0.2.3' > "$root/etc/resolv.conf"
cat > "$root/etc/fstab" <<'FSTAB'
# /etc/fstab: static file system information.
#
# <file system> <mount point>   <type>  <options>       <dump>  <pass>
/dev/vda        /               ext4    errors=remount-ro 0       1
FSTAB
: > "$root/etc/machine-id"
rm -f "$root/var/lib/dbus/machine-id"

# --- network: one address, set before anything that waits for a network
cat > "$root/etc/systemd/system/lab-network.service" <<'UNIT'
[Unit]
Description=Static address of a lab host
DefaultDependencies=no
Wants=network.target
Before=network.target shutdown.target
After=local-fs.target systemd-udevd.service
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'n=0; until [ -e /sys/class/net/eth0 ] || [ $n -ge 200 ]; do n=$((n + 1)); sleep 0.1; done'
ExecStart=/bin/ip address replace 10.0.2.15/24 dev eth0
ExecStart=/bin/ip link set eth0 up
ExecStart=/bin/ip route replace default via 10.0.2.2

[Install]
WantedBy=multi-user.target
UNIT

# --- sshd: keys exist already, no look-ups, many sessions on one connection
rm -f "$root"/etc/ssh/ssh_host_*
ssh-keygen -q -t ed25519 -N '' -C lab -f "$root/etc/ssh/ssh_host_ed25519_key"
cat > "$root/etc/ssh/sshd_config.d/lab.conf" <<'SSHD'
HostKey /etc/ssh/ssh_host_ed25519_key
PermitRootLogin prohibit-password
PasswordAuthentication no
UseDNS no
MaxSessions 200
MaxStartups 200
PrintMotd no
SSHD
if [ "$release" = trixie ]; then
    echo 'PerSourcePenalties no' >> "$root/etc/ssh/sshd_config.d/lab.conf"
fi

# --- units: off with all that only costs time under emulation
for unit in \
    apt-daily.timer apt-daily-upgrade.timer apt-daily.service apt-daily-upgrade.service \
    dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer man-db.timer \
    systemd-timesyncd.service systemd-networkd.service systemd-networkd.socket \
    systemd-networkd-wait-online.service systemd-resolved.service systemd-pstore.service \
    systemd-hwdb-update.service ldconfig.service systemd-binfmt.service \
    systemd-network-generator.service systemd-tpm2-setup.service systemd-tpm2-setup-early.service \
    systemd-pcrphase.service systemd-pcrphase-sysinit.service systemd-pcrmachine.service \
    getty@tty1.service modprobe@drm.service modprobe@efi_pstore.service \
    rc-local.service systemd-firstboot.service dev-hugepages.mount sys-kernel-debug.mount \
    sys-kernel-tracing.mount keyboard-setup.service console-setup.service \
    machines.target sys-fs-fuse-connections.mount sys-kernel-config.mount ; do
    ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
chroot "$root" systemctl enable -q lab-network.service ssh.service cron.service
chroot "$root" systemctl set-default -q multi-user.target

# --- a small initramfs: only what finds the root disk
printf '%s\n' virtio_pci virtio_blk virtio_net virtio_rng ext4 crc32c_generic \
    > "$root/etc/initramfs-tools/modules"
sed -i -e 's/^MODULES=.*/MODULES=list/' "$root/etc/initramfs-tools/initramfs.conf"
sed -i -e '/^COMPRESS=/d' "$root/etc/initramfs-tools/initramfs.conf"
echo 'COMPRESS=lz4' >> "$root/etc/initramfs-tools/initramfs.conf"
chroot "$root" update-initramfs -u

# --- less to carry
rm -rf "$root"/usr/share/doc/* "$root"/usr/share/man/* "$root"/usr/share/info/* \
    "$root"/usr/share/locale/* "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/*
