//! Tests of the lab.

#![allow(clippy::panic, clippy::print_stdout, clippy::unwrap_used, reason = "a test")]

mod common;

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use oomguard_lab::{Fs, HostSpec, MAX_HOSTS, Release, Result};

fn timed<T>(what: &str, f: impl FnOnce() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    let value = f()?;
    println!("{what}: {:.1} s", start.elapsed().as_secs_f64());
    Ok(value)
}

fn boots(release: Release) -> Result<()> {
    let lab = common::lab();
    timed(&format!("{release}: image"), || lab.image(release))?;
    let mut host = timed(&format!("{release}: boot"), || lab.boot(&HostSpec::new(release)))?;
    let version = host.ok("cat /etc/debian_version")?;
    assert!(version.starts_with(&release.number().to_string()), "{version}");
    assert_eq!(host.ok("systemctl --failed --no-legend")?, "");
    assert_eq!(host.ok("cat /proc/swaps | wc -l")?.trim(), "1");
    assert_eq!(host.ok("stat -fc %T /sys/fs/cgroup")?.trim(), "cgroup2fs");

    let failed = host.run("echo out; echo err >&2; exit 3")?;
    assert_eq!((failed.status, &*failed.stdout, &*failed.stderr), (3, "out\n", "err\n"));
    let error = host.ok("echo out; exit 3").map_err(|e| e.to_string());
    assert!(error.is_err_and(|e| e.contains("status 3") && e.contains("out")));

    let bytes: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    host.write("/srv/a b/c", &bytes)?;
    assert_eq!(host.read("/srv/a b/c")?, bytes);

    // A user with a login session, a user manager and a tmux server.
    let login = host.login("dev")?;
    assert_eq!(host.ok("systemctl is-active user@1000.service")?.trim(), "active");
    host.ok_as("dev", "systemctl --user is-system-running --wait")?;
    host.ok_as("dev", "systemd-run --user --scope --quiet tmux new-session -d -s work")?;
    assert!(host.ok("pgrep -u dev -a tmux")?.contains("work"));
    assert_eq!(host.ok_as("op", "sudo id -u")?.trim(), "0");
    login.logout();

    let before = host.boot_id()?;
    timed(&format!("{release}: reboot"), || host.reboot())?;
    assert_ne!(host.boot_id()?, before);
    assert!(host.console().contains("Linux version"));
    timed(&format!("{release}: shutdown"), || host.shutdown())
}

#[test]
fn bookworm_boots() -> Result<()> {
    boots(Release::Bookworm)
}

#[test]
fn bullseye_boots() -> Result<()> {
    boots(Release::Bullseye)
}

#[test]
fn trixie_boots() -> Result<()> {
    boots(Release::Trixie)
}

#[test]
fn power_cut_loses_unwritten_data() -> Result<()> {
    let spec =
        HostSpec::new(Release::Bookworm).disk(Fs::Xfs, 8, "/data").disk(Fs::Btrfs, 4, "/var/lib/chain-data");
    let mut host = common::lab().boot(&spec)?;
    assert_eq!(host.ok("stat -fc %T /data /var/lib/chain-data")?, "xfs\nbtrfs\n");
    assert!(!host.ok("cat /etc/fstab")?.contains("/data"));
    host.ok("for d in /root /data /var/lib/chain-data; do echo kept > $d/kept; done; sync")?;
    // Less than five seconds, so that nothing has been written back.
    host.ok("for d in /root /data /var/lib/chain-data; do echo lost > $d/lost; done")?;
    host.power_cut();
    assert!(!host.is_on());
    timed("power on", || host.power_on())?;
    for directory in ["/root", "/data", "/var/lib/chain-data"] {
        assert_eq!(host.read(&format!("{directory}/kept"))?, b"kept\n");
        let lost = host.ok(&format!("cat {directory}/lost 2>/dev/null || true"))?;
        assert_eq!(lost, "", "{directory}");
    }
    assert_eq!(host.ok("stat -fc %T /data /var/lib/chain-data")?, "xfs\nbtrfs\n");
    Ok(())
}

#[test]
fn snapshot_restores_memory_and_disks() -> Result<()> {
    let mut host = common::lab().boot(&HostSpec::new(Release::Bookworm))?;
    host.ok("fallocate -l 64M /swap && chmod 600 /swap && mkswap -q /swap && swapon /swap")?;
    host.ok("echo then > /run/state; echo then > /root/state; nohup sleep 1000 >/dev/null 2>&1 &")?;
    let boot = host.boot_id()?;
    timed("save", || host.save("then"))?;
    host.ok("swapoff -a; echo now > /run/state; echo now > /root/state; pkill sleep; sync")?;
    timed("load", || host.load("then"))?;
    assert_eq!(host.ok("cat /run/state /root/state")?, "then\nthen\n");
    assert_eq!(host.boot_id()?, boot);
    assert!(host.ok("cat /proc/swaps")?.contains("/swap"));
    host.ok("pgrep sleep; sync")?;

    host.power_cut();
    timed("load when off", || host.load("then"))?;
    assert_eq!(host.boot_id()?, boot);
    host.ok("echo after > /root/state; sync")?;
    host.power_cut();
    host.power_on()?;
    assert_ne!(host.boot_id()?, boot);
    assert_eq!(host.read("/root/state")?, b"after\n");
    Ok(())
}

#[test]
fn kernel_panic_is_detected_immediately() {
    // The first program exits at once, so the kernel panics.
    let spec = HostSpec::new(Release::Bookworm).kernel_arg("init=/bin/false");
    let error = common::lab().boot(&spec).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("kernel panicked") && error.contains("Attempted to kill init"), "{error}");
}

#[test]
fn session_runs_in_the_background() -> Result<()> {
    let spec = HostSpec::new(Release::Bookworm).root_gib(4).memory_mib(768);
    let host = timed("boot with a root disk of 4 GiB", || common::lab().boot(&spec))?;
    let size: u64 = host.ok("df -B1 --output=size / | tail -1")?.trim().parse().unwrap();
    assert!((3 << 30..4 << 30).contains(&size), "{size}");
    let limit = Duration::from_secs(20);
    let mut session = host.spawn("while read x; do echo \"got $x\"; done; exit 7")?;
    session.send_line("one")?;
    assert_eq!(session.read_line(limit)?, "got one");
    let copy = std::env::temp_dir().join(format!("oomguard-lab-{}", std::process::id()));
    host.pull("/etc/hostname", &copy)?;
    assert_eq!(std::fs::read(&copy).unwrap(), b"lab\n");
    std::fs::remove_file(&copy).unwrap();
    session.send_line("two")?;
    assert_eq!(session.read_line(limit)?, "got two");
    assert!(session.read_line(Duration::from_millis(50)).is_err());
    session.close_input();
    assert_eq!(session.wait(limit), Some(7));
    Ok(())
}

#[test]
fn oom_kill_prints_its_process_list_on_the_console() -> Result<()> {
    let host = common::lab().boot(&HostSpec::new(Release::Bookworm).memory_mib(512))?;
    host.ok("systemd-run -q --unit eater python3 -c 'x = []\nwhile True: x.append(bytearray(8 << 20))'")?;
    host.ok("until dmesg | grep -q 'Killed process'; do sleep 0.5; done; sleep 1")?;
    let console = host.console();
    for part in ["invoked oom-killer", "oom_score_adj name", "Out of memory: Killed process"] {
        assert!(console.contains(part), "{part:?} is not on the console:\n{console}");
    }
    // Its lines are `[ 12.345678] [    271]     0   271 ...`.
    let listed = console.lines().filter(|line| line.contains("] [ ") && line.ends_with("python3")).count();
    assert!(listed > 0, "the eater is not listed:\n{console}");
    Ok(())
}

#[test]
fn kept_host_runs_until_it_is_removed() -> Result<()> {
    let lab = common::lab();
    let name = format!("test{}", std::process::id());
    let up = lab.up(&name, &HostSpec::new(Release::Bookworm).disk(Fs::Xfs, 2, "/data"))?;
    assert!(lab.list()?.contains(&up));
    let ssh = lab.ssh_command(&up, "dev")?.args(["--", "id -un; stat -fc %T /data"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&ssh.stdout), "dev\nxfs\n");
    lab.down(&up)?;
    assert!(!up.runs() && !up.directory.exists() && !lab.list()?.contains(&up));
    Ok(())
}

#[test]
fn kept_host_that_does_not_boot_is_removed() {
    let lab = common::lab();
    let name = format!("bad{}", std::process::id());
    // A path that cannot be a mount point.
    let spec = HostSpec::new(Release::Bookworm).disk(Fs::Ext4, 1, "/etc/passwd/data");
    let error = lab.up(&name, &spec).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains(&name) && error.contains("mkfs.ext4"), "{error}");
    assert!(lab.list().unwrap().iter().all(|up| up.name != name));
    let mut left = std::fs::read_dir(lab_hosts()).unwrap().flatten();
    assert!(left.all(|entry| !entry.file_name().to_string_lossy().contains(&name)));
}

#[test]
fn too_many_hosts_are_refused_immediately() {
    let specs = vec![HostSpec::new(Release::Bookworm); usize::from(MAX_HOSTS) + 1];
    let error = common::lab().boot_all(&specs).map(|_| ()).unwrap_err().to_string();
    assert!(error.starts_with("4 hosts"), "{error}");
}

#[test]
fn hosts_of_a_killed_test_are_killed() -> Result<()> {
    const INNER: &str = "OOMGUARD_LAB_TEST_INNER";
    if std::env::var_os(INNER).is_some() {
        let host = common::lab().boot(&HostSpec::new(Release::Bookworm))?;
        println!("\nport {}", host.ssh_port());
        std::thread::sleep(Duration::from_secs(600));
        return Ok(());
    }
    let mut inner = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "hosts_of_a_killed_test_are_killed", "--nocapture"])
        .env(INNER, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(inner.stdout.take().unwrap()).lines().map_while(|line| line.ok());
    let port = lines.into_iter().find_map(|line| line.strip_prefix("port ")?.parse::<u16>().ok());
    let address = ("127.0.0.1", port.unwrap());
    assert!(TcpStream::connect(address).is_ok());
    inner.kill().unwrap();
    inner.wait().unwrap();
    let end = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(address).is_ok() {
        assert!(Instant::now() < end, "QEMU goes on");
        std::thread::sleep(Duration::from_millis(50));
    }
    // The next lab that is opened removes its disks.
    let _lab = common::lab();
    let mine = format!("{}-", inner.id());
    let mut left = std::fs::read_dir(lab_hosts()).unwrap().flatten();
    assert!(left.all(|entry| !entry.file_name().to_string_lossy().starts_with(&mine)));
    Ok(())
}

fn lab_hosts() -> PathBuf {
    common::cache().join("hosts")
}
