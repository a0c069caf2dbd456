//! Hundreds of hosts on loopback addresses: an sshd each, a folder for a root each, and a slow network before them.
//!
//! It runs in namespaces of its own (see `fleet`): the network has no other interface than `lo`, what is mounted is seen
//! here alone, and all processes end with the first one.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::delay::Network;
use super::sshd::Sshd;

/// A tmpfs that disappears with the namespace.
const DIR: &str = "/mnt";
/// The disk of a host whose disk is to be full: smaller than the program.
const SMALL_DISK: &str = "size=256k,mode=777";
/// The login user, who exists only in this namespace.
const USER: u32 = 1000;
const PASSWD: &str = "root:x:0:0::/root:/bin/sh\ndev:x:1000:1000::/:/bin/sh\n";
/// The port of the delaying proxy, and of the servers behind it.
const PORT: u16 = 2200;
const BEHIND: u16 = 2201;

/// The login command: runs the shell line with the host's own folders for /usr/local/lib/oomguard and `--root`. It starts
/// no more programs than a plain `true`.
const LOGIN: &str = r#"#!/bin/sh
H=$1 c=$SSH_ORIGINAL_COMMAND
case $c in *"/usr/local/lib/oomguard"*)
  c=${c%%"/usr/local/lib/oomguard"*}$H/lib${c#*"/usr/local/lib/oomguard"}
  c=${c%"remote \"\$@\"'"}"remote --root $H/root \"\$@\"'"
esac
PATH=$H/bin:/usr/bin:/bin HOME=$H
export PATH HOME
if [ -e $H/cut ]; then
  sh -c "$c" | { IFS= read -r first; printf '%s\n' "$first"; sleep 2; kill -9 $PPID; }
  exit
fi
exec sh -c "$c"
"#;
/// `sudo -n PROGRAM` where it is allowed and where it is not. Neither changes the user.
const SUDO: &str = "#!/bin/sh\nshift\nexec \"$@\"\n";
const NO_SUDO: &str = "#!/bin/sh\necho 'sudo: a password is required' >&2\nexit 1\n";

/// The policy of all hosts, and the files of a host that matches it.
const POLICY: &str = "role: bench\nmemory_config:\n  swappiness: 10\n";
const HOST: [(&str, &str); 13] = [
    ("etc/sysctl.d/60-swap.conf", "vm.swappiness = 10\n"),
    (
        "proc/meminfo",
        "MemTotal: 4194304 kB\nMemFree: 3000000 kB\nMemAvailable: 3500000 kB\nBuffers: 0 kB\nCached: 0 kB\nSwapCached: 0 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n",
    ),
    ("proc/swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"),
    ("proc/cmdline", "root=/dev/vda rw\n"),
    ("proc/sys/kernel/osrelease", "6.1.0-18-cloud-amd64\n"),
    ("proc/sys/kernel/random/boot_id", "5d0f7a2c-0000-4000-8000-000000000001\n"),
    ("proc/sys/vm/swappiness", "10\n"),
    (
        "proc/pressure/memory",
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
    ),
    (
        "proc/self/mountinfo",
        "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n30 22 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
    ),
    ("etc/machine-id", "0123456789abcdef0123456789abcdef\n"),
    ("etc/fstab", "/dev/vda / ext4 errors=remount-ro 0 1\n"),
    ("usr/lib/systemd/libsystemd-shared-252.so", ""),
    ("run/systemd/system/.keep", ""),
];

/// A fault of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// The host is off.
    Off,
    /// Its host key differs from the known one.
    Key,
    /// Its disk is full.
    Full,
    /// The user may not use sudo.
    NoSudo,
    /// The connection ends in the middle of the answer.
    Cut,
}

impl Wrong {
    /// All faults.
    pub const ALL: [Self; 5] = [Self::Off, Self::Key, Self::Full, Self::NoSudo, Self::Cut];

    /// The failure that `oomguard` must report.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::Off => "unreachable",
            Self::Key => "host-key-changed",
            Self::Full => "disk-full",
            Self::NoSudo => "no-sudo",
            Self::Cut => "connection-lost",
        }
    }
}

/// The running hosts.
pub struct Scene {
    servers: Vec<Child>,
    sshd: Sshd,
    network: Option<Network>,
    /// The addresses of the hosts.
    pub addresses: Vec<IpAddr>,
}

impl Scene {
    /// Creates the folder of the scene.
    ///
    /// # Errors
    /// When it cannot be mounted.
    pub fn create_folder() -> Result<()> {
        mount("size=600m,mode=755", DIR)
    }

    /// Starts hosts without faults.
    ///
    /// # Errors
    /// When something cannot be mounted, written or started.
    pub fn start(sshd: &Sshd, hosts: usize, delay: Duration) -> Result<Self> {
        run(Command::new("ip").args(["link", "set", "lo", "up"]))?;
        write("passwd", PASSWD, 0o644)?;
        run(Command::new("mount").args(["--bind", &path("passwd"), "/etc/passwd"]))?;
        fs::create_dir(path("small"))?;
        mount(SMALL_DISK, &path("small"))?;
        write("login", LOGIN, 0o755)?;
        write("sudo", SUDO, 0o755)?;
        write("no-sudo", NO_SUDO, 0o755)?;
        write("policy.cspec", POLICY, 0o644)?;
        for (key, of) in [("login_key", 0), ("host_key", USER), ("other_key", USER)] {
            run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f", &path(key)]))?;
            chown(path(key), Some(of), None)?;
        }
        let public = |key: &str| fs::read_to_string(path(key)).map(|text| text.trim().to_owned());
        write("authorized", &public("login_key.pub")?, 0o644)?;
        write("known_hosts", &format!("[127.0.*]:{PORT} {}\n", public("host_key.pub")?), 0o644)?;
        write(
            "ssh_config",
            &format!(
                "Host *\n  Port {PORT}\n  User dev\n  IdentityFile {}\n  IdentitiesOnly yes\n  UserKnownHostsFile {}\n  \
                 GlobalKnownHostsFile none\n  StrictHostKeyChecking yes\n",
                path("login_key"),
                path("known_hosts")
            ),
            0o644,
        )?;
        write(
            "sshd_config",
            &format!(
                "HostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nPidFile none\nPasswordAuthentication no\n\
                 KbdInteractiveAuthentication no\nUseDNS no\nLogLevel ERROR\n",
                path("host_key"),
                path("authorized")
            ),
            0o644,
        )?;
        let address = |number: usize| {
            let low = |number: usize| u8::try_from(number % 250 + 1).unwrap_or(1);
            IpAddr::V4(Ipv4Addr::new(127, 0, low(number / 250), low(number)))
        };
        let addresses: Vec<IpAddr> = (0..hosts).map(address).collect();
        let list: String = addresses.iter().map(|address| format!("{address}\n")).collect();
        write("hosts", &list, 0o644)?;
        let mut scene = Self { servers: Vec::new(), sshd: sshd.clone(), network: None, addresses };
        for at in 0..hosts {
            scene.prepare(at)?;
            let server = scene.serve(at, "host_key")?;
            scene.servers.push(server);
        }
        for address in &scene.addresses {
            wait_for(*address)?;
        }
        scene.network = Some(Network::start(&scene.addresses, PORT, BEHIND, delay)?);
        Ok(scene)
    }

    fn folder(at: usize) -> PathBuf {
        Path::new(DIR).join("host").join(at.to_string())
    }

    /// Creates the folders of a host.
    fn prepare(&self, at: usize) -> Result<()> {
        let folder = Self::folder(at);
        for (name, text) in HOST {
            let file = folder.join("root").join(name);
            let parent = file.parent().context("a file without a folder")?;
            fs::create_dir_all(parent)?;
            fs::write(&file, text)?;
        }
        fs::write(folder.join("root/proc/sys/kernel/hostname"), format!("h{at}\n"))?;
        fs::create_dir_all(folder.join("bin"))?;
        fs::create_dir_all(folder.join("lib"))?;
        fs::hard_link(path("sudo"), folder.join("bin/sudo"))?;
        chown(folder.join("lib"), Some(USER), None)?;
        Ok(())
    }

    fn serve(&self, at: usize, key: &str) -> Result<Child> {
        let address = self.addresses.get(at).context("no such host")?;
        let mut server = Command::new(&self.sshd.program);
        server.args(["-D", "-e", "-f", &path("sshd_config")]);
        server.arg("-o").arg(format!("HostKey={}", path(key)));
        server.arg("-o").arg(format!("ListenAddress={address}:{BEHIND}"));
        server.arg("-o").arg(format!("ForceCommand=exec {} {}", path("login"), Self::folder(at).display()));
        if !self.sshd.libraries.is_empty() {
            server.env("LD_LIBRARY_PATH", &self.sshd.libraries);
        }
        let log = fs::OpenOptions::new().create(true).append(true).open(path("sshd.log"))?;
        server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).uid(USER).gid(USER);
        server.spawn().with_context(|| format!("cannot start {}", self.sshd.program.display()))
    }

    /// Links the programs that were pushed to host `at` to all other hosts.
    ///
    /// # Errors
    /// When it was not pushed.
    pub fn spread_program(&self, at: usize) -> Result<()> {
        let pushed = fs::read_dir(Self::folder(at).join("lib"))?.collect::<Result<Vec<_>, _>>()?;
        ensure!(!pushed.is_empty(), "no program was pushed");
        for other in (0..self.addresses.len()).filter(|other| *other != at) {
            for file in &pushed {
                fs::hard_link(file.path(), Self::folder(other).join("lib").join(file.file_name()))?;
            }
        }
        Ok(())
    }

    /// Gives a host a fault.
    ///
    /// # Errors
    /// When something cannot be written or started.
    pub fn spoil(&mut self, at: usize, wrong: Wrong) -> Result<()> {
        let folder = Self::folder(at);
        match wrong {
            Wrong::Off => {
                let address = *self.addresses.get(at).context("no such host")?;
                self.stop(at)?;
                self.network.as_mut().context("no network")?.remove(address);
                let end = Instant::now() + Duration::from_secs(60);
                while std::net::TcpStream::connect((address, PORT)).is_ok() {
                    ensure!(Instant::now() < end, "{address} still accepts connections");
                    std::thread::sleep(Duration::from_millis(5));
                }
                Ok(())
            }
            Wrong::Key => {
                self.stop(at)?;
                let server = self.serve(at, "other_key")?;
                *self.servers.get_mut(at).context("no such host")? = server;
                wait_for(*self.addresses.get(at).context("no such host")?)
            }
            Wrong::Full => {
                let small = Path::new(DIR).join("small").join(at.to_string());
                fs::create_dir(&small)?;
                chown(&small, Some(USER), None)?;
                fs::remove_dir_all(folder.join("lib"))?;
                Ok(std::os::unix::fs::symlink(small, folder.join("lib"))?)
            }
            Wrong::NoSudo => {
                fs::remove_file(folder.join("bin/sudo"))?;
                Ok(fs::hard_link(path("no-sudo"), folder.join("bin/sudo"))?)
            }
            Wrong::Cut => Ok(fs::write(folder.join("cut"), "")?),
        }
    }

    fn stop(&mut self, at: usize) -> Result<()> {
        let server = self.servers.get_mut(at).context("no such host")?;
        server.kill()?;
        server.wait()?;
        Ok(())
    }
}

/// A path in the scene's folder.
#[must_use]
pub fn path(name: &str) -> String {
    format!("{DIR}/{name}")
}

fn write(name: &str, text: &str, mode: u32) -> Result<()> {
    fs::write(path(name), text).with_context(|| format!("cannot write {name}"))?;
    Ok(fs::set_permissions(path(name), fs::Permissions::from_mode(mode))?)
}

fn mount(options: &str, at: &str) -> Result<()> {
    run(Command::new("mount").args(["-t", "tmpfs", "-o", options, "none", at]))
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot run {command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}

fn wait_for(address: IpAddr) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(60);
    while std::net::TcpStream::connect((address, BEHIND)).is_err() {
        if Instant::now() > end {
            let log = fs::read_to_string(path("sshd.log")).unwrap_or_default();
            bail!("the sshd of {address} does not answer: {log}");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}
