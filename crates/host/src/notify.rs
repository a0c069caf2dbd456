//! Service notifications to systemd (sd_notify(3)): datagrams to the socket in NOTIFY_SOCKET.

use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use crate::host::Host;

/// Sends notifications; does nothing outside systemd.
#[derive(Debug, Default)]
pub struct Notifier {
    socket: Option<(UnixDatagram, SocketAddr)>,
}

impl Notifier {
    /// A notifier for the value of NOTIFY_SOCKET: a path, or `@` and an abstract name.
    ///
    /// # Errors
    /// When it is neither, or no socket can be created.
    pub fn new(address: Option<&OsStr>) -> std::io::Result<Self> {
        let Some(address) = address.filter(|address| !address.is_empty()) else { return Ok(Self::default()) };
        let address = match address.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
            [b'/', ..] => SocketAddr::from_pathname(address)?,
            _ => return Err(std::io::Error::other("NOTIFY_SOCKET is no path and no abstract name")),
        };
        Ok(Self { socket: Some((UnixDatagram::unbound()?, address)) })
    }

    /// Sends lines of `KEY=value`: `READY=1`, `WATCHDOG=1`. Does not wait for a busy systemd.
    pub fn say(&self, state: &str) {
        if let Some((socket, address)) = &self.socket {
            let _ = socket.set_nonblocking(true);
            let _ = socket.send_to_addr(state.as_bytes(), address);
        }
    }

    /// Announces a reload, with the timestamp that systemd requires (sd_notify(3), `RELOADING=1`).
    pub fn reloading(&self, host: &Host) {
        self.say(&format!("RELOADING=1\nMONOTONIC_USEC={}", host.monotonic().as_micros()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_arrive_at_a_path_and_at_an_abstract_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let name = format!("oomguard-test-{}", std::process::id());
        let by_path = UnixDatagram::bind(&path).unwrap();
        let by_name = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        for (socket, address) in [(by_path, path.into_os_string()), (by_name, format!("@{name}").into())] {
            Notifier::new(Some(&address)).unwrap().say("READY=1");
            let mut bytes = [0; 64];
            let length = socket.recv(&mut bytes).unwrap();
            assert_eq!(&bytes[..length], b"READY=1");
        }
    }

    #[test]
    fn no_socket_is_fine_and_a_bad_address_is_an_error() {
        Notifier::new(None).unwrap().say("READY=1");
        assert!(Notifier::new(Some(OsStr::new("vsock:2:1"))).is_err());
    }
}
