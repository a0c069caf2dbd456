//! The Debian package on a real host: install, upgrade, remove, purge.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // Helpers of tests are tests, too.

mod host;

use std::path::PathBuf;

use host::{boot, etc, ok, run};
use oomguard_lab::{HostSpec, Release, Vm};

const APT: &str = "DEBIAN_FRONTEND=noninteractive apt-get -y -q -o Dpkg::Use-Pty=0";
const CONFFILE: &str = "/etc/oomguard/default.cspec";

/// The lines of one text that are missing in the other.
fn more<'t>(now: &'t str, before: &str) -> Vec<&'t str> {
    now.lines().filter(|line| !before.lines().any(|other| other == *line)).collect()
}

/// The same package with another version.
fn repack(vm: &Vm, version: &str) -> String {
    let to = format!("/root/oomguard-{version}.deb");
    let edit = format!("sed -i 's/^Version: .*/Version: {version}/' /root/tree/DEBIAN/control");
    ok(
        vm,
        &format!(
            "rm -rf /root/tree; dpkg-deb -R /root/oomguard.deb /root/tree; {edit}; dpkg-deb -b /root/tree {to}"
        ),
    );
    to
}

fn agent(vm: &Vm) -> String {
    ok(vm, "systemctl show -p MainPID --value oomguard-agent").trim().to_owned()
}

/// Only the package's files were added: no running agent, no swap, no changed score.
fn installed_and_nothing_else(vm: &Vm, etc_before: &str) {
    let etc_now = etc(vm);
    let added: Vec<&str> =
        more(&etc_now, etc_before).into_iter().filter(|line| !line.contains("oomguard")).collect();
    assert_eq!(added, [""; 0]);
    assert_eq!(more(etc_before, &etc_now), [""; 0]);
    run(vm, "systemctl is-active --quiet oomguard-agent").exits(3);
    assert_eq!(ok(vm, "systemctl is-enabled oomguard-agent || true").trim(), "disabled");
    assert_eq!(ok(vm, "swapon --show --noheadings; ls /var/lib/oomguard 2>/dev/null || true"), "");
    assert_eq!(ok(vm, "dpkg --verify oomguard"), "", "every file is there as it was packed");
    ok(vm, "test -s /usr/share/man/man1/oomguard-apply.1.gz");
    ok(vm, "bash -c '. /usr/share/bash-completion/completions/oomguard && complete -p oomguard'");
    ok(vm, "test -s /usr/share/zsh/vendor-completions/_oomguard");
    ok(vm, "oomguard spec check /etc/oomguard/default.cspec /usr/share/doc/oomguard/specs");
    assert_eq!(ok(vm, "command -v oomguard").trim(), "/usr/bin/oomguard");
}

#[test]
fn applied_policy_survives_install_upgrade_remove_and_purge() {
    let deb = PathBuf::from(std::env::var_os("OOMGUARD_DEB").expect("`cargo xtask test` sets OOMGUARD_DEB"));
    let vm = boot(&HostSpec::new(Release::Bookworm));
    ok(&vm, "rm /usr/local/bin/oomguard /usr/local/bin/oomguard-agent");
    let etc_before = etc(&vm);
    vm.push(&deb, "/root/oomguard.deb", 0o644).unwrap();

    // With dpkg: installation changes no policy, and purge leaves nothing.
    ok(&vm, "dpkg -i /root/oomguard.deb");
    installed_and_nothing_else(&vm, &etc_before);
    ok(&vm, "dpkg -r oomguard");
    ok(&vm, &format!("test -f {CONFFILE} && ! command -v oomguard"));
    ok(&vm, "dpkg -P oomguard");
    assert_eq!(etc(&vm), etc_before);

    // With apt: the package's agent and a modified policy survive an upgrade.
    ok(&vm, &format!("{APT} install /root/oomguard.deb"));
    ok(&vm, &format!("systemctl enable --now oomguard-agent && echo '# ours' >> {CONFFILE}"));
    let (old, newer) = (agent(&vm), repack(&vm, "99.0-1"));
    run(&vm, &format!("{APT} install {newer}")).exits(0);
    assert_eq!(ok(&vm, "dpkg-query -W -f '${Version}' oomguard"), "99.0-1");
    assert_eq!(ok(&vm, &format!("tail -1 {CONFFILE}")).trim(), "# ours");
    ok(&vm, "systemctl is-active --quiet oomguard-agent");
    assert_ne!(agent(&vm), old, "it runs the new program");
    // After removal nothing tries to start the removed program.
    ok(&vm, "dpkg -r oomguard");
    run(&vm, "systemctl is-active --quiet oomguard-agent").exits(3);
    ok(
        &vm,
        &format!(
            "test -f {CONFFILE} && ! ls /etc/systemd/system/multi-user.target.wants/oomguard-agent.service"
        ),
    );
    ok(&vm, "dpkg -P oomguard");
    assert_eq!(etc(&vm), etc_before);
    run(&vm, "ls -d /var/lib/oomguard /etc/oomguard").exits(2);

    // An applied policy does not belong to the package.
    ok(&vm, "dpkg -i /root/oomguard.deb && oomguard apply --yes");
    let applied = agent(&vm);
    run(&vm, &format!("dpkg -i {newer}")).exits(0).says("keeps its version");
    assert_eq!(agent(&vm), applied);
    run(&vm, &format!("{APT} remove oomguard")).exits(0).says("the applied policy stays in place");
    let said = run(&vm, &format!("{APT} purge oomguard")).exits(0).says("kept: /var/lib/oomguard (").text;
    assert_eq!(agent(&vm), applied, "the host is as protected as before");
    assert_eq!(ok(&vm, "swapon --show=NAME --noheadings").trim(), "/swapfile");
    let way = said.lines().find_map(|line| line.split_once("to roll it back: ")).expect("a way back").1;
    ok(&vm, &format!("{way} --yes"));
    ok(&vm, "rmdir --ignore-fail-on-non-empty /etc/oomguard 2>/dev/null || true");
    assert_eq!(etc(&vm), etc_before);
    assert_eq!(ok(&vm, "swapon --show --noheadings"), "");
}
