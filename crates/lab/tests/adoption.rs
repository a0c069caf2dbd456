//! Foreign swap is found, reported, used, and never deleted.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // Helpers of tests are tests, too.

mod host;

use host::{boot, etc, found, ok, run};
use oomguard_lab::{HostSpec, Release, Vm};

const SPEC: &str =
    "role: small\nmemory_config:\n  swap: {size: 256MB, file: /swapfile, priority: 10}\n  swappiness: 10\n";
const POLICY: &str = "--spec /root/small.cspec";
const APPLY: &str = "oomguard apply --spec /root/small.cspec --yes";
const CHECK: &str = "oomguard check --spec /root/small.cspec";

fn swap_names(vm: &Vm) -> Vec<String> {
    ok(vm, "swapon --show=NAME --noheadings").split_whitespace().map(str::to_owned).collect()
}

#[test]
fn foreign_swap_is_adopted_and_never_deleted() {
    let mut vm = boot(&HostSpec::new(Release::Bookworm));
    vm.write("/root/small.cspec", SPEC.as_bytes()).unwrap();
    vm.save("fresh").unwrap();

    // An active swap file that is not in fstab: apply adds its line and creates no swap file.
    ok(&vm, "fallocate -l 512M /mine.img && chmod 600 /mine.img && mkswap /mine.img && swapon /mine.img");
    let before = etc(&vm);
    found(&vm, POLICY).exits(2).says("/mine.img is on, and is not switched on at boot");
    run(&vm, APPLY).exits(0);
    assert_eq!(swap_names(&vm), ["/mine.img"]);
    run(&vm, "grep '^/mine.img none swap sw,nofail' /etc/fstab").exits(0);
    vm.reboot().unwrap();
    run(&vm, CHECK).exits(0);
    assert_eq!(swap_names(&vm), ["/mine.img"], "adopted over a boot");
    run(&vm, "oomguard rollback --yes").exits(0);
    assert_eq!(etc(&vm), before);
    assert_eq!(swap_names(&vm), ["/mine.img"], "a rollback does not touch it");

    // The same at our own path but too small: it stays, and ours is created beside it.
    vm.load("fresh").unwrap();
    ok(
        &vm,
        "fallocate -l 64M /swapfile && chmod 600 /swapfile && mkswap /swapfile && swapon /swapfile && sha256sum /swapfile >/root/sum",
    );
    run(&vm, APPLY).exits(0);
    assert_eq!(swap_names(&vm), ["/swapfile", "/swapfile.2"]);
    run(&vm, "oomguard rollback --yes").exits(0);
    assert_eq!(swap_names(&vm), ["/swapfile"]);

    // An inactive swap partition with a UUID line in fstab: apply switches it on.
    vm.load("fresh").unwrap();
    ok(
        &vm,
        "fallocate -l 512M /disk.img && losetup /dev/loop0 /disk.img && mkswap /dev/loop0 && udevadm settle && \
         echo \"UUID=$(blkid -s UUID -o value /dev/loop0) none swap sw,nofail 0 0\" >>/etc/fstab && udevadm trigger -w /dev/loop0",
    );
    let before = etc(&vm);
    found(&vm, POLICY).exits(2).says("swap-off | /dev/loop0");
    run(&vm, APPLY).says("/dev/loop0");
    assert_eq!(swap_names(&vm), ["/dev/loop0"]);
    run(&vm, "test ! -e /swapfile").exits(0);
    run(&vm, "oomguard rollback --yes").exits(0);
    assert_eq!((etc(&vm), swap_names(&vm)), (before, Vec::new()));
}

#[test]
fn foreign_lines_are_reported_and_kept() {
    let mut vm = boot(&HostSpec::new(Release::Trixie));
    vm.write("/root/small.cspec", SPEC.as_bytes()).unwrap();
    // A duplicate line, and one for missing swap.
    ok(
        &vm,
        "fallocate -l 512M /mine.img && chmod 600 /mine.img && mkswap /mine.img && swapon /mine.img && \
         printf '/mine.img none swap sw 0 0\\n/mine.img none swap sw,pri=5 0 0\\n/gone.img none swap sw,nofail 0 0\\n' >>/etc/fstab && \
         echo 'vm.swappiness = 60' >/etc/sysctl.d/zz-site.conf",
    );
    let fstab = ok(&vm, "cat /etc/fstab");
    run(&vm, APPLY).exits(2);
    found(&vm, POLICY)
        .says("/mine.img a second time, as on line 5")
        .says("names /gone.img, which does not exist")
        .says("/etc/sysctl.d/zz-site.conf:1 sets 60 at boot");
    assert_eq!(ok(&vm, "cat /etc/fstab"), fstab);
    assert_eq!(ok(&vm, "cat /etc/sysctl.d/zz-site.conf"), "vm.swappiness = 60\n");
    assert_eq!(ok(&vm, "sysctl -n vm.swappiness").trim(), "10", "live it is as the policy says");
    vm.reboot().unwrap();
    assert_eq!(ok(&vm, "sysctl -n vm.swappiness").trim(), "60", "and the file that was said to win wins");
    found(&vm, POLICY).exits(2).says("zz-site.conf");
}
