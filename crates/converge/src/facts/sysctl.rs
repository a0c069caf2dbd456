//! vm.swappiness now, and which file decides it at the next boot.

use oomguard_host::Host;
use oomguard_host::sysctl::{self, SysctlFile};
use serde::Serialize;

use super::unread::Unread;

/// The key, as sysctl(8) writes it.
pub const KEY: &str = "vm.swappiness";
/// Where the kernel has it.
pub const LIVE: &str = "/proc/sys/vm/swappiness";

const DIRS: [&str; 5] =
    ["/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d"];

/// vm.swappiness now, and at the next boot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SwappinessFacts {
    /// What the kernel uses now.
    pub live: Option<u32>,
    /// Every file that sets it, in the order in which systemd-sysctl applies them: the last one wins at boot.
    pub settings: Vec<SysctlLine>,
    /// A line in /etc/sysctl.conf that `sysctl --system` applies after all others.
    pub procps_last: Option<SysctlLine>,
}

/// A line that sets a kernel parameter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SysctlLine {
    /// The file.
    pub path: String,
    /// 1-based.
    pub line: usize,
    /// What it is set to, as it is written.
    pub value: String,
}

impl SwappinessFacts {
    /// The line that decides at the next boot.
    #[must_use]
    pub fn winner(&self) -> Option<&SysctlLine> {
        self.settings.last()
    }
}

pub(super) fn read(host: &Host, unread: &mut Vec<Unread>) -> SwappinessFacts {
    let mut facts = SwappinessFacts::default();
    match host.read(LIVE) {
        Ok(bytes) => facts.live = String::from_utf8_lossy(&bytes).trim().parse().ok(),
        Err(e) => unread.push(Unread::new(LIVE, e, "what swappiness is now")),
    }
    let mut files = Vec::new();
    for dir in DIRS {
        // On a merged /usr, /lib is a link, and its files would count twice.
        if dir == "/lib/sysctl.d" && host.link_target("/lib").is_some() {
            continue;
        }
        for name in host.list_dir(dir).unwrap_or_default() {
            if name.ends_with(".conf") {
                read_file(host, format!("{dir}/{name}"), &mut files, unread);
            }
        }
    }
    facts.settings = sysctl::all(&files, KEY).into_iter().map(line_of).collect();
    let conf = "/etc/sysctl.conf";
    if let Ok(Some(bytes)) = host.read_optional(conf) {
        let file = [SysctlFile { path: "/etc/sysctl.d/99-sysctl.conf".to_owned(), bytes }];
        facts.procps_last = sysctl::all(&file, KEY).pop().map(|mut setting| {
            setting.path = conf.to_owned();
            line_of(setting)
        });
    }
    facts
}

fn read_file(host: &Host, path: String, files: &mut Vec<SysctlFile>, unread: &mut Vec<Unread>) {
    if host.link_target(&path).as_deref() == Some("/dev/null") {
        files.push(SysctlFile { path, bytes: Vec::new() });
        return;
    }
    match host.read_optional(&path) {
        Ok(Some(bytes)) => files.push(SysctlFile { path, bytes }),
        // A link to nowhere: systemd-sysctl skips it too.
        Ok(None) => {}
        Err(e) => unread.push(Unread::new(path, e, "whether it sets swappiness")),
    }
}

fn line_of(setting: sysctl::Setting) -> SysctlLine {
    SysctlLine { path: setting.path, line: setting.line, value: setting.value }
}
