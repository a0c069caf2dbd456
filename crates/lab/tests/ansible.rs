//! The Ansible collection on real hosts, one of them without Python.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // Helpers of tests are tests, too.

#[path = "../../../xtask/tests/ansible_env/mod.rs"]
mod ansible_env;
mod host;

use ansible_env::{Ansible, repository, said};
use host::{boot, etc, ok, run};
use oomguard_lab::{HostSpec, Release, Vm};

/// A secret in a webhook's address; it must not be visible on the host.
const SECRET: &str = "token-5f1c9e";

struct Site<'a> {
    ansible: Ansible,
    vm: &'a Vm,
}

/// The result of a play.
struct Play {
    well: bool,
    text: String,
}

impl Play {
    #[track_caller]
    fn changes(self, number: u32) -> Self {
        let recap = format!("changed={number} ");
        assert!(self.well && self.text.contains(&recap), "not {recap}: {}", self.text);
        self
    }

    #[track_caller]
    fn fails(self) -> Self {
        assert!(!self.well && self.text.contains("failed=1"), "{}", self.text);
        self
    }

    #[track_caller]
    fn says(self, part: &str) -> Self {
        assert!(self.text.contains(part), "{part:?} is not said: {}", self.text);
        self
    }
}

impl<'a> Site<'a> {
    fn new(vm: &'a Vm) -> Self {
        // The lab installs it for other tests; here Ansible does.
        ok(vm, "rm /usr/local/bin/oomguard /usr/local/bin/oomguard-agent");
        Self { ansible: Ansible::with_collection(), vm }
    }

    /// Runs a task (or a role, if it begins with `the role: `) as that user.
    fn play(&self, user: &str, task: &str, flags: &[&str]) -> Play {
        let dir = &self.ansible.dir;
        let binary = std::env::var("OOMGUARD_BIN").unwrap();
        let text = match task.strip_prefix("the role: ") {
            Some(variables) => format!(
                "- hosts: all\n  gather_facts: false\n  roles:\n    - role: oomguard.host.memory_policy\n      \
                 vars: {{memory_policy_binary: {binary}, {variables}}}\n"
            ),
            None => format!(
                "- hosts: all\n  gather_facts: false\n  tasks:\n    - oomguard.host.memory_policy: {{binary: {binary}, {task}}}\n      \
                 register: result\n    - ansible.builtin.debug: {{var: result}}\n"
            ),
        };
        std::fs::write(dir.join("play.yml"), text).unwrap();
        let options = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR";
        let inventory = format!(
            "host ansible_host=127.0.0.1 ansible_port={} ansible_user={user} ansible_ssh_private_key_file={} \
             ansible_ssh_common_args=\"{options}\"\n",
            self.vm.ssh_port(),
            self.vm.key().display()
        );
        std::fs::write(dir.join("hosts"), inventory).unwrap();
        let mut command = self.ansible.program("ansible-playbook");
        command.env("ANSIBLE_SSH_ARGS", "-o ControlMaster=auto -o ControlPersist=20s");
        command.args(["-i", "hosts", "play.yml"]).args(flags);
        let (well, text) = said(&mut command);
        Play { well, text }
    }
}

/// Everything outside /etc that a play could leave on a host.
fn traces(vm: &Vm) -> String {
    ok(
        vm,
        "find /tmp /var/tmp /run/oomguard* /usr/local /root /home /var/lib/oomguard /swapfile \
         -not -path '*/systemd-private-*' -printf '%p %s\\n' 2>/dev/null | sort; cat /proc/swaps /proc/sys/vm/swappiness",
    )
}

fn everything(vm: &Vm) -> String {
    etc(vm) + &traces(vm)
}

/// From check mode to the rollback, as a user with sudo, on a host without Python.
fn from_check_mode_to_rollback(release: Release) {
    let vm = boot(&HostSpec::new(release));
    let site = Site::new(&vm);
    ok(
        &vm,
        "for python in /usr/bin/python3*; do mv $python /root/${python##*/}.off; done; ! command -v python3",
    );
    let (files, before) = (etc(&vm), everything(&vm));
    let sudo: &[&str] = &["--become"];
    let check: &[&str] = &["--become", "--check", "--diff"];

    site.play("op", "role: ci", check)
        .changes(1)
        .says("+++ after: /etc/fstab")
        .says("+/swapfile none swap sw,nofail,pri=10 0 0")
        .says("+vm.swappiness = 10")
        .says("\"rename the temporary swap file to /swapfile\"")
        .says("\"no-swap\"");
    assert_eq!(everything(&vm), before, "check mode changed something");

    // Invalid parameters fail with a reason and change nothing.
    std::fs::write(
        site.ansible.dir.join("bad.cspec"),
        "memory_config:\n  swappiness: 10\n  swapp: {size: 1GB}\n",
    )
    .unwrap();
    for flags in [check, sudo] {
        site.play("op", "spec: bad.cspec", flags)
            .fails()
            .says("bad.cspec:3:3")
            .says("unknown key `swapp` in `memory_config`")
            .says("did you mean `swap`?");
    }
    site.play("op", "role: ci, policy: {swappiness: 10}", sudo).fails().says("mutually exclusive");
    site.play("op", "role: nobody", sudo).fails().says("workstation, ci, validator");
    assert_eq!(everything(&vm), before, "a bad policy changed something");

    let first = site.play("op", "role: ci", sudo).changes(1).says("\"binary_installed\": true").text;
    assert!(first.contains("\"apply_id\": \"0001-") && !first.contains("after: /etc/fstab"), "{first}");
    run(&vm, "oomguard check --role ci").exits(0).says("OK: this host");
    ok(
        &vm,
        "stat -c '%a %U' /usr/local/bin/oomguard | grep -x '755 root'; systemctl is-active oomguard-agent",
    );
    let inodes = "stat -c '%n %Y %i' $(find /etc -name '*oomguard*' -type f) /etc/fstab /swapfile /usr/local/bin/oomguard";
    let applied = ok(&vm, inodes);
    site.play("op", "role: ci", sudo).changes(0).says("\"steps\": []").says("\"binary_installed\": false");
    site.play("op", "role: ci", check).changes(0);
    assert_eq!(ok(&vm, inodes), applied, "the second time changed something");

    // Drift is detected, and only drift is fixed.
    ok(&vm, "rm /etc/sysctl.d/99-zz-oomguard.conf; sysctl -qw vm.swappiness=60");
    site.play("op", "role: ci", check).changes(1).says("after: /etc/sysctl.d/99-zz-oomguard.conf");
    let mended = site.play("op", "role: ci", sudo).changes(1).says("\"set vm.swappiness to 10\"").text;
    assert!(!mended.contains("/etc/fstab") && !mended.contains("start the agent"), "{mended}");

    // A different program at that path is replaced.
    ok(&vm, "echo 'echo I am another' >/usr/local/bin/oomguard");
    site.play("op", "role: ci", check).changes(1).says("\"binary_installed\": true");
    run(&vm, "oomguard").exits(0).says("I am another");
    site.play("op", "role: ci", sudo).changes(1).says("\"steps\": []");
    run(&vm, "oomguard check --role ci").exits(0);

    site.play("op", "state: rolled_back", check).changes(1).says("\"0002-");
    run(&vm, "oomguard check --role ci").exits(0);
    site.play("op", "state: rolled_back", sudo).changes(1).says("\"0001-");
    assert_eq!(etc(&vm), files, "after the rollback");
    site.play("op", "state: rolled_back", sudo).changes(0).says("\"undone\": []");
}

#[test]
fn debian_11() {
    from_check_mode_to_rollback(Release::Bullseye);
}

#[test]
fn debian_12() {
    from_check_mode_to_rollback(Release::Bookworm);
}

/// The role, a document, refusals and secrets, with Debian's newest sudo and ssh.
#[test]
fn debian_13_with_the_role() {
    let vm = boot(&HostSpec::new(Release::Trixie));
    let site = Site::new(&vm);
    let before = etc(&vm);

    site.play("dev", "role: ci", &[]).fails().says("cannot write beside /usr/local/bin/oomguard");
    ok(&vm, "mkdir -m 0777 /srv/open");
    let open = "policy: {swap: {size: 64MB, file: /srv/open/swapfile}}";
    for flags in [&["--check"][..], &[]] {
        site.play("root", open, flags).fails().says("users other than root can write to /srv/open");
    }
    assert_eq!(etc(&vm), before, "what was refused changed something");
    site.play("dev", "role: ci", &[]).fails().says("only root may change this host").says("become: true");
    site.play("dev", "role: ci", &["--check"]).changes(1).says("\"no-swap\"");

    // No user on the host can see the policy while it is applied repeatedly.
    let watch = format!(
        "while :; do grep -al '[{}]{}' /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null; done >/root/seen",
        &SECRET[..1],
        &SECRET[1..]
    );
    let mut watching = vm.spawn(&watch).unwrap();
    for swappiness in [10, 20] {
        let policy = format!(
            "policy: {{swap: {{size: 64MB}}, swappiness: {swappiness}, oom_protection: {{systemd_user: -900}}, agent: true, \
             alerts: {{oom_events: any, webhook: 'https://alerts.example.net/{SECRET}'}}}}"
        );
        site.play("root", &policy, &[]).changes(1);
        site.play("root", &policy, &[]).changes(0);
    }
    assert_eq!(ok(&vm, "cat /root/seen"), "");
    // Proves that the watcher would see it.
    ok(&vm, &format!("SEEN={SECRET} sleep 5"));
    assert_ne!(ok(&vm, "cat /root/seen"), "");
    watching.kill();
    ok(&vm, &format!("grep -q {SECRET} /etc/oomguard/policy.cspec"));

    let document = repository().join("specs/deployment.cspec");
    let role = format!("the role: memory_policy_spec: {}, memory_policy_role: validator", document.display());
    site.play("root", &role, &["--check", "--diff"]).changes(1).says("adnet.service.d/50-oomguard.conf");
    site.play("root", &role, &[]).changes(1);
    site.play("root", &role, &[]).changes(0);
    vm.push(&document, "/root/deployment.cspec", 0o600).unwrap();
    run(&vm, "oomguard check --spec /root/deployment.cspec --role validator").exits(0);
    site.play("root", "the role: memory_policy_state: rolled_back", &[]).changes(1);
    assert_eq!(etc(&vm), before, "after the rollback");
}
