//! ssh to a host over one shared connection.

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Duration;

use crate::error::Result;
use crate::proc::{Captured, capture, spawn_tied};

/// The address and key of a host's sshd.
#[derive(Debug, Clone)]
pub(crate) struct Ssh {
    /// The host's directory: ssh runs in it, so that the control socket's path is short.
    pub(crate) directory: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) port: u16,
}

const CONTROL: &str = "ssh.ctl";

impl Ssh {
    /// An ssh command without the remote command. `shared` uses the shared connection.
    pub(crate) fn command(&self, user: &str, shared: bool) -> Command {
        let mut command = Command::new("ssh");
        command.current_dir(&self.directory).arg("-i").arg(&self.key);
        command.args(["-F", "none", "-q", "-p", &self.port.to_string()]);
        for option in [
            "BatchMode=yes",
            "IdentitiesOnly=yes",
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "GlobalKnownHostsFile=/dev/null",
            "KexAlgorithms=curve25519-sha256",
            "ConnectTimeout=30",
        ] {
            command.args(["-o", option]);
        }
        let path = if shared { CONTROL } else { "none" };
        command.args(["-o", &format!("ControlPath={path}")]);
        command.arg(format!("{user}@127.0.0.1"));
        command
    }

    /// Runs a command and waits for it.
    pub(crate) fn run(
        &self,
        user: &str,
        shared: bool,
        line: &str,
        input: &[u8],
        limit: Duration,
    ) -> Result<Captured> {
        capture(self.command(user, shared).args(["--", line]), input, limit)
    }

    /// Opens the shared connection.
    pub(crate) fn master(&self) -> Result<Child> {
        let _ = std::fs::remove_file(self.directory.join(CONTROL));
        let mut command = self.command("root", true);
        command.args(["-M", "-N"]);
        spawn_tied(&command)
    }

    /// Whether the shared connection is open.
    pub(crate) fn master_is_up(&self) -> bool {
        let mut command = self.command("root", true);
        command.args(["-O", "check"]);
        capture(&mut command, &[], Duration::from_secs(10))
            .is_ok_and(|done| done.status.is_some_and(|s| s.success()))
    }

    /// Whether sshd sends its greeting. QEMU accepts connections before sshd runs.
    pub(crate) fn greets(&self) -> bool {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let limit = Duration::from_secs(2);
        let Ok(mut stream) = TcpStream::connect_timeout(&address, limit) else {
            return false;
        };
        let mut greeting = [0; 4];
        stream.set_read_timeout(Some(limit)).is_ok()
            && stream.read_exact(&mut greeting).is_ok()
            && &greeting == b"SSH-"
    }
}

/// Quotes a word for the shell.
pub(crate) fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}
