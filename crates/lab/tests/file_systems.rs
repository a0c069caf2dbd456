//! Swap files on every supported file system, refusals on the others, resizing while in use.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // Helpers of tests are tests, too.

mod host;

use host::{boot, etc, found, ok, run, strays};
use oomguard_lab::{Fs, HostSpec, Release, Vm};

/// A document with a swap file only.
fn spec(vm: &Vm, file: &str, size: &str) {
    let text = format!("role: disk\nmemory_config:\n  swap: {{size: {size}, file: {file}, priority: 10}}\n");
    vm.write("/root/swap.cspec", text.as_bytes()).unwrap();
}

fn swaps(vm: &Vm) -> Vec<String> {
    let text = ok(vm, "swapon --show=NAME,SIZE --noheadings");
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// Moves about `mib` of memory into swap and returns the swap usage in MiB.
fn fill_swap(vm: &Vm, mib: u32) -> u64 {
    ok(
        vm,
        &format!(
            "systemd-run -q --unit hog -p MemoryMax=64M -p OOMScoreAdjust=-500 python3 -c \
             'import os,time; x=os.urandom({mib} << 20); open(\"/run/full\",\"w\"); time.sleep(3000)' && \
             until [ -e /run/full ]; do sleep 0.5; done"
        ),
    );
    let kib = ok(vm, "awk 'NR > 1 {n += $4} END {print n}' /proc/swaps");
    kib.trim().parse::<u64>().expect("a number") / 1024
}

fn grows_and_shrinks_in_use(release: Release, fs: Fs) {
    let mut vm = boot(&HostSpec::new(release).disk(fs, 12, "/data"));
    let before = etc(&vm);
    let apply = "oomguard apply --spec /root/swap.cspec --yes";
    spec(&vm, "/data/swapfile", "1GB");
    run(&vm, apply).exits(0);
    assert_eq!(swaps(&vm), ["/data/swapfile 1024M"]);

    let used = fill_swap(&vm, 400);
    assert!(used > 250, "only {used} MiB were swapped out");
    spec(&vm, "/data/swapfile", "2GB");
    run(&vm, apply).exits(0).says("OK: this host");
    assert_eq!(swaps(&vm), ["/data/swapfile.2 2G"]);
    run(&vm, "test ! -e /data/swapfile").exits(0);
    run(&vm, "grep -c swap /etc/fstab").exits(0).says("1");

    // 400 MiB are in swap because of the hog's limit, more than the requested size.
    let pressure = "systemd-run -q --unit eater -p OOMScoreAdjust=-400 python3 -c \
                    'import os,time; x=os.urandom(620 << 20); open(\"/run/eaten\",\"w\"); time.sleep(3000)' && \
                    until [ -e /run/eaten ]; do sleep 0.5; done";
    ok(&vm, pressure);
    spec(&vm, "/data/swapfile", "64MB");
    let said = run(&vm, apply).exits(1);
    assert!(said.text.contains("have no room"), "{}", said.text);
    assert_eq!(swaps(&vm), ["/data/swapfile.2 2G"], "refused, and changed all the same");

    ok(&vm, "systemctl stop eater hog");
    run(&vm, apply).exits(0);
    assert_eq!(swaps(&vm), ["/data/swapfile 64M"]);
    vm.reboot().unwrap();
    run(&vm, "oomguard check --spec /root/swap.cspec").exits(0);
    assert_eq!(swaps(&vm), ["/data/swapfile 64M"], "after a boot");
    let first = ok(&vm, "oomguard history list | head -1 | cut -d' ' -f1");
    run(&vm, &format!("oomguard rollback --to {} --yes", first.trim())).exits(0);
    assert_eq!(etc(&vm), before);
    assert_eq!(swaps(&vm), [""; 0]);
    assert_eq!(strays(&vm), "");
    assert_eq!(ok(&vm, "ls -A /data | grep -v lost+found; true"), "");
}

#[test]
fn ext4_on_debian_11() {
    grows_and_shrinks_in_use(Release::Bullseye, Fs::Ext4);
}

#[test]
fn xfs_on_debian_12() {
    grows_and_shrinks_in_use(Release::Bookworm, Fs::Xfs);
}

#[test]
fn btrfs_on_debian_13() {
    grows_and_shrinks_in_use(Release::Trixie, Fs::Btrfs);
}

#[test]
fn unsafe_swap_files_are_refused_with_the_reason() {
    let vm = boot(&HostSpec::new(Release::Bookworm).disk(Fs::Ext4, 4, "/data"));
    let before = etc(&vm);
    ok(
        &vm,
        "mkdir -p /srv/ram /srv/open /srv/real /srv/low /srv/up /srv/work /srv/over && chmod 1777 /srv/open && \
             ln -s real /srv/link && mount -t tmpfs tmpfs /srv/ram && mount -t overlay overlay -o lowerdir=/srv/low,upperdir=/srv/up,workdir=/srv/work /srv/over && \
             fallocate -l 3G /data/filler && echo mine >/srv/real/swapfile && ln -s /etc/passwd /srv/real/linked",
    );
    for (file, size, reason) in [
        ("/srv/ram/swapfile", "64MB", "tmpfs"),
        ("/srv/over/swapfile", "64MB", "overlay"),
        ("/data/swapfile", "1GB", "must stay free"),
        ("/srv/link/swapfile", "64MB", "symbolic link"),
        ("/srv/open/swapfile", "64MB", "users other than root can write to /srv/open"),
        ("/srv/real/swapfile", "64MB", "a file that oomguard did not make"),
        ("/srv/real/linked", "64MB", "a symbolic link"),
        ("/nowhere/swapfile", "64MB", "does not exist"),
    ] {
        spec(&vm, file, size);
        run(&vm, "oomguard apply --spec /root/swap.cspec --yes")
            .exits(1)
            .says(reason)
            .says("nothing was changed");
        found(&vm, "--spec /root/swap.cspec").exits(2).says(reason);
    }
    assert_eq!(etc(&vm), before);
    assert_eq!(ok(&vm, "cat /srv/real/swapfile"), "mine\n");
    assert_eq!(strays(&vm), "");
    assert_eq!(swaps(&vm), [""; 0]);
}
