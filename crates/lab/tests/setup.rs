//! Setting up a fresh server with tools/setup-testnet-server.sh, from a laptop and on the server, and with `oomguard fleet setup`.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // Helpers of tests are tests, too.

mod host;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use host::{Said, boot, etc, ok, run, strays};
use oomguard_lab::{HostSpec, Release, Vm};

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/setup-testnet-server.sh")
}

/// A folder with an ssh configuration that knows the host by the name `testnet001.ac-dc.network`.
fn laptop(vm: &Vm, user: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("setup-{}-{user}", vm.ssh_port()));
    std::fs::create_dir_all(&dir).unwrap();
    let config = format!(
        "Host testnet001.ac-dc.network\n  HostName 127.0.0.1\n  Port {}\n  User {user}\n  IdentityFile {}\n  \
         StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n  LogLevel ERROR\n",
        vm.ssh_port(),
        vm.key().display()
    );
    std::fs::write(dir.join("config"), config).unwrap();
    dir
}

/// Runs the script on this machine.
fn from_laptop(vm: &Vm, user: &str, args: &[&str]) -> Said {
    let dir = laptop(vm, user);
    let mut command = Command::new("sh");
    command.arg(script()).arg("--ssh-config").arg(dir.join("config"));
    command.arg("--binary").arg(std::env::var_os("OOMGUARD_BIN").unwrap());
    let output = command.args(args).stdin(Stdio::null()).output().unwrap();
    std::fs::remove_dir_all(&dir).unwrap();
    let text = [output.stdout, output.stderr].concat();
    Said { code: output.status.code().unwrap(), text: String::from_utf8_lossy(&text).into_owned() }
}

/// Runs `oomguard fleet setup` on this machine: standard output, and after it standard error.
fn command(vm: &Vm, user: &str, args: &[&str]) -> Said {
    let dir = laptop(vm, user);
    let mut command = Command::new(std::env::var_os("OOMGUARD_BIN").unwrap());
    command.args(["fleet", "setup"]).args(args).arg("--ssh-config").arg(dir.join("config"));
    command.arg("--runs").arg(dir.join("runs"));
    let output = command.stdin(Stdio::null()).output().unwrap();
    std::fs::remove_dir_all(&dir).unwrap();
    let text = [output.stdout, output.stderr].concat();
    Said { code: output.status.code().unwrap(), text: String::from_utf8_lossy(&text).into_owned() }
}

const SERVER: &str = "testnet001.ac-dc.network";

/// Everything that a run could leave on a host.
fn everything(vm: &Vm) -> String {
    etc(vm)
        + &ok(
            vm,
            "find /tmp /var/tmp /usr/local /root /home /var/lib/oomguard /swapfile -not -path '*/systemd-private-*' \
             -printf '%p %s\\n' 2>/dev/null | sort; cat /proc/swaps /proc/sys/vm/swappiness",
        )
}

fn steps_in_order(said: &str) {
    let steps: Vec<&str> = said.lines().filter(|line| line.starts_with("Step ")).collect();
    let wanted = [
        "Step 1 - Check the rights",
        "Step 2 - Check the system",
        "Step 3 - Check memory and disk",
        "Step 4 - Install oomguard",
        "Step 5 - Make the plan",
        "Step 6 - Configure swap memory",
        "Step 7 - Protect what sessions and services live in",
        "Step 8 - Start the agent",
        "Step 9 - Verify",
        "Step 10 - Show the swap status",
    ];
    assert_eq!(steps, wanted, "{said}");
}

/// The output of a step.
fn under<'a>(said: &'a str, step: &str) -> &'a str {
    let part = said.split(&format!("\n{step} - ")).nth(1).unwrap_or_else(|| panic!("no {step}: {said}"));
    part.split("\nStep ").next().unwrap()
}

#[test]
fn script_sets_up_a_fresh_server_from_a_laptop() {
    let mut vm = boot(&HostSpec::new(Release::Bookworm));
    ok(&vm, "rm /usr/local/bin/oomguard /usr/local/bin/oomguard-agent");
    let before = everything(&vm);

    let said =
        from_laptop(&vm, "op", &["--dry-run", SERVER]).exits(2).says("Dry run: nothing is changed.").text;
    steps_in_order(&said);
    assert!(said.contains("would install oomguard") && said.contains("op may use sudo"), "{said}");
    assert!(under(&said, "Step 6").contains("create the swap file /swapfile of"), "{said}");
    assert!(under(&said, "Step 6").contains("change /etc/fstab"), "{said}");
    assert!(under(&said, "Step 6").contains("write vm.swappiness: 60 -> 10"), "{said}");
    assert!(under(&said, "Step 7").contains("deltaos-validator.service.d/50-oomguard.conf"), "{said}");
    assert!(under(&said, "Step 8").contains("systemctl restart oomguard-agent.service"), "{said}");
    assert_eq!(everything(&vm), before, "a dry run changed something");

    // Without rights it stops before it changes anything.
    let said = from_laptop(&vm, "dev", &[SERVER]).exits(1).says("dev is not root").text;
    assert!(!said.contains("Step 2"), "{said}");
    from_laptop(&vm, "dev", &["--dry-run", SERVER]).exits(2).says("a real run would stop here");
    from_laptop(&vm, "op", &["--role", "nobody", SERVER]).exits(1).says("workstation, ci, validator");
    from_laptop(&vm, "op", &["testnet002.invalid"])
        .exits(1)
        .says("the connection to testnet002.invalid failed");
    for wrong in ["-oProxyCommand=touch /tmp/x", "a;b", "a b", "$(id)", "op@-x", ""] {
        from_laptop(&vm, "op", &[wrong]).exits(64);
    }
    ok(&vm, "rm /usr/local/bin/oomguard /usr/local/bin/oomguard-agent");
    assert_eq!(everything(&vm), before, "what was refused changed something");

    let said = from_laptop(&vm, "op", &["--role", "validator", SERVER]).exits(0).text;
    steps_in_order(&said);
    assert!(said.contains("Step 6 [ 1/") && said.contains("start the agent"), "{said}");
    assert!(under(&said, "Step 9").contains("OK: this host matches the policy."), "{said}");
    let status = under(&said, "Step 10");
    assert!(status.contains("/swapfile") && status.contains("Swap:"), "{said}");
    assert!(!said.contains("Undone") && !said.contains("error"), "{said}");
    ok(
        &vm,
        "stat -c '%a %U' /usr/local/bin/oomguard | grep -x '755 root'; systemctl is-active oomguard-agent",
    );
    assert_eq!(ok(&vm, "ls -A /home/op /tmp /var/tmp | grep -v systemd-private | grep oomguard; true"), "");

    let inodes = "stat -c '%n %Y %i' $(find /etc -name '*oomguard*' -type f) /etc/fstab /swapfile /usr/local/bin/oomguard";
    let applied = (everything(&vm), ok(&vm, inodes));
    let said = from_laptop(&vm, "op", &["--role", "validator", SERVER]).exits(0).text;
    steps_in_order(&said);
    for step in ["Step 6", "Step 7", "Step 8"] {
        assert!(under(&said, step).contains("nothing to do"), "{step}: {said}");
    }
    assert!(said.contains("is up to date") && said.contains("Nothing to change."), "{said}");
    assert_eq!((everything(&vm), ok(&vm, inodes)), applied, "the second run changed something");

    vm.reboot().unwrap();
    from_laptop(&vm, "root", &["--dry-run", SERVER]).exits(0).says("running as root").says("OK: this host");
    let document = script().with_file_name("../specs/testnet-deployment-requirements.cspec");
    let document = document.to_str().unwrap();
    from_laptop(&vm, "root", &["--spec", document, SERVER])
        .exits(0)
        .says("nothing to do")
        .says("OK: this host");
    ok(&vm, "grep -q MemoryLow /etc/systemd/system/adnet.service.d/50-oomguard.conf");
    assert_eq!(strays(&vm), "");
}

#[test]
fn script_sets_up_a_server_locally() {
    let vm = boot(&HostSpec::new(Release::Trixie));
    vm.push(&script(), "/root/setup-testnet-server.sh", 0o755).unwrap();
    vm.push(&script().with_file_name("../specs/deployment.cspec"), "/root/deployment.cspec", 0o600).unwrap();
    let before = everything(&vm);
    run(&vm, "sh /root/setup-testnet-server.sh --local --role ci --dry-run").exits(2).says("Step 10");
    assert_eq!(everything(&vm), before, "a dry run changed something");

    // A refused policy is not applied in part.
    ok(
        &vm,
        "mkdir -m 0777 /srv/open; printf 'memory_config:\\n  swap: {size: 64MB, file: /srv/open/swapfile}\\n' >/root/bad.cspec",
    );
    run(&vm, "sh /root/setup-testnet-server.sh --local --spec /root/bad.cspec").exits(1).says("/srv/open");
    ok(&vm, "rm /root/bad.cspec; rmdir /srv/open");
    assert_eq!(everything(&vm), before, "what was refused changed something");

    // Interrupted: the same command continues.
    let setup = "sh /root/setup-testnet-server.sh --local --role ci";
    ok(&vm, "chattr +i /etc/fstab");
    run(&vm, setup).exits(1).says("error: step ").says("steps 6 to 8 are not finished");
    ok(&vm, "chattr -i /etc/fstab");
    let said = run(&vm, setup).exits(0).says("was interrupted; this one finishes it").text;
    steps_in_order(&said);
    let said =
        run(&vm, "sh /root/setup-testnet-server.sh --local --spec /root/deployment.cspec --role validator")
            .text;
    assert!(said.contains("adnet.service.d/50-oomguard.conf") && said.contains("OK: this host"), "{said}");
    run(&vm, "oomguard check --spec /root/deployment.cspec --role validator").exits(0);
}

#[test]
fn command_sets_up_a_fresh_server() {
    let vm = boot(&HostSpec::new(Release::Bookworm));
    ok(&vm, "rm /usr/local/bin/oomguard /usr/local/bin/oomguard-agent");
    let before = (etc(&vm), ok(&vm, "cat /proc/swaps /proc/sys/vm/swappiness; ls -A /usr/local/bin"));
    let now = |vm: &Vm| (etc(vm), ok(vm, "cat /proc/swaps /proc/sys/vm/swappiness; ls -A /usr/local/bin"));

    let said = command(&vm, "op", &[SERVER, "--dry-run"]).exits(2).says("Dry run: nothing is changed").text;
    steps_in_order(&said);
    assert!(under(&said, "Step 1").contains("running as root"), "{said}");
    assert!(under(&said, "Step 4").contains("would install oomguard "), "{said}");
    assert!(under(&said, "Step 6").contains("create the swap file /swapfile of"), "{said}");
    assert!(under(&said, "Step 6").contains("write vm.swappiness: 60 -> 10"), "{said}");
    assert!(under(&said, "Step 7").contains("deltaos-validator.service.d/50-oomguard.conf"), "{said}");
    assert!(under(&said, "Step 8").contains("systemctl restart oomguard-agent.service"), "{said}");
    assert!(under(&said, "Step 9").contains("would check the host"), "{said}");
    assert!(under(&said, "Step 10").contains("Swap:"), "{said}");
    assert_eq!(now(&vm), before, "a dry run changed something");

    // Without rights only a dry run works.
    let said = command(&vm, "dev", &[SERVER, "--yes"]).exits(3).says("user dev is not root").text;
    assert!(!said.contains("Step "), "{said}");
    command(&vm, "dev", &[SERVER, "--dry-run"]).exits(2).says("a real run would stop here");
    command(&vm, "op", &[SERVER]).exits(64).says("use --yes");
    // A refused policy is not applied in part, and the program is not installed.
    let bad = Path::new(env!("CARGO_TARGET_TMPDIR")).join("setup-bad.cspec");
    std::fs::write(&bad, "memory_config:\n  swap: {size: 64MB, file: /srv/open/swapfile}\n").unwrap();
    ok(&vm, "mkdir -m 0777 /srv/open");
    command(&vm, "op", &[SERVER, "--yes", "--spec", bad.to_str().unwrap()]).exits(3).says("/srv/open");
    ok(&vm, "rmdir /srv/open");
    std::fs::remove_file(&bad).unwrap();
    assert_eq!(now(&vm), before, "what was refused changed something");

    // Interrupted while the program was written, then a failing step: the same command continues.
    ok(&vm, "echo half >/usr/local/bin/.oomguard.oomguard-new; chattr +i /etc/fstab");
    let said = command(&vm, "op", &[SERVER, "--yes"]).exits(3).says(": Step 6 [ 1/").text;
    assert!(
        said.contains("  Step 4 installed oomguard ") && said.contains(" as /usr/local/bin/oomguard"),
        "{said}"
    );
    assert!(said.contains("/etc/fstab") && !said.contains("Step 9"), "{said}");
    ok(
        &vm,
        "chattr -i /etc/fstab; cmp /usr/local/bin/oomguard-agent /usr/local/lib/oomguard/oomguard-agent-*",
    );
    let same = "for p in /usr/local/lib/oomguard/oomguard-*; do case $p in *-agent-*) ;; *) cmp $p /usr/local/bin/oomguard; esac; done";
    ok(&vm, same);
    let said =
        command(&vm, "op", &[SERVER, "--yes"]).exits(0).says("was interrupted; this one finishes it").text;
    steps_in_order(&said);
    assert!(said.contains("\n  Step 4 /usr/local/bin/oomguard is up to date\n"), "{said}");
    assert!(said.contains("Step 8 [") && said.contains("start the agent"), "{said}");
    assert!(under(&said, "Step 9").contains("OK: this host matches the policy."), "{said}");
    let status = under(&said, "Step 10");
    assert!(status.contains("/swapfile") && status.contains("Swap:"), "{said}");
    ok(
        &vm,
        "stat -c '%a %U' /usr/local/bin/oomguard | grep -x '755 root'; systemctl is-active oomguard-agent; oomguard --version",
    );

    let inodes = "stat -c '%n %Y %i' $(find /etc -name '*oomguard*' -type f) /etc/fstab /swapfile /usr/local/bin/oomguard";
    let applied = (now(&vm), ok(&vm, inodes));
    let said = command(&vm, "root", &[SERVER, "--yes"]).exits(0).text;
    steps_in_order(&said);
    for step in ["Step 6", "Step 7", "Step 8"] {
        assert!(under(&said, step).contains("nothing to do"), "{step}: {said}");
    }
    assert!(under(&said, "Step 4").contains("is up to date"), "{said}");
    assert!(under(&said, "Step 5").contains("nothing to change"), "{said}");
    assert!(under(&said, "Step 10").contains("/swapfile"), "{said}");
    assert_eq!((now(&vm), ok(&vm, inodes)), applied, "the second run changed something");
    from_laptop(&vm, "root", &[SERVER]).exits(0).says("is up to date").says("Nothing to change.");
    assert_eq!(strays(&vm), "");
}
