//! One message of the kernel or of a program, known by its shape, never by a kernel version.
//!
//! The forms are those of mm/oom_kill.c, mm/page_alloc.c (later mm/show_mem.c) and mm/memcontrol.c from 2.6.32 to
//! 6.17, with the back-ports of distributions; of systemd, systemd-oomd, earlyoom, nohang, containerd and the kubelet.

mod header;
mod kill;
mod memory;
mod program;
mod table;

pub use header::{CpuLine, Invoked, OomKill, TaskIn};
pub use kill::{Killed, Limit, Reaped, Selected};
pub use memory::{Counters, MemcgUsage, Of, Zone};
pub use program::{ProgramKill, Unit, UnitEvent};
pub use table::{Columns, Task, row};

use std::sync::LazyLock;

use aho_corasick::packed::Searcher;

use crate::line::Origin;

/// What the messages have in them that are looked for anywhere in a line. Most lines have none of it, and one look at
/// them is cheaper than a look for each.
const MARKS: [&str; 25] = [
    "oom_reaper",
    "illed process",
    "ill process",
    "emory: Killed",
    " invoked oom",
    "oom-kill:",
    "Task in /",
    "Tasks in ",
    "no killable",
    "mem_cgroup_o",
    "__alloc_pages",
    "messages",
    "Killed /",
    "Marked /",
    "ending SIG",
    "System OOM",
    "Linux version",
    "-- Reboot",
    "-- Boot",
    "logged out",
    "Removed session",
    ".service: ",
    ".scope: ",
    ".slice: ",
    "Killed process",
];

static MARK: LazyLock<Option<Searcher>> = LazyLock::new(|| Searcher::new(MARKS));

fn has_mark(text: &[u8]) -> bool {
    // Without the fast search, every line is parsed.
    MARK.as_ref().is_none_or(|marks| marks.find(text).is_some())
}

/// What one message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// `foo invoked oom-killer: ...`: the first line of a report.
    Invoked(Invoked),
    /// `CPU: 1 PID: 2 Comm: foo ...`, which also other reports of the kernel have.
    Cpu(CpuLine),
    /// A function of the call trace that says whose limit it is.
    Trace {
        /// A cgroup's.
        memcg: bool,
    },
    /// `Task in A killed as a result of limit of B`, until 4.20.
    TaskIn(TaskIn),
    /// `memory: usage 4kB, limit 4kB, failcnt 8`
    Usage(MemcgUsage),
    /// `Memory cgroup stats for A: cache:0KB ...`, and the pairs after it.
    MemcgStats(Vec<u8>, Counters),
    /// `anon 4096`: a line of memory.stat, in bytes.
    Stat(&'static str, u64),
    /// `Mem-Info:`
    MemInfo,
    /// `active_anon:12 inactive_anon:3`: counters in pages.
    Pages(Counters),
    /// `Node 0 Normal free:12kB min:3kB ...`
    Zone(Zone),
    /// `Node 0 Normal: 1*4kB ...`: the size of a page in KiB.
    PageSize(u64),
    /// `Free swap  = 0kB`
    SwapFree(u64),
    /// `Total swap = 0kB`
    SwapTotal(u64),
    /// `7680 pages RAM`
    Ram(u64),
    /// `[ pid ]   uid  tgid ...`
    TableHead(Columns),
    /// A row of a task table whose head is not read yet or is lost: see [`row`].
    Row,
    /// `oom-kill:constraint=...`, since 5.0.
    OomKill(OomKill),
    /// `Kill process 1 (foo) score 2 or sacrifice child`, until 5.0. The killed one may be a child.
    Selected(Selected),
    /// `Killed process 1 (foo) total-vm:...`
    Killed(Killed),
    /// `oom_reaper: reaped process 1 (foo), ...`
    Reaped(Reaped),
    /// `Tasks in A are going to be killed due to memory.oom.group set`
    Group(Vec<u8>),
    /// The beginning of a kill line, and no more.
    Cut,
    /// Nothing could be killed, and the kernel panics.
    NothingToKill,
    /// A user-space program killed a process, or reports a kill.
    ProgramKill(ProgramKill),
    /// What systemd says of a unit.
    Unit(UnitEvent),
    /// A login session ended, by its number.
    SessionEnded(Vec<u8>),
    /// A new boot.
    Boot,
    /// So many messages are lost.
    Lost(u64),
}

/// Whether a record is whole, or could go on in the next line of a wrapped log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Nothing is missing.
    Whole,
    /// Its end is missing.
    Open,
}

/// Reads one message. `None` for everything that has to do with no OOM kill.
#[must_use]
pub fn read(text: &[u8], origin: Origin<'_>) -> Option<(Record, Shape)> {
    let text = text.trim_ascii();
    if text.len() < 3 {
        return None;
    }
    if let Origin::Program(name) = origin {
        return if has_mark(text) {
            program::read(text, name).map(|record| (record, Shape::Whole))
        } else {
            None
        };
    }
    if has_mark(text)
        && let Some(read) = marked(text)
    {
        return Some(read);
    }
    let whole = |record| (record, Shape::Whole);
    table::read(text).or_else(|| header::cpu(text).map(Record::Cpu)).or_else(|| memory::read(text)).map(whole)
}

/// A message with one of the marks in it.
fn marked(text: &[u8]) -> Option<(Record, Shape)> {
    if text.starts_with(b"Kernel panic") || text.starts_with(b"Out of memory and no killable") {
        return crate::bytes::has(text, b"no killable processes")
            .then_some((Record::NothingToKill, Shape::Whole));
    }
    if let Some(rest) = text.strip_prefix(b"Tasks in ") {
        let (path, _) = crate::bytes::split_once(rest, b" are going to be killed")?;
        return Some((Record::Group(path.to_vec()), Shape::Whole));
    }
    let whole = |record| (record, Shape::Whole);
    kill::read(text)
        .or_else(|| header::read(text))
        .or_else(|| header::trace(text).map(whole))
        .or_else(|| program::read(text, b"").map(whole))
}

impl Record {
    /// How much of a line is there; of two ways to join a wrapped line the better one has more.
    #[must_use]
    pub fn richness(&self) -> usize {
        let some = |known: &[bool]| known.iter().filter(|known| **known).count();
        match self {
            Self::Killed(k) => {
                let numbers =
                    [k.total_vm_kib, k.anon_rss_kib, k.file_rss_kib, k.shmem_rss_kib, k.pgtables_kib];
                let others = [true, k.comm.is_some(), k.uid.is_some(), k.oom_score_adj.is_some()];
                some(&numbers.map(|number| number.is_some())) + some(&others)
            }
            Self::OomKill(k) => some(&[
                true,
                k.oom_memcg.is_some(),
                k.task_memcg.is_some(),
                k.comm.is_some(),
                k.pid.is_some(),
                k.uid.is_some(),
            ]),
            Self::TaskIn(task) => 1 + usize::from(task.oom_memcg.is_some()),
            Self::Invoked(i) => some(&[true, i.gfp.is_some(), i.order.is_some(), i.oom_score_adj.is_some()]),
            Self::Cut => 0,
            _ => 1,
        }
    }
}
