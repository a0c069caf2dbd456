//! The processes of a drill: who is who, and what score each had when it was last seen.

use std::collections::BTreeMap;

use oomguard_host::Host;
use oomguard_host::proc::{oom_score_adj, stat};
use oomguard_host::processes::ProcDir;
use oomguard_text::DisplayText;

use crate::report::{Process, Role};

/// A process of a drill, as it was last seen.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub process: Process,
    pub start_time: u64,
}

/// The three that are no load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cast {
    pub keeper: i32,
    pub shell: i32,
    pub bystander: i32,
}

impl Cast {
    pub(crate) fn role(&self, pid: i32) -> Role {
        match pid {
            _ if pid == self.keeper => Role::Keeper,
            _ if pid == self.shell => Role::Shell,
            _ if pid == self.bystander => Role::Bystander,
            _ => Role::Load,
        }
    }
}

/// Looks at a process; `None` when it is gone or a zombie.
pub(crate) fn look(dir: &ProcDir, pid: i32, buffer: &mut Vec<u8>) -> Option<Seen> {
    dir.read(pid, "stat", buffer).ok()?.then_some(())?;
    let stat = stat::parse(buffer).ok()?;
    dir.read(pid, "oom_score_adj", buffer).ok()?.then_some(())?;
    let score = oom_score_adj::parse(buffer).ok()?;
    // The command line of a zombie is empty, and so is its memory.
    dir.read(pid, "cmdline", buffer).ok()?.then_some(())?;
    let is_alive = !buffer.is_empty();
    is_alive.then(|| Seen {
        process: Process { pid, name: DisplayText::new(&stat.comm), score },
        start_time: stat.start_time,
    })
}

/// All processes of a drill that were seen, each as it was last seen.
#[derive(Debug, Default)]
pub(crate) struct People {
    seen: BTreeMap<i32, Seen>,
}

impl People {
    /// Looks at all that are in a cgroup now.
    pub(crate) fn look(&mut self, host: &Host, dir: &ProcDir, cgroup: &str, buffer: &mut Vec<u8>) {
        let list = host.read(&format!("/sys/fs/cgroup{cgroup}/cgroup.procs")).unwrap_or_default();
        let pids = String::from_utf8_lossy(&list).into_owned();
        for pid in pids.lines().filter_map(|line| line.parse().ok()) {
            if let Some(seen) = look(dir, pid, buffer) {
                self.seen.insert(pid, seen);
            }
        }
    }

    pub(crate) fn has(&self, pid: i32) -> bool {
        self.seen.contains_key(&pid)
    }

    /// The lowest score of those that are load.
    pub(crate) fn lowest_load(&self, cast: &Cast) -> Option<i32> {
        let load = self.seen.values().filter(|seen| cast.role(seen.process.pid) == Role::Load);
        load.map(|seen| seen.process.score).min()
    }
}
