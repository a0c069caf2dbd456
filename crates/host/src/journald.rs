//! Writes to systemd's journal: a datagram of fields to its socket (systemd's "native journal protocol").

use std::os::unix::net::UnixDatagram;

use crate::host::Host;

/// Where journald listens.
const SOCKET: &str = "/run/systemd/journal/socket";
const MAX_CHARS: usize = 4000;

/// Writes a line with the priority of a notice; `journalctl -t IDENTIFIER` shows it. Does nothing without systemd, and
/// does not wait for a busy journald.
pub fn note(host: &Host, identifier: &str, message: &str) {
    let line = |text: &str| oomguard_text::shown(text, MAX_CHARS);
    let fields = format!("MESSAGE={}\nPRIORITY=5\nSYSLOG_IDENTIFIER={}\n", line(message), line(identifier));
    let Ok(socket) = UnixDatagram::unbound() else { return };
    let _ = socket.set_nonblocking(true);
    let _ = socket.send_to(fields.as_bytes(), host.real(SOCKET));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_cannot_add_a_field() {
        let dir = tempfile::tempdir().unwrap();
        let host = Host::folder(dir.path());
        note(&host, "oomguard", "no socket yet");
        std::fs::create_dir_all(dir.path().join("run/systemd/journal")).unwrap();
        let socket = UnixDatagram::bind(dir.path().join("run/systemd/journal/socket")).unwrap();
        note(&host, "oomguard", "one\nPRIORITY=0");
        let mut bytes = [0; 200];
        let length = socket.recv(&mut bytes).unwrap();
        let text = String::from_utf8_lossy(&bytes[..length]);
        assert_eq!(text, "MESSAGE=one\\x0aPRIORITY=0\nPRIORITY=5\nSYSLOG_IDENTIFIER=oomguard\n");
    }
}
