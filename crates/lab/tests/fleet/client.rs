//! The client of a fleet: a folder with an ssh configuration, known hosts and an inventory.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use oomguard_lab::Vm;

/// Where a name leads: a host's port, key and user.
#[derive(Clone)]
pub struct Way {
    port: u16,
    key: PathBuf,
    pub user: &'static str,
    host_key: String,
}

impl Way {
    pub fn to(vm: &Vm, user: &'static str) -> Self {
        let key = vm.run("cat /etc/ssh/ssh_host_ed25519_key.pub").unwrap().stdout;
        let words: Vec<&str> = key.split_whitespace().take(2).collect();
        Self { port: vm.ssh_port(), key: vm.key().to_owned(), user, host_key: words.join(" ") }
    }

    /// To a closed port.
    pub fn nowhere() -> Self {
        Self { port: 9, key: PathBuf::from("/dev/null"), user: "root", host_key: String::new() }
    }

    /// The same with the known key of another host.
    pub fn known_wrongly(&self, client: &Client) -> Self {
        let other = client.dir.join("other");
        let made =
            Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&other).status();
        assert!(made.unwrap().success());
        let host_key = fs::read_to_string(other.with_extension("pub")).unwrap().trim().to_owned();
        Self { host_key, ..self.clone() }
    }
}

pub struct Client {
    pub dir: PathBuf,
    binary: PathBuf,
}

pub struct Said {
    code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}\n{}", self.out, self.err);
        self
    }

    #[track_caller]
    pub fn says(self, part: &str) -> Self {
        // A table breaks its lines.
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words(&self.out).contains(part), "{part:?} is not in\n{}\n{}", self.out, self.err);
        self
    }
}

impl Client {
    pub fn new() -> Self {
        let binary = std::env::var_os("OOMGUARD_BIN").map(PathBuf::from);
        let binary = binary.expect("OOMGUARD_BIN must name the static binary; `cargo xtask test` sets it");
        let dir = super::common::cache().join(format!("fleet-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        Self { dir, binary }
    }

    /// Changes where the names lead.
    pub fn leads(&self, ways: &[(&str, &Way)]) {
        let (mut config, mut known) = (String::new(), String::new());
        for (name, way) in ways {
            config.push_str(&format!(
                "Host {name}\n  HostName 127.0.0.1\n  Port {}\n  User {}\n  IdentityFile {}\n  IdentitiesOnly yes\n  \
                 UserKnownHostsFile {}\n  HostKeyAlias {name}\n",
                way.port,
                way.user,
                way.key.display(),
                self.dir.join("known_hosts").display()
            ));
            if !way.host_key.is_empty() {
                known.push_str(&format!("{name} {}\n", way.host_key));
            }
        }
        fs::write(self.dir.join("config"), config).unwrap();
        fs::write(self.dir.join("known_hosts"), known).unwrap();
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(args).current_dir(&self.dir).arg("--runs").arg(self.dir.join("runs"));
        if args[0] != "record" && args[1] != "runs" && args[1] != "show" {
            command.args(["--ssh-config", "config"]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn run(&self, args: &[&str]) -> Said {
        said(self.command(args).spawn().unwrap())
    }

    pub fn last_run(&self) -> String {
        let runs = self.run(&["fleet", "runs"]).out;
        runs.lines().last().unwrap().split_whitespace().next().unwrap().to_owned()
    }

    /// What `fleet show` says of each host of a run, in the inventory's order: the kind of its failure, or "done".
    pub fn outcomes(&self, run: &str) -> Vec<String> {
        let shown = self.run(&["fleet", "show", run, "--format", "json"]).out;
        let report: serde_json::Value = serde_json::from_str(&shown).expect("a report");
        let kind = |host: &serde_json::Value| {
            host["outcome"]["failure"]["kind"].as_str().unwrap_or("done").to_owned()
        };
        report["hosts"].as_array().expect("hosts").iter().map(kind).collect()
    }
}

pub fn said(child: Child) -> Said {
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said { code: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}
