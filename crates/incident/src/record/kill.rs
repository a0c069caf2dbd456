//! The lines that name a victim.

use super::{Record, Shape};
use crate::bytes::{after, has, id, kib_after, signed, split_once};

/// What kind of limit the line names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// `Out of memory`: the host, or the nodes of a cpuset.
    Host,
    /// `Memory cgroup out of memory`
    Cgroup,
    /// The line does not say.
    Unknown,
}

/// `Killed process 1 (foo) total-vm:...`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Killed {
    /// Which limit.
    pub limit: Limit,
    /// Process id, in the first pid namespace.
    pub pid: u32,
    /// Name; at most 15 bytes. `None` when the line is cut before its end.
    pub comm: Option<Vec<u8>>,
    /// User id, since 5.4 and in some older back-ports.
    pub uid: Option<u32>,
    /// Address space in KiB: not what was used.
    pub total_vm_kib: Option<u64>,
    /// Anonymous memory in KiB.
    pub anon_rss_kib: Option<u64>,
    /// Mapped files in KiB.
    pub file_rss_kib: Option<u64>,
    /// Shared memory in KiB, since 4.5.
    pub shmem_rss_kib: Option<u64>,
    /// Page tables in KiB, since 5.4.
    pub pgtables_kib: Option<u64>,
    /// oom_score_adj, since 5.4.
    pub oom_score_adj: Option<i64>,
}

/// `Kill process 1 (foo) score 2 or sacrifice child`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selected {
    /// Which limit.
    pub limit: Limit,
    /// Process id.
    pub pid: u32,
    /// Name.
    pub comm: Option<Vec<u8>>,
    /// Its badness, in thousandths of the memory.
    pub score: Option<u64>,
}

/// `oom_reaper: reaped process 1 (foo), now anon-rss:0kB, ...`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reaped {
    /// Process id.
    pub pid: u32,
    /// Name.
    pub comm: Option<Vec<u8>>,
}

/// Reads a line that names a victim.
pub fn read(text: &[u8]) -> Option<(Record, Shape)> {
    // Only at the start, or glued to what another processor printed: not in a sentence about a kill.
    if let Some(rest) = after(text, b"oom_reaper: reaped process ") {
        let (pid, rest) = id(rest)?;
        return Some((Record::Reaped(Reaped { pid, comm: comm(rest).map(|(comm, _)| comm) }), Shape::Whole));
    }
    if let Some((before, rest)) = split_once(text, b"Killed process ")
        .filter(|(before, rest)| is_start(before) || has(rest, b") total-vm:"))
    {
        return killed(before, rest);
    }
    let cut: [&[u8]; 3] = [b"Killed process", b"out of memory: Killed", b"Out of memory: Killed"];
    if cut.iter().any(|cut| text.ends_with(cut)) {
        return Some((Record::Cut, Shape::Open));
    }
    let split = split_once(text, b"Kill process ").or_else(|| split_once(text, b"kill process "))?;
    let (before, rest) = split;
    if !has(before, b"emory") && !before.is_empty() {
        return None;
    }
    let (pid, rest) = id(rest)?;
    let score = after(rest, b" score ").and_then(crate::bytes::number).map(|(score, _)| score);
    // `Kill process 1 (foo) sharing same memory` is said of others than the victim.
    score?;
    let comm = comm(rest).map(|(comm, _)| comm);
    Some((Record::Selected(Selected { limit: limit(before), pid, comm, score }), Shape::Whole))
}

/// Whether what stands before `Killed process` may stand there in a message of the kernel.
fn is_start(before: &[u8]) -> bool {
    let before = before.trim_ascii_end();
    before.is_empty()
        || has(before, b"emory")
        // Glued to the end of something else; JSON and tables around the message.
        || before.ends_with(b"\"")
        || before.ends_with(b"]")
        || before.ends_with(b">")
        || before.ends_with(b":") && !has(before, b"process ")
}

fn limit(before: &[u8]) -> Limit {
    if has(before, b"emory cgroup out of memory") {
        Limit::Cgroup
    } else if has(before, b"ut of memory") || has(before, b"ut of Memory") {
        Limit::Host
    } else {
        Limit::Unknown
    }
}

fn killed(before: &[u8], rest: &[u8]) -> Option<(Record, Shape)> {
    let (pid, rest) = match id(rest) {
        // A number at the end of a line may be cut.
        Some((_, b"")) => return Some((Record::Cut, Shape::Open)),
        Some((_, rest)) if rest.starts_with(b"...") || rest.starts_with("\u{2026}".as_bytes()) => {
            return None;
        }
        Some(found) => found,
        // Cut or wrapped before the number.
        None if rest.trim_ascii().is_empty() => return Some((Record::Cut, Shape::Open)),
        None => return None,
    };
    // `, UID 27, (mysqld)` in 2.6.32 of EL 6; ` (java), UID 1000, total-vm:` in 3.10 of EL 7.
    let (early_uid, rest) = match rest.strip_prefix(b", UID ").and_then(id) {
        Some((uid, rest)) => (Some(uid), rest.strip_prefix(b",").unwrap_or(rest)),
        None => (None, rest),
    };
    let (comm, rest) = match comm(rest) {
        Some((comm, rest)) => (Some(comm), rest),
        None => (None, &b""[..]),
    };
    let late_uid =
        || after(rest, b"UID:").or_else(|| after(rest, b", UID ")).and_then(id).map(|(uid, _)| uid);
    let kib = |key: &[u8]| kib_after(rest, key);
    let killed = Killed {
        limit: limit(before),
        pid,
        comm,
        uid: early_uid.or_else(late_uid),
        total_vm_kib: kib(b"total-vm:").or_else(|| kib(b"vsz:")),
        anon_rss_kib: kib(b"anon-rss:"),
        file_rss_kib: kib(b"file-rss:"),
        shmem_rss_kib: kib(b"shmem-rss:"),
        pgtables_kib: kib(b"pgtables:"),
        oom_score_adj: after(rest, b"oom_score_adj:").and_then(signed).map(|(value, _)| value),
    };
    // Old kernels end anywhere after the name; what follows without a time of its own is asked for.
    let whole = killed.oom_score_adj.is_some() || rest.ends_with(b"...");
    Some((Record::Killed(killed), if whole { Shape::Whole } else { Shape::Open }))
}

/// The longest comm: TASK_COMM_LEN (include/linux/sched.h) is 16, with the end; kmsg makes four of one byte.
const COMM_LIMIT: usize = 64;

/// `(foo)` and what follows it. The name may hold brackets, blanks and colons.
fn comm(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    const AFTER: [&[u8]; 5] = [b") total-vm:", b") vsz:", b"), UID ", b"), now ", b") score "];
    let inside = text.trim_ascii_start().strip_prefix(b"(")?;
    let window = inside.get(..COMM_LIMIT).unwrap_or(inside);
    // The last one: the name may hold the words that follow it, and those never come twice.
    let reach = inside.get(..COMM_LIMIT + b") total-vm:".len()).unwrap_or(inside);
    let known = AFTER.iter().filter_map(|end| memchr::memmem::rfind(reach, end)).max();
    let end = known.or_else(|| memchr::memrchr(b')', window))?;
    Some((inside.get(..end)?.to_vec(), inside.get(end + 1..)?))
}

#[cfg(test)]
#[path = "kill_tests.rs"]
mod tests;
