//! The processes of a host with what the OOM killer looks at.

use oomguard_host::proc::meminfo::Meminfo;
use oomguard_host::proc::{cgroup, oom_score_adj, stat, status};
use oomguard_host::scan::Scan;
use oomguard_host::{Host, Result};

use super::badness::{self, Total};

/// A process that has memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its number.
    pub pid: i32,
    /// When it started, in clock ticks since boot.
    pub start_time: u64,
    /// Its name.
    pub name: String,
    /// The systemd unit that it is in; of a user's processes the user's own unit.
    pub unit: Option<String>,
    /// Its oom_score_adj.
    pub score: i32,
    /// What it has, in bytes.
    pub memory: status::Memory,
    /// What the kernel itself shows of it, in /proc/PID/oom_score.
    pub shown: Option<u64>,
}

impl Candidate {
    /// Whether the kernel passes it over whatever it has: the first process, one that is being killed already, one that has
    /// borrowed its parent's memory (vfork). It then shows 0, where its size and score would show more.
    #[must_use]
    pub fn is_passed_over(&self, total: Total) -> bool {
        let memory = &self.memory;
        let points = badness::points(memory.rss, memory.swap, memory.page_tables, self.score, total);
        match self.shown {
            Some(shown) => shown == 0 && badness::shown(points, total) > 1,
            None => self.pid == 1,
        }
    }
}

/// All memory and swap of a host.
#[must_use]
pub fn total(host: &Host, memory: &Meminfo) -> Total {
    Total::new(memory.mem_total, memory.swap_total, host.page_size())
}

/// All processes that have memory of their own, by number, and how many could not be read. Who asks is not among them: it is
/// gone when the answer is read.
///
/// # Errors
/// When /proc cannot be listed.
pub fn all(host: &Host) -> Result<(Vec<Candidate>, usize)> {
    let mut scan = host.scan()?;
    let mut pids = Vec::new();
    scan.pids(&mut pids)?;
    let mut unread = 0;
    let mut found = Vec::with_capacity(pids.len());
    for pid in pids.into_iter().filter(|pid| !host.is_self(*pid)) {
        match one(&mut scan, pid) {
            Some(Some(candidate)) => found.push(candidate),
            Some(None) => {}
            None => unread += 1,
        }
    }
    Ok((found, unread))
}

/// Those that the kernel shows the highest oom_score of: the first to be killed is among them. Reads one small file of every
/// process, and more only of these.
///
/// # Errors
/// When /proc cannot be listed.
pub fn highest(host: &Host) -> Result<Vec<Candidate>> {
    let mut scan = host.scan()?;
    let mut pids = Vec::new();
    scan.pids(&mut pids)?;
    let (mut most, mut with_most) = (1, Vec::new());
    for pid in pids.into_iter().filter(|pid| !host.is_self(*pid)) {
        let Some(shown) = scan.read(pid, "oom_score").and_then(number) else { continue };
        if shown > most {
            most = shown;
            with_most.clear();
        }
        if shown == most {
            with_most.push(pid);
        }
    }
    Ok(with_most.into_iter().filter_map(|pid| one(&mut scan, pid)?).collect())
}

/// `None`: gone or hidden. `Some(None)`: it has no memory of its own.
fn one(scan: &mut Scan, pid: i32) -> Option<Option<Candidate>> {
    let Some(memory) = status::parse_memory(scan.read(pid, "status")?).ok()? else { return Some(None) };
    let score = oom_score_adj::parse(scan.read(pid, "oom_score_adj")?).ok()?;
    let shown = scan.read(pid, "oom_score").and_then(number);
    let stat = stat::parse(scan.read(pid, "stat")?).ok()?;
    if stat.is_kernel_thread() {
        return Some(None);
    }
    let group = scan.read(pid, "cgroup").and_then(|bytes| cgroup::parse(bytes).ok()).unwrap_or_default();
    let path = group.systemd_path().unwrap_or("/");
    let unit = cgroup::nearest_unit(path).map(str::to_owned);
    Some(Some(Candidate { pid, start_time: stat.start_time, name: stat.comm, unit, score, memory, shown }))
}

fn number(bytes: &[u8]) -> Option<u64> {
    std::str::from_utf8(bytes).ok()?.trim().parse().ok()
}
