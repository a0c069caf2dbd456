//! What programs say: those that kill before the kernel does, and systemd about its units.

use super::{Record, memory};
use crate::bytes::{after, has, id, number, split_once};

/// A kill by a program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProgramKill {
    /// The program: `systemd-oomd`, `earlyoom`, `nohang`, `talos`, `kubelet`.
    pub by: String,
    /// Process id, where it names one.
    pub pid: Option<u32>,
    /// Name of the process.
    pub comm: Option<Vec<u8>>,
    /// User id.
    pub uid: Option<u32>,
    /// Cgroup, where it killed a whole one.
    pub memcg: Option<Vec<u8>>,
    /// Resident memory in KiB, as it says.
    pub rss_kib: Option<u64>,
    /// Whether it only tells of a kill of the kernel.
    pub second_hand: bool,
}

/// What systemd says of a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitEvent {
    /// Its name.
    pub unit: Vec<u8>,
    /// What happened.
    pub what: Unit,
}

/// What happened to a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A process of it was killed by the kernel's OOM killer.
    ProcessKilled,
    /// So many of its processes were killed by systemd-oomd.
    KilledByOomd(u64),
    /// Its main process was killed by SIGKILL.
    MainKilled,
    /// It failed, with the result `oom-kill`.
    FailedByOom,
    /// It failed, with the result `signal` or `exit-code`.
    Failed,
    /// It is started again, for the n-th time.
    Restarted(u64),
    /// It was stopped.
    Stopped,
}

/// Reads what a program says; `name` is empty where the log does not name it.
pub fn read(text: &[u8], name: &[u8]) -> Option<Record> {
    if let Some(lost) = memory::lost(text) {
        return Some(Record::Lost(lost));
    }
    let named = |known: &[u8]| name == known || name.is_empty();
    if named(b"systemd-oomd")
        && let Some(kill) = oomd(text)
    {
        return Some(Record::ProgramKill(kill));
    }
    const EARLY: [&[u8]; 3] = [b"earlyoom", b"nohang", b"nohang-desktop"];
    let early = EARLY.iter().find(|known| named(known));
    if let Some(by) = early
        && let Some(kill) = early_killer(text, if name.is_empty() { b"earlyoom" } else { by })
    {
        return Some(Record::ProgramKill(kill));
    }
    if let Some(kill) = talos(text).or_else(|| kubelet(text)) {
        return Some(Record::ProgramKill(kill));
    }
    boot(text, name).or_else(|| session(text, name)).or_else(|| unit(text, name))
}

/// `Killed /a/b.scope due to memory pressure for ...`, `Marked /a/b.service for killing due to ...`
fn oomd(text: &[u8]) -> Option<ProgramKill> {
    let rest = text.strip_prefix(b"Killed ").or_else(|| text.strip_prefix(b"Marked "))?;
    let (path, rest) = split_once(rest, b" due to ").or_else(|| split_once(rest, b" for killing"))?;
    let path = path.strip_suffix(b" for killing").unwrap_or(path);
    let why = has(rest, b"memory") || has(rest, b"swap");
    (path.starts_with(b"/") && why).then(|| ProgramKill {
        by: "systemd-oomd".to_owned(),
        memcg: Some(path.to_vec()),
        ..ProgramKill::default()
    })
}

/// earlyoom: `sending SIGTERM to process 12006 "python3": badness 209, VmRSS 2891 MiB`, with ` uid 1001` since 1.3.
/// nohang: `Sending SIGKILL to python3, pid: 12, ...`
fn early_killer(text: &[u8], by: &[u8]) -> Option<ProgramKill> {
    let lower = text.first().is_some_and(|byte| byte.eq_ignore_ascii_case(&b's'));
    if !lower || !has(text.get(1..12)?, b"ending SIG") {
        return None;
    }
    let by = String::from_utf8_lossy(by).into_owned();
    if let Some(rest) = after(text, b"to process ") {
        let (pid, rest) = id(rest)?;
        let uid = after(rest, b" uid ").and_then(id).map(|(uid, _)| uid);
        let quoted = after(rest, b"\"").and_then(|rest| {
            let end = memchr::memmem::find(rest, b"\": ").or_else(|| memchr::memrchr(b'"', rest))?;
            rest.get(..end)
        });
        let rss = after(rest, b"VmRSS ").and_then(number);
        let mib = rss.filter(|(_, rest)| rest.starts_with(b" MiB")).map(|(mib, _)| mib.saturating_mul(1024));
        let comm = quoted.map(<[u8]>::to_vec);
        return Some(ProgramKill { by, pid: Some(pid), comm, uid, rss_kib: mib, ..ProgramKill::default() });
    }
    let rest = after(text, b" to ")?;
    let (comm, rest) = split_once(rest, b", pid: ").or_else(|| split_once(rest, b" with pid "))?;
    let (pid, _) = id(rest)?;
    let by = if by == "earlyoom" { "nohang".to_owned() } else { by };
    Some(ProgramKill { by, pid: Some(pid), comm: Some(comm.to_vec()), ..ProgramKill::default() })
}

/// Talos: `[talos] Sending SIGKILL to cgroup {... "cgroup": "/sys/fs/cgroup/kubepods/..."`
fn talos(text: &[u8]) -> Option<ProgramKill> {
    let rest = after(text, b"Sending SIGKILL to cgroup ")?;
    let path = after(rest, b"\"cgroup\": \"")?;
    let end = path.iter().position(|byte| *byte == b'"')?;
    let path = path.get(..end)?;
    let path = path.strip_prefix(b"/sys/fs/cgroup").unwrap_or(path);
    Some(ProgramKill { by: "talos".to_owned(), memcg: Some(path.to_vec()), ..ProgramKill::default() })
}

/// `System OOM encountered, victim process: java, pid: 1234`: an event of the kubelet about a kill of the kernel.
fn kubelet(text: &[u8]) -> Option<ProgramKill> {
    let rest = after(text, b"System OOM encountered, victim process: ")?;
    let (comm, rest) = split_once(rest, b", pid: ")?;
    let (pid, _) = id(rest)?;
    Some(ProgramKill {
        by: "kubelet".to_owned(),
        pid: Some(pid),
        comm: Some(comm.to_vec()),
        second_hand: true,
        ..ProgramKill::default()
    })
}

fn boot(text: &[u8], name: &[u8]) -> Option<Record> {
    let kernel = name.is_empty() && text.starts_with(b"Linux version ") && has(text, b"(");
    let journal = text.starts_with(b"-- Reboot --") || text.starts_with(b"-- Boot ");
    (kernel || journal).then_some(Record::Boot)
}

/// systemd-logind: `Session 3 logged out. Waiting for processes to exit.`, `Removed session 3.`
fn session(text: &[u8], name: &[u8]) -> Option<Record> {
    if !(name.is_empty() || name == b"systemd-logind") {
        return None;
    }
    let number = match text.strip_prefix(b"Session ").and_then(|rest| split_once(rest, b" logged out")) {
        Some((number, _)) => number,
        None => text.strip_prefix(b"Removed session ")?.strip_suffix(b".")?,
    };
    let fits = number.len() <= 8 && number.iter().all(u8::is_ascii_alphanumeric) && !number.is_empty();
    fits.then(|| Record::SessionEnded(number.to_vec()))
}

/// The suffixes of units that processes run in.
const UNITS: [&[u8]; 3] = [b".service", b".scope", b".slice"];

fn unit(text: &[u8], name: &[u8]) -> Option<Record> {
    if !(name.is_empty() || name == b"systemd") {
        return None;
    }
    let (unit, what) = split_once(text, b": ")?;
    let fits = unit.len() <= 256 && !unit.contains(&b' ') && UNITS.iter().any(|end| unit.ends_with(end));
    if !fits {
        return None;
    }
    let what = if has(what, b"has been killed by the OOM killer") {
        Unit::ProcessKilled
    } else if let Some(rest) = what.strip_prefix(b"systemd-oomd killed ") {
        Unit::KilledByOomd(number(rest)?.0)
    } else if what.starts_with(b"Main process exited, code=killed, status=9/KILL") {
        Unit::MainKilled
    } else if has(what, b"ailed with result 'oom-kill'") {
        Unit::FailedByOom
    } else if has(what, b"ailed with result 'signal'") || has(what, b"ailed with result 'exit-code'") {
        Unit::Failed
    } else if let Some(rest) = after(what, b"restart counter is at ") {
        Unit::Restarted(number(rest)?.0)
    } else if what.starts_with(b"Succeeded.") || what.starts_with(b"Deactivated successfully") {
        Unit::Stopped
    } else {
        return None;
    };
    Some(Record::Unit(UnitEvent { unit: unit.to_vec(), what }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kill(text: &str, name: &str) -> ProgramKill {
        match read(text.as_bytes(), name.as_bytes()) {
            Some(Record::ProgramKill(kill)) => kill,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn kills_by_user_space_killers_are_read() {
        let early = kill("sending SIGTERM to process 696 uid 1001 \"a \"b\": badness 757, VmRSS 637 MiB", "");
        assert_eq!((early.by.as_str(), early.pid, early.uid), ("earlyoom", Some(696), Some(1001)));
        assert_eq!((early.comm.as_deref(), early.rss_kib), (Some(&b"a \"b"[..]), Some(637 * 1024)));
        for text in [
            "Killed /user.slice/a.scope due to memory pressure for /user.slice being 51.07% > 50.00%",
            "Killed /user.slice/a.scope due to memory used (99) / total (100) and swap used being more than 90.00%",
            "Marked /user.slice/a.scope for killing due to memory pressure for /user.slice being 85.03% > 80.00%",
        ] {
            assert_eq!(
                kill(text, "systemd-oomd").memcg.as_deref(),
                Some(&b"/user.slice/a.scope"[..]),
                "{text}"
            );
        }
        assert!(kill("System OOM encountered, victim process: java, pid: 12", "kubelet").second_hand);
        assert_eq!(read(b"sending SIGTERM to process 1 \"x\": badness 1", b"cron"), None);
        assert_eq!(kill("Sending SIGKILL to tail, pid: 12", "nohang").by, "nohang");
    }

    #[test]
    fn units_and_sessions() {
        for (text, what) in [
            ("a.service: A process of this unit has been killed by the OOM killer.", Unit::ProcessKilled),
            ("a.service: Main process exited, code=killed, status=9/KILL", Unit::MainKilled),
            ("a.service: Failed with result 'oom-kill'.", Unit::FailedByOom),
            ("a.service: Scheduled restart job, restart counter is at 3.", Unit::Restarted(3)),
            ("a.service: systemd-oomd killed 12 process(es) in this unit.", Unit::KilledByOomd(12)),
        ] {
            let event = UnitEvent { unit: b"a.service".to_vec(), what };
            assert_eq!(read(text.as_bytes(), b"systemd"), Some(Record::Unit(event.clone())), "{text}");
            assert_eq!(read(text.as_bytes(), b""), Some(Record::Unit(event)), "{text}");
            assert_eq!(read(text.as_bytes(), b"cron"), None);
        }
        assert_eq!(
            read(b"Removed session c2.", b"systemd-logind"),
            Some(Record::SessionEnded(b"c2".to_vec()))
        );
        assert_eq!(read(b"-- Boot 0123 --", b""), Some(Record::Boot));
    }
}
