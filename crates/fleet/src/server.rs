//! What a server must be before it is set up, and what it is: rights, system, room.

use oomguard_host::os_release::{self, OsRelease};
use oomguard_host::{Host, HostError};
use serde::Serialize;

use crate::installed_command::{self, InPlace};
use oomguard_converge::Facts;
use oomguard_converge::Refusal;

/// The first Debian that is tested.
const OLDEST_DEBIAN: u32 = 11;
/// The command, the agent's program, its copy and one that is being written, in bytes, with room to spare.
const ROOM: u64 = 64 << 20;

/// A server as it is before it is set up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Server {
    /// Whether oomguard may change it.
    pub may_change: bool,
    /// `debian`, as /etc/os-release has it.
    pub system: String,
    /// `12`; empty when the file says nothing.
    pub version: String,
    /// `6.1.0-18-cloud-amd64`
    pub kernel: String,
    /// Whether systemd runs it.
    pub systemd_runs: bool,
    /// In bytes.
    pub memory: u64,
    /// Free in bytes on the file system of /usr/local.
    pub free: u64,
    /// What is in the command's place.
    pub command: InPlace,
}

impl Server {
    /// Reads a host, the facts of which are read already.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(host: &Host, facts: &Facts) -> Result<Self, HostError> {
        let bytes = host.read_optional("/etc/os-release")?.unwrap_or_default();
        let OsRelease { id, version } = os_release::parse(&bytes);
        let mut places = Vec::new();
        for path in ["/usr/local/bin", "/usr/local"] {
            places.extend(host.lstat(path)?.map(|_| path));
        }
        let place = places.first().copied().unwrap_or("/");
        Ok(Self {
            may_change: host.may_change(),
            system: id,
            version,
            kernel: facts.kernel.clone(),
            systemd_runs: facts.agent.booted,
            memory: facts.memory.mem_total,
            free: host.disk_space(place)?.free,
            command: installed_command::in_place(host)?,
        })
    }

    /// Whether the command is to be installed.
    #[must_use]
    pub fn needs_command(&self) -> bool {
        self.command != InPlace::This
    }

    /// Why its system is none that is set up.
    #[must_use]
    pub fn system_refusal(&self) -> Option<Refusal> {
        let number = self.version.split('.').next().and_then(|number| number.parse::<u32>().ok());
        let elsewhere = "on other systems, use `oomguard apply --host`";
        if self.system != "debian" {
            let system = if self.system.is_empty() { "nothing" } else { self.system.as_str() };
            return Some(Refusal::new(
                "not-debian",
                format!("unsupported distribution: {system} (Debian 11 or later required)"),
                elsewhere,
            ));
        }
        if number.is_none_or(|number| number < OLDEST_DEBIAN) {
            let version = if self.version.is_empty() { "without a version" } else { self.version.as_str() };
            return Some(Refusal::new(
                "debian-too-old",
                format!(
                    "unsupported distribution: Debian {version} (Debian {OLDEST_DEBIAN} or later required)"
                ),
                elsewhere,
            ));
        }
        (!self.systemd_runs).then(|| {
            Refusal::new(
                "no-systemd",
                "systemd is not running; protection of services and the agent need it",
                "set up the container's host, or boot with systemd",
            )
        })
    }

    /// Why it has no room for the program.
    #[must_use]
    pub fn room_refusal(&self) -> Option<Refusal> {
        (self.needs_command() && self.free < ROOM).then(|| {
            Refusal::new(
                "disk-full",
                format!("/usr/local has {} MiB free; the program needs {} MiB", self.free >> 20, ROOM >> 20),
                "free space on that file system",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> Server {
        Server {
            may_change: true,
            system: "debian".to_owned(),
            version: "12".to_owned(),
            kernel: "6.1".to_owned(),
            systemd_runs: true,
            memory: 1 << 30,
            free: 1 << 30,
            command: InPlace::Nothing,
        }
    }

    #[test]
    fn only_a_debian_with_systemd_and_room_is_set_up() {
        let id = |server: &Server| server.system_refusal().map(|refusal| refusal.id);
        assert_eq!(id(&server()), None);
        for (version, refused) in [("11", false), ("13.2", false), ("10", true), ("", true), ("sid", true)] {
            let other = Server { version: version.to_owned(), ..server() };
            assert_eq!(id(&other), refused.then(|| "debian-too-old".to_owned()), "{version}");
        }
        let ubuntu = Server { system: "ubuntu".to_owned(), version: "22.04".to_owned(), ..server() };
        assert_eq!(id(&ubuntu).unwrap(), "not-debian");
        assert_eq!(id(&Server { systemd_runs: false, ..server() }).unwrap(), "no-systemd");

        assert_eq!(server().room_refusal(), None);
        let full = Server { free: ROOM - 1, ..server() };
        assert_eq!(full.room_refusal().unwrap().id, "disk-full");
        // What is there already needs no room.
        assert_eq!(Server { command: InPlace::This, ..full }.room_refusal(), None);
    }
}
