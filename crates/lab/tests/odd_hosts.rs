//! Unusual hosts: cgroup v1, no PSI, a container, hidden processes.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // Helpers of tests are tests, too.

mod host;

use host::{boot, ok, run, session_scores, session_with_tmux};
use oomguard_lab::{HostSpec, Release};

#[test]
fn cgroup_v1_without_psi() {
    let spec = HostSpec::new(Release::Bullseye)
        .kernel_arg("systemd.unified_cgroup_hierarchy=0")
        .kernel_arg("systemd.legacy_systemd_cgroup_controller=1")
        .kernel_arg("psi=0");
    let mut vm = boot(&spec);
    run(&vm, "oomguard check --role ci").exits(2).says("/proc/pressure/memory").says("no PSI");
    let session = session_with_tmux(&vm);
    run(&vm, "oomguard apply --role ci --yes").exits(0);
    assert_eq!(session_scores(&vm), [-900, -800, 0]);
    drop(session);
    vm.reboot().unwrap();
    run(&vm, "oomguard check --role ci").exits(0);
    run(&vm, "oomguard status --role ci").exits(0).says("no PSI");
}

#[test]
fn swap_is_refused_in_a_container() {
    let vm = boot(&HostSpec::new(Release::Bookworm));
    // nspawn refuses the host's root, so the container is an overlay of it.
    ok(
        &vm,
        "mount -t tmpfs tmpfs /mnt && mkdir /mnt/up /mnt/work /mnt/root && \
         mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/up,workdir=/mnt/work /mnt/root",
    );
    let inside = "systemd-nspawn -q --register=no -D /mnt/root --pipe";
    run(&vm, &format!("{inside} /usr/local/bin/oomguard check --role ci"))
        .exits(2)
        .says("a container (systemd-nspawn)");
    run(&vm, &format!("{inside} /usr/local/bin/oomguard apply --role ci --yes"))
        .exits(1)
        .says("nothing was changed, for 1 reason")
        .says("this is a container")
        .says("run oomguard on the host");
    assert_eq!(ok(&vm, "swapon --show --noheadings; ls /swapfile 2>/dev/null; true"), "");
}

#[test]
fn ordinary_user_sees_what_could_not_be_read() {
    let vm = boot(&HostSpec::new(Release::Trixie));
    run(&vm, "oomguard apply --role ci --yes").exits(0);
    run(&vm, "runuser -u dev -- oomguard check --role ci")
        .exits(0)
        .says("/swapfile")
        .says("only root may read it");
    ok(&vm, "mount -o remount,hidepid=invisible /proc");
    run(&vm, "runuser -u dev -- oomguard check --role ci").says("hidepid");
    run(&vm, "runuser -u dev -- oomguard apply --role ci --yes")
        .exits(1)
        .says("only root may change this host");
    run(&vm, "runuser -u dev -- oomguard rollback --yes").exits(1).says("only root may change this host");
}

#[test]
fn documents_of_the_repository_apply_on_a_real_host() {
    let vm = boot(&HostSpec::new(Release::Bookworm));
    let specs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../specs");
    let before = host::etc(&vm);
    for (document, role) in [
        ("ci-infrastructure.cspec", ""),
        ("testnet-deployment-requirements.cspec", ""),
        ("deployment.cspec", "ci"),
        ("deployment.cspec", "validator"),
    ] {
        vm.push(&specs.join(document), "/root/document.cspec", 0o644).unwrap();
        let role = if role.is_empty() { String::new() } else { format!(" --role {role}") };
        run(&vm, &format!("oomguard check --spec /root/document.cspec{role}")).exits(2);
        host::found(&vm, &format!("--spec /root/document.cspec{role}")).says("no-swap");
        run(&vm, &format!("oomguard apply --spec /root/document.cspec{role} --yes"));
        run(&vm, &format!("oomguard check --spec /root/document.cspec{role}")).exits(0).says("OK: this host");
        run(&vm, "oomguard rollback --yes").exits(0);
        assert_eq!(host::etc(&vm), before, "{document}");
    }
    for role in ["workstation", "validator"] {
        run(&vm, &format!("oomguard apply --role {role} --yes"));
        run(&vm, &format!("oomguard check --role {role}")).exits(0).says("OK: this host");
        run(&vm, "oomguard rollback --yes").exits(0);
    }
}
