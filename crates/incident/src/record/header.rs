//! The lines that name the allocating process and the limit that was hit.

use super::{Record, Shape};
use crate::bytes::{after, has, id, signed, split_once};

/// `foo invoked oom-killer: gfp_mask=0x1(GFP_KERNEL), order=0, oom_score_adj=0`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invoked {
    /// The process that invoked the OOM killer.
    pub comm: Vec<u8>,
    /// What for, as the kernel prints it (include/linux/gfp_types.h).
    pub gfp: Option<Vec<u8>>,
    /// For how much: 2^order pages in one piece; -1 is SysRq-f.
    pub order: Option<i64>,
    /// oom_score_adj of that process.
    pub oom_score_adj: Option<i64>,
}

/// `CPU: 1 UID: 0 PID: 2 Comm: foo Not tainted 6.12.0`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuLine {
    /// Process id.
    pub pid: u32,
    /// Name.
    pub comm: Vec<u8>,
    /// The kernel's name, `6.12.0-211.el10.ppc64le`.
    pub release: Option<Vec<u8>>,
}

/// `Task in A killed as a result of limit of B`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskIn {
    /// The victim's cgroup.
    pub task_memcg: Vec<u8>,
    /// The cgroup whose limit was hit.
    pub oom_memcg: Option<Vec<u8>>,
}

/// `oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),...,task=foo,pid=1,uid=0`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OomKill {
    /// `MEMCG`, `NONE`, `CPUSET`, `MEMORY_POLICY`; 5.0 to 5.2 print `NONE` for a cgroup, too.
    pub constraint: Option<Vec<u8>>,
    /// Whether it says `global_oom`.
    pub global: bool,
    /// The cgroup whose limit was hit.
    pub oom_memcg: Option<Vec<u8>>,
    /// The victim's cgroup.
    pub task_memcg: Option<Vec<u8>>,
    /// The victim.
    pub comm: Option<Vec<u8>>,
    /// Its process id.
    pub pid: Option<u32>,
    /// Its user.
    pub uid: Option<u32>,
}

/// Reads a line of the head of a report.
pub fn read(text: &[u8]) -> Option<(Record, Shape)> {
    if let Some((comm, rest)) = split_once(text, b" invoked oom-killer") {
        return invoked(comm, rest);
    }
    if let Some(rest) = after(text, b"oom-kill:constraint=") {
        return Some(oom_kill(rest));
    }
    if let Some(start) = memchr::memmem::find(text, b"Task in /") {
        return task_in(text.get(start..)?);
    }
    None
}

/// The longest comm; a longer one has something else glued to it.
const COMM_LIMIT: usize = 15;

fn invoked(before: &[u8], rest: &[u8]) -> Option<(Record, Shape)> {
    // What is glued before it ends in the time of this message.
    let comm = match memchr::memmem::rfind(before, b"] ") {
        Some(at) if before.len() > COMM_LIMIT => before.get(at + 2..)?.trim_ascii(),
        _ => before.trim_ascii(),
    };
    // A field of the journal's export or pretty JSON.
    let comm = comm.strip_prefix(b"MESSAGE=").unwrap_or(comm);
    let comm = match memchr::memmem::rfind(comm, b": \"") {
        Some(at) => comm.get(at + 3..)?,
        None => comm,
    };
    // kmsg makes four characters of a byte that cannot be printed.
    if comm.is_empty() || comm.len() > COMM_LIMIT * 4 {
        return None;
    }
    let gfp = after(rest, b"gfp_mask=").map(|rest| {
        let end = match rest.iter().position(|byte| *byte == b')' || *byte == b',') {
            Some(at) if rest.get(at) == Some(&b')') => at + 1,
            Some(at) => at,
            None => rest.len(),
        };
        rest.get(..end).unwrap_or(rest).to_vec()
    });
    let value = |key: &[u8]| after(rest, key).and_then(signed).map(|(value, _)| value);
    let invoked = Invoked {
        comm: comm.to_vec(),
        gfp,
        order: value(b"order="),
        oom_score_adj: value(b"oom_score_adj="),
    };
    let shape = if invoked.oom_score_adj.is_some() { Shape::Whole } else { Shape::Open };
    Some((Record::Invoked(invoked), shape))
}

fn task_in(text: &[u8]) -> Option<(Record, Shape)> {
    let rest = text.strip_prefix(b"Task in ")?;
    let (task, rest) = split_once(rest, b" killed as a result")?;
    let limit = after(rest, b"limit of ").map(|limit| limit.trim_ascii_end().to_vec());
    let oom_memcg = limit.filter(|limit| limit.starts_with(b"/") && !limit.ends_with(b"..."));
    let shape = if oom_memcg.is_some() { Shape::Whole } else { Shape::Open };
    Some((Record::TaskIn(TaskIn { task_memcg: task.to_vec(), oom_memcg }), shape))
}

/// The keys of the line, in the order of the kernel. A cgroup's or a task's name may hold a comma.
const KEYS: [&[u8]; 8] = [
    b",nodemask=",
    b",cpuset=",
    b",mems_allowed=",
    b",global_oom",
    b",oom_memcg=",
    b",task_memcg=",
    b",task=",
    b",pid=",
];

fn oom_kill(rest: &[u8]) -> (Record, Shape) {
    let mut kill = OomKill { global: has(rest, b",global_oom"), ..OomKill::default() };
    let value = |key: &[u8]| {
        let rest = after(rest, key)?;
        let end = KEYS.iter().filter_map(|next| memchr::memmem::find(rest, next)).min();
        let cut = end.is_none();
        let value = rest.get(..end.unwrap_or(rest.len()))?;
        (!cut && !value.is_empty()).then(|| value.to_vec())
    };
    kill.constraint = rest
        .strip_prefix(b"CONSTRAINT_")
        .and_then(|rest| rest.split(|byte| *byte == b',').next())
        .map(<[u8]>::to_vec);
    kill.oom_memcg = value(b",oom_memcg=");
    kill.task_memcg = value(b",task_memcg=");
    // The name may hold `,pid=`, so its end is looked for from the right.
    if let Some(rest) = after(rest, b",task=")
        && let Some(end) = memchr::memmem::rfind(rest, b",pid=")
    {
        kill.comm = rest.get(..end).map(<[u8]>::to_vec);
        let tail = rest.get(end..).unwrap_or_default();
        let number = |key: &[u8]| after(tail, key).and_then(id);
        kill.pid = number(b",pid=").filter(|(_, rest)| rest.starts_with(b",")).map(|(pid, _)| pid);
        kill.uid = number(b",uid=").map(|(uid, _)| uid);
    }
    let shape = if kill.uid.is_some() || rest.ends_with(b"...") { Shape::Whole } else { Shape::Open };
    (Record::OomKill(kill), shape)
}

/// A line of the call trace below `out_of_memory`: ` dump_header+0x48/0x60` tells nothing, but who called it does.
pub fn trace(text: &[u8]) -> Option<Record> {
    if !has(text, b"+0x") {
        return None;
    }
    if has(text, b"mem_cgroup_out_of_memory+") || has(text, b"mem_cgroup_oom_synchronize+") {
        return Some(Record::Trace { memcg: true });
    }
    has(text, b"__alloc_pages").then_some(Record::Trace { memcg: false })
}

/// A line that many reports of the kernel have.
pub fn cpu(text: &[u8]) -> Option<CpuLine> {
    let (pid, rest) = if text.starts_with(b"CPU: ") {
        let (pid, rest) = id(after(text, b" PID: ")?)?;
        (pid, rest.strip_prefix(b" Comm: ")?)
    } else {
        let (pid, rest) = id(text.strip_prefix(b"Pid: ")?.trim_ascii_start())?;
        (pid, rest.strip_prefix(b", comm: ")?.trim_ascii_start())
    };
    const AFTER: [&[u8]; 5] = [b" Not tainted", b" Tainted:", b" Kdump:", b" xid:", b" Pid:"];
    let end = AFTER.iter().filter_map(|end| memchr::memmem::find(rest, end)).min().unwrap_or(rest.len());
    let comm = rest.get(..end)?.trim_ascii_end();
    let release = crate::bytes::words(rest.get(end..)?)
        .find(|word| word.len() > 4 && word.first().is_some_and(u8::is_ascii_digit) && word.contains(&b'.'));
    let fits = !comm.is_empty() && comm.len() <= COMM_LIMIT * 4;
    fits.then(|| CpuLine { pid, comm: comm.to_vec(), release: release.map(<[u8]>::to_vec) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(text: &str) -> Record {
        let cpu = || cpu(text.as_bytes()).map(Record::Cpu);
        read(text.as_bytes()).map(|(record, _)| record).or_else(cpu).unwrap()
    }

    #[test]
    fn invoking_process_is_read() {
        let Record::Invoked(invoked) = record(
            "GC Thread#9 invoked oom-killer: gfp_mask=0x1(GFP_A|GFP_B), nodemask=(null),  order=-1, oom_score_adj=-17",
        ) else {
            panic!()
        };
        assert_eq!(invoked.comm, b"GC Thread#9");
        assert_eq!(invoked.gfp.unwrap(), b"0x1(GFP_A|GFP_B)");
        assert_eq!((invoked.order, invoked.oom_score_adj), (Some(-1), Some(-17)));
        for (text, pid, comm) in [
            ("CPU: 2 PID: 25671 Comm: GC Thread#9 Not tainted 5.4.0-109-generic #123", 25671, "GC Thread#9"),
            (
                "CPU: 1 UID: 0 PID: 7 Comm: test_zswap Kdump: loaded Not tainted 6.12.0-211.el10 #1",
                7,
                "test_zswap",
            ),
            ("Pid: 23212, comm: php-fpm Not tainted 2.6.32-642.el6.x86_64 #1", 23212, "php-fpm"),
            ("Pid: 1, comm:          init Tainted: P 2.6.32", 1, "init"),
        ] {
            let Record::Cpu(cpu) = record(text) else { panic!("{text}") };
            assert_eq!((cpu.pid, cpu.comm.as_slice()), (pid, comm.as_bytes()), "{text}");
        }
    }

    #[test]
    fn the_summary_of_5_0() {
        let Record::OomKill(kill) = record(
            "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0-1,oom_memcg=/a,b,\
             task_memcg=/a,b/c,task=x,pid=9,pid=210,uid=7",
        ) else {
            panic!()
        };
        assert_eq!(kill.constraint.unwrap(), b"MEMCG");
        assert_eq!(
            (kill.oom_memcg.unwrap(), kill.task_memcg.unwrap()),
            (b"/a,b".to_vec(), b"/a,b/c".to_vec())
        );
        assert_eq!((kill.comm.unwrap(), kill.pid, kill.uid), (b"x,pid=9".to_vec(), Some(210), Some(7)));
        let Record::OomKill(cut) =
            record("oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),global_oom,task_memcg=/a/b")
        else {
            panic!()
        };
        assert!(cut.global && cut.task_memcg.is_none() && cut.pid.is_none());
    }

    #[test]
    fn the_limit_of_4_x() {
        let Record::TaskIn(task) = record("Task in /a b/c killed as a result of limit of /a b") else {
            panic!()
        };
        assert_eq!((task.task_memcg, task.oom_memcg.unwrap()), (b"/a b/c".to_vec(), b"/a b".to_vec()));
    }
}
