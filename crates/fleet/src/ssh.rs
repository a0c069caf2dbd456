//! The command line of the system's own ssh. The user's configuration, agent, known_hosts and jump hosts apply.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tempfile::TempDir;
use tokio::process::Command;

use crate::inventory::Target;

/// Variables that ssh itself needs: its agent, its files, and the programs of `ProxyCommand`. What is not here does not
/// reach ssh, and so cannot leave the machine by `SendEnv`, which Debian's own configuration asks for.
const VARIABLES: [&str; 7] =
    ["HOME", "KRB5CCNAME", "LOGNAME", "PATH", "SSH_AUTH_SOCK", "USER", "XDG_RUNTIME_DIR"];

/// Said on every command line, before what the configuration says. None of it touches the checking of host keys.
const OPTIONS: [&str; 10] = [
    "BatchMode=yes",
    "ConnectTimeout=15",
    "ServerAliveInterval=15",
    "ServerAliveCountMax=4",
    "ForwardAgent=no",
    "ForwardX11=no",
    "ClearAllForwardings=yes",
    "PermitLocalCommand=no",
    "RequestTTY=no",
    "RemoteCommand=none",
];

/// How one connection is to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// As the user's configuration says; nothing stays behind.
    Single,
    /// The first one is kept for a while, and the next ones to the same host use it.
    Kept,
    /// A new one, whatever is kept: it proves that the host still lets somebody in.
    Fresh,
}

/// The ssh of this machine.
#[derive(Debug)]
pub struct Ssh {
    program: OsString,
    config: Option<PathBuf>,
    variables: Vec<(String, OsString)>,
    /// Where kept connections have their sockets; removed at the end.
    sockets: TempDir,
}

impl Ssh {
    /// Prepares a private folder for kept connections under `temporary`. Of `variables`, the caller's environment, only
    /// those are passed on that ssh itself needs.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn new(
        program: impl Into<OsString>,
        config: Option<PathBuf>,
        temporary: &Path,
        variables: impl Iterator<Item = (OsString, OsString)>,
    ) -> io::Result<Self> {
        // Short: a socket's path has 107 bytes at most (unix(7)), and ssh adds 58 to it for a moment.
        let sockets = tempfile::Builder::new()
            .prefix("oomg-")
            .permissions(std::fs::Permissions::from_mode(0o700))
            .tempdir_in(temporary)?;
        let passed = |(name, value): (OsString, OsString)| {
            let name = name.into_string().ok()?;
            VARIABLES.contains(&name.as_str()).then_some((name, value))
        };
        Ok(Self {
            program: program.into(),
            config,
            variables: variables.filter_map(passed).collect(),
            sockets,
        })
    }

    /// A command that runs a line of shell on a host.
    #[must_use]
    pub fn command(&self, target: &Target, connection: Connection, line: &str) -> Command {
        let mut command = self.base(target, connection);
        command.arg("--").arg(target.destination()).arg(line);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// A command that prints the configuration that applies to a host, and connects to nobody (ssh(1), -G).
    #[must_use]
    pub fn configuration(&self, target: &Target) -> Command {
        let mut command = self.base(target, Connection::Single);
        command.args(["-G", "--"]).arg(target.destination());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        command
    }

    /// A command that ends the kept connection to a host.
    #[must_use]
    pub fn end(&self, target: &Target) -> Command {
        let mut command = self.base(target, Connection::Kept);
        command.args(["-O", "exit", "--"]).arg(target.destination());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn base(&self, target: &Target, connection: Connection) -> Command {
        let mut command = Command::new(&self.program);
        command.env_clear().envs(self.variables.iter().map(|(name, value)| (name, value)));
        // Failures are told apart by ssh's words.
        command.env("LC_ALL", "C");
        // Ctrl-C is for oomguard, which lets the hosts in hand be finished.
        command.process_group(0).kill_on_drop(true);
        if let Some(config) = &self.config {
            command.arg("-F").arg(config);
        }
        for option in OPTIONS {
            command.args(["-o", option]);
        }
        let mut control = |master: &str, path: &OsStr| {
            let mut path_option = OsString::from("ControlPath=");
            path_option.push(path);
            command.args(["-o", &format!("ControlMaster={master}")]).arg("-o").arg(path_option);
        };
        match connection {
            Connection::Single => {}
            Connection::Kept => {
                control("auto", self.sockets.path().join("%C").as_os_str());
                command.args(["-o", "ControlPersist=60"]);
            }
            Connection::Fresh => control("no", OsStr::new("none")),
        }
        if let Some(port) = target.port {
            command.args(["-p", &port.to_string()]);
        }
        command
    }
}

/// Whether a configuration, as `ssh -G` prints it, takes every new host key: `no` and `off`, which it prints as `false`.
#[must_use]
pub fn waives_host_keys(configuration: &[u8]) -> bool {
    let text = String::from_utf8_lossy(configuration);
    text.lines().any(|line| {
        let mut words = line.split_whitespace();
        words.next().is_some_and(|key| key.eq_ignore_ascii_case("stricthostkeychecking"))
            && words.next().is_some_and(|value| ["false", "no", "off"].contains(&value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_openssh_prints_of_a_configuration() {
        let with = |value: &str| format!("user root\nstricthostkeychecking {value}\nport 22\n");
        for (value, waived) in [("false", true), ("no", true), ("off", true), ("true", false), ("ask", false)]
        {
            assert_eq!(waives_host_keys(with(value).as_bytes()), waived, "{value}");
        }
        assert!(!waives_host_keys(with("accept-new").as_bytes()) && !waives_host_keys(b""));
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = waives_host_keys(&bytes);
        }
    }

    fn words(command: &Command) -> Vec<String> {
        let command = command.as_std();
        command.get_args().map(|word| word.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn the_command_line_leaves_host_keys_alone_and_passes_no_secret() {
        let secret = (OsString::from("TOKEN"), OsString::from("x"));
        let agent = (OsString::from("SSH_AUTH_SOCK"), OsString::from("/a"));
        let locale = (OsString::from("LC_NAME"), OsString::from("x"));
        let ssh = Ssh::new("ssh", None, &std::env::temp_dir(), [secret, agent, locale].into_iter()).unwrap();
        let target = Target::new("root@[::1]".parse().unwrap(), Some(2222));
        for connection in [Connection::Single, Connection::Kept, Connection::Fresh] {
            let command = ssh.command(&target, connection, "true");
            let words = words(&command);
            assert_eq!(words[words.len() - 3..], ["--", "root@::1", "true"]);
            assert!(!words.iter().any(|word| word.contains("StrictHostKey") || word.contains("KnownHosts")));
            assert!(words.contains(&"BatchMode=yes".to_owned()) && words.contains(&"2222".to_owned()));
            let names: Vec<_> = command.as_std().get_envs().filter(|(_, value)| value.is_some()).collect();
            assert_eq!(names.len(), 2, "{names:?}");
        }
        let mode = std::fs::metadata(ssh.sockets.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        assert!(ssh.sockets.path().as_os_str().len() + 58 < 107);
    }
}
