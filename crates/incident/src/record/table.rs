//! The table of tasks: its columns are those that its head names, as far as they are not cut.

use super::Record;
use crate::bytes::{has, id, whole, whole_signed, words};

/// The columns of a table between the pid and the name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    count: usize,
    swap: Option<usize>,
    page_tables: Option<(usize, bool)>,
    adj: Option<usize>,
    /// Whether the head ends with the name; a cut one does not.
    complete: bool,
}

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Process id; of the first thread.
    pub pid: u32,
    /// User id.
    pub uid: Option<u32>,
    /// Address space in pages.
    pub total_vm: Option<u64>,
    /// Resident memory in pages.
    pub rss: Option<u64>,
    /// Swapped out, in pages, since 3.7.
    pub swap: Option<u64>,
    /// Page tables in bytes, since 4.15.
    pub page_tables: Option<u64>,
    /// oom_score_adj.
    pub adj: Option<i64>,
    /// Name.
    pub comm: Option<Vec<u8>>,
}

/// Reads the head of a table, and says whether a line may be a row.
pub fn read(text: &[u8]) -> Option<Record> {
    if !text.starts_with(b"[") {
        return None;
    }
    let end = text.iter().take(24).position(|byte| *byte == b']')?;
    let inside = text.get(1..end)?.trim_ascii();
    if inside == b"pid" && has(text, b"total_vm") {
        return Some(Record::TableHead(columns(text.get(end + 1..)?)));
    }
    whole(inside).map(|_| Record::Row)
}

fn columns(head: &[u8]) -> Columns {
    let names: Vec<&[u8]> = words(head).collect();
    let complete = names.last() == Some(&&b"name"[..]);
    let at = |name: &[u8]| names.iter().position(|known| *known == name);
    let page_tables =
        at(b"pgtables_bytes").map(|at| (at, true)).or_else(|| at(b"nr_ptes").map(|at| (at, false)));
    Columns {
        count: names.len() - usize::from(complete),
        swap: at(b"swapents"),
        page_tables,
        adj: at(b"oom_score_adj"),
        complete,
    }
}

/// Reads a row by the columns of its head. Without a head only what all tables have in the same place is known.
#[must_use]
pub fn row(text: &[u8], columns: Option<&Columns>) -> Option<Task> {
    let text = text.trim_ascii();
    let end = text.iter().take(24).position(|byte| *byte == b']')?;
    let (pid, rest) = id(text.strip_prefix(b"[")?.trim_ascii_start())?;
    if !rest.trim_ascii_start().starts_with(b"]") {
        return None;
    }
    let rest = text.get(end + 1..)?;
    let numbers: Vec<&[u8]> = words(rest).take_while(|word| whole_signed(word).is_some()).collect();
    // uid tgid total_vm rss: the same since the first table.
    if numbers.len() < 4 {
        return None;
    }
    let number = |at: usize| numbers.get(at).and_then(|word| whole(word));
    let fits = columns.filter(|columns| numbers.len() >= columns.count.min(5));
    let of = |at: Option<usize>| at.filter(|at| *at < numbers.len());
    Some(Task {
        pid,
        uid: number(0).and_then(|uid| u32::try_from(uid).ok()),
        total_vm: number(2),
        rss: number(3),
        swap: fits.and_then(|columns| number(of(columns.swap)?)),
        page_tables: fits.and_then(|columns| {
            let (at, bytes) = columns.page_tables?;
            let value = number(at)?;
            // nr_ptes counts pages.
            Some(if bytes { value } else { value.saturating_mul(4096) })
        }),
        adj: fits.and_then(|columns| whole_signed(numbers.get(of(columns.adj)?)?)),
        comm: comm(rest, fits),
    })
}

/// The rest of a row after its numbers.
fn comm(rest: &[u8], columns: Option<&Columns>) -> Option<Vec<u8>> {
    let columns = columns.filter(|columns| columns.complete)?;
    let mut rest = rest.trim_ascii_start();
    for _ in 0..columns.count {
        let end = rest.iter().position(u8::is_ascii_whitespace)?;
        rest = rest.get(end..)?.trim_ascii_start();
    }
    (!rest.is_empty()).then(|| rest.get(..64).unwrap_or(rest).to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(head: &str, line: &str) -> Task {
        let Some(Record::TableHead(columns)) = read(head.as_bytes()) else { panic!("{head}") };
        assert_eq!(read(line.as_bytes()), Some(Record::Row));
        row(line.as_bytes(), Some(&columns)).unwrap()
    }

    #[test]
    fn tables_of_many_kernels() {
        let old = task(
            "[ pid ]   uid  tgid total_vm      rss cpu oom_adj oom_score_adj name",
            "[  410]     0   410      533       52   0     -17         -1000 udevd",
        );
        assert_eq!(
            (old.rss, old.swap, old.adj, old.comm.as_deref()),
            (Some(52), None, Some(-1000), Some(&b"udevd"[..]))
        );
        let new = task(
            "[  pid  ]   uid  tgid total_vm      rss rss_anon rss_file rss_shmem pgtables_bytes swapents oom_score_adj name",
            "[2292670]  1000 2292670   178320     5602        1        2         3   131072       96          -997 GC Thread 9",
        );
        assert_eq!((new.pid, new.uid, new.rss, new.swap), (2_292_670, Some(1000), Some(5602), Some(96)));
        assert_eq!(
            (new.page_tables, new.adj, new.comm.as_deref()),
            (Some(131_072), Some(-997), Some(&b"GC Thread 9"[..]))
        );
        let ptes = task(
            "[ pid ]   uid  tgid total_vm      rss nr_ptes nr_pmds swapents oom_score_adj name",
            "[ 1667]     0  1667   210894    62557     315       4    91187             0 x",
        );
        assert_eq!((ptes.swap, ptes.page_tables, ptes.adj), (Some(91_187), Some(315 * 4096), Some(0)));
    }

    #[test]
    fn what_is_cut_is_not_there() {
        let cut = task(
            "[  pid  ]   uid  tgid total_vm      rss rss_anon rss_file rss_shmem pgtables_bytes sw...",
            "[ 483880]  1000 483880    73357    14530    12706     1824         0   180224        ...",
        );
        assert_eq!(
            (cut.rss, cut.page_tables, cut.swap, cut.adj, cut.comm),
            (Some(14_530), Some(180_224), None, None, None)
        );
        let headless =
            row(b"[12081]    48 12081   113806     1204   1       0             0 php-fpm", None).unwrap();
        assert_eq!(
            (headless.pid, headless.rss, headless.adj, headless.comm),
            (12_081, Some(1204), None, None)
        );
    }
}
