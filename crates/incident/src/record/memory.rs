//! The lines that say where the memory is.

use super::Record;
use crate::bytes::{after, has, kib_after, number, words};

/// Counters of a line, in its own unit (pages of Mem-Info, KiB of a cgroup's statistics). `None`: not on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Anonymous memory.
    pub anon: Option<u64>,
    /// Cached files.
    pub file: Option<u64>,
    /// Memory that cannot be reclaimed (mlock).
    pub unevictable: Option<u64>,
    /// Slab that can be reclaimed.
    pub slab_reclaimable: Option<u64>,
    /// Slab that cannot.
    pub slab_unreclaimable: Option<u64>,
    /// Shared memory and tmpfs.
    pub shmem: Option<u64>,
    /// Page tables.
    pub page_tables: Option<u64>,
    /// Free.
    pub free: Option<u64>,
    /// Swapped out (cgroups).
    pub swap: Option<u64>,
}

impl Counters {
    /// Takes what another line has.
    pub fn merge(&mut self, other: &Self) {
        let pairs = [
            (&mut self.anon, other.anon),
            (&mut self.file, other.file),
            (&mut self.unevictable, other.unevictable),
            (&mut self.slab_reclaimable, other.slab_reclaimable),
            (&mut self.slab_unreclaimable, other.slab_unreclaimable),
            (&mut self.shmem, other.shmem),
            (&mut self.page_tables, other.page_tables),
            (&mut self.free, other.free),
            (&mut self.swap, other.swap),
        ];
        for (mine, theirs) in pairs {
            *mine = mine.or(theirs);
        }
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// `memory: usage 4kB, limit 4kB, failcnt 8`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemcgUsage {
    /// Of what.
    pub of: Of,
    /// KiB.
    pub usage: u64,
    /// KiB; huge when there is none.
    pub limit: Option<u64>,
}

/// What a limit of a cgroup is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// memory.max, memory.limit_in_bytes
    Memory,
    /// memory.memsw.limit_in_bytes
    MemoryAndSwap,
    /// memory.swap.max
    Swap,
    /// memory.kmem.limit_in_bytes
    Kernel,
}

/// `Node 0 Normal free:12kB min:3kB low:4kB high:5kB ...`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    /// `Node 0 Normal`
    pub name: Vec<u8>,
    /// KiB.
    pub free: u64,
    /// Watermark in KiB: below it only the kernel's own may allocate.
    pub min: u64,
    /// Watermark in KiB: reclaim ends above it.
    pub high: u64,
}

/// Reads a line about memory.
pub fn read(text: &[u8]) -> Option<Record> {
    if text.contains(&b'\n') {
        return several(text);
    }
    // Traces, registers and what others say: no word of it is a counter.
    if text.len() > 1200
        || !text.iter().any(u8::is_ascii_digit) && text.len() > 12 && !text.starts_with(b"Mem")
    {
        return None;
    }
    let unequal = |key: &[u8]| kib_after(text.strip_prefix(key)?, b"=");
    if let Some(free) = unequal(b"Free swap") {
        return Some(Record::SwapFree(free));
    }
    if let Some(total) = unequal(b"Total swap") {
        return Some(Record::SwapTotal(total));
    }
    if text.starts_with(b"Mem-Info:") || text.starts_with(b"Mem-info:") {
        return Some(Record::MemInfo);
    }
    if text.starts_with(b"Memory cgroup stats for ") {
        return memcg_stats(text);
    }
    if let Some((pages, rest)) = number(text) {
        let ram = rest.starts_with(b" pages RAM") || rest.starts_with(b" pages of RAM");
        return ram.then_some(Record::Ram(pages));
    }
    usage(text)
        .or_else(|| zone(text))
        .or_else(|| page_size(text))
        .or_else(|| pages(text))
        .or_else(|| stat(text))
}

/// A record with several lines in it: of Mem-Info.
fn several(text: &[u8]) -> Option<Record> {
    let mut all = Counters::default();
    for line in text.split(|byte| *byte == b'\n') {
        if let Some(Record::Pages(counters)) = pages(line.trim_ascii()) {
            all.merge(&counters);
        }
    }
    (!all.is_empty()).then_some(Record::Pages(all))
}

fn memcg_stats(text: &[u8]) -> Option<Record> {
    let rest = text.strip_prefix(b"Memory cgroup stats for ")?;
    let end = memchr::memmem::find(rest, b": ").or_else(|| rest.strip_suffix(b":").map(<[u8]>::len))?;
    let (path, pairs) = (rest.get(..end)?, rest.get(end + 1..)?);
    let kib = |key: &[u8]| kib_after(pairs, key);
    let sum = |one: Option<u64>, two: Option<u64>| Some(one?.saturating_add(two?));
    let counters = Counters {
        anon: kib(b" rss:").or_else(|| sum(kib(b"active_anon:"), kib(b"inactive_anon:"))),
        file: sum(kib(b" active_file:"), kib(b"inactive_file:")),
        unevictable: kib(b"unevictable:"),
        shmem: kib(b" shmem:"),
        swap: kib(b" swap:"),
        ..Counters::default()
    };
    Some(Record::MemcgStats(path.to_vec(), counters))
}

fn usage(text: &[u8]) -> Option<Record> {
    if !text.first().is_some_and(|first| b"mks".contains(first)) {
        return None;
    }
    let at = memchr::memmem::find(text, b": usage ")?;
    let of = match text.get(..at)? {
        b"memory" => Of::Memory,
        b"memory+swap" => Of::MemoryAndSwap,
        b"swap" => Of::Swap,
        b"kmem" => Of::Kernel,
        _ => return None,
    };
    let usage = kib_after(text, b": usage ")?;
    Some(Record::Usage(MemcgUsage { of, usage, limit: kib_after(text, b"limit ") }))
}

fn zone(text: &[u8]) -> Option<Record> {
    // Zones have names in capitals, of a node or not.
    if !text.first().is_some_and(u8::is_ascii_uppercase) {
        return None;
    }
    let at = memchr::memmem::find(text.get(..40).unwrap_or(text), b" free:")?;
    let name = text.get(..at)?;
    let zone_like = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b' ';
    if name.len() > 24 || !name.iter().all(zone_like) {
        return None;
    }
    let kib = |key: &[u8]| kib_after(text, key);
    let (free, min, high) = (kib(b" free:")?, kib(b" min:")?, kib(b" high:")?);
    Some(Record::Zone(Zone { name: name.to_vec(), free, min, high }))
}

/// `Node 0 DMA: 1*4kB (U) ...`: the first column is that of single pages.
fn page_size(text: &[u8]) -> Option<Record> {
    if !text.first().is_some_and(u8::is_ascii_uppercase) {
        return None;
    }
    let at = memchr::memmem::find(text.get(..26).unwrap_or(text), b": ")?;
    let (_, rest) = number(text.get(at + 2..)?)?;
    let (size, rest) = number(rest.strip_prefix(b"*")?)?;
    let fits = rest.starts_with(b"kB") && [4, 8, 16, 32, 64, 256].contains(&size) && has(rest, b"*");
    fits.then_some(Record::PageSize(size))
}

fn pages(text: &[u8]) -> Option<Record> {
    let mut found = Counters::default();
    let mut anon = [None, None];
    let mut file = [None, None];
    for word in words(text) {
        let colon = word.iter().position(|byte| *byte == b':')?;
        let (key, value) = (word.get(..colon)?, word.get(colon + 1..)?);
        // In KiB it is the line of a node, which adds up to the same.
        let Some((value, b"")) = number(value) else { return None };
        let place = match key {
            b"active_anon" => &mut anon[0],
            b"inactive_anon" => &mut anon[1],
            b"active_file" => &mut file[0],
            b"inactive_file" => &mut file[1],
            b"unevictable" => &mut found.unevictable,
            b"slab_reclaimable" => &mut found.slab_reclaimable,
            b"slab_unreclaimable" => &mut found.slab_unreclaimable,
            b"shmem" => &mut found.shmem,
            b"pagetables" => &mut found.page_tables,
            b"free" => &mut found.free,
            _ => continue,
        };
        *place = Some(value);
    }
    let sum = |[one, two]: [Option<u64>; 2]| Some(one?.saturating_add(two?));
    (found.anon, found.file) = (sum(anon), sum(file));
    (!found.is_empty()).then_some(Record::Pages(found))
}

/// A line of memory.stat, in bytes.
fn stat(text: &[u8]) -> Option<Record> {
    const KEYS: [&str; 8] = [
        "anon",
        "file",
        "shmem",
        "slab_unreclaimable",
        "slab_reclaimable",
        "pagetables",
        "unevictable",
        "slab",
    ];
    let mut parts = words(text);
    let (key, value) = (parts.next()?, parts.next()?);
    let key = KEYS.iter().find(|known| known.as_bytes() == key)?;
    let (value, rest) = number(value)?;
    (rest.is_empty() && parts.next().is_none()).then_some(Record::Stat(key, value))
}

/// Messages that tell of lost ones.
pub fn lost(text: &[u8]) -> Option<u64> {
    let before_number = |key: &[u8]| number(after(text, key)?).map(|(count, _)| count);
    if has(text, b"printk messages dropped") {
        return before_number(b"** ");
    }
    if has(text, b"kernel messages") {
        return before_number(b"Missed ");
    }
    if has(text, b"lost") && has(text, b"rate-limiting") {
        return before_number(b" lost ").or_else(|| before_number(b"imjournal: "));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_about_memory() {
        let pages = |text: &str| match read(text.as_bytes()) {
            Some(Record::Pages(counters)) => counters,
            other => panic!("{text}: {other:?}"),
        };
        let one = pages("active_anon:7343961 inactive_anon:39 isolated_anon:0");
        assert_eq!((one.anon, one.file), (Some(7_344_000), None));
        let many = pages("active_anon:1 inactive_anon:2\n active_file:3 inactive_file:4\n free:5 shmem:6");
        assert_eq!((many.anon, many.file, many.free, many.shmem), (Some(3), Some(7), Some(5), Some(6)));
        assert_eq!(read(b"Free swap  = 84kB"), Some(Record::SwapFree(84)));
        assert_eq!(read(b"Total swap = 0kB"), Some(Record::SwapTotal(0)));
        // More swap entries are in use than there are: kernels have printed it.
        assert_eq!(read(b"Free swap  = -84kB"), None);
        assert_eq!(read(b"16384 pages of RAM"), Some(Record::Ram(16_384)));
        assert_eq!(read(b"Node 0 DMA: 1*64kB (U) 0*128kB = 64kB"), Some(Record::PageSize(64)));
        assert_eq!(read(b"anon 4096"), Some(Record::Stat("anon", 4096)));
        assert_eq!(read(b"anon_thp 4096"), None);
    }

    #[test]
    fn zones_and_limits() {
        let zone = read(b"Node 0 DMA32 free:122776kB min:6724kB low:8404kB high:10084kB active_anon:3kB");
        assert_eq!(
            zone,
            Some(Record::Zone(Zone {
                name: b"Node 0 DMA32".to_vec(),
                free: 122_776,
                min: 6724,
                high: 10_084
            }))
        );
        let new = read(b"Normal free:540kB boost:0kB min:540kB low:672kB high:804kB");
        assert!(matches!(new, Some(Record::Zone(Zone { free: 540, min: 540, high: 804, .. }))));
        let usage = read(b"memory+swap: usage 4kB, limit 9kB, failcnt 8");
        assert_eq!(
            usage,
            Some(Record::Usage(MemcgUsage { of: Of::MemoryAndSwap, usage: 4, limit: Some(9) }))
        );
        let stats = read(b"Memory cgroup stats for /a b: cache:1KB rss:2KB shmem:3KB swap:4KB inactive_file:5KB active_file:6KB");
        let Some(Record::MemcgStats(path, counters)) = stats else { panic!() };
        assert_eq!(
            (path.as_slice(), counters.anon, counters.shmem, counters.swap),
            (&b"/a b"[..], Some(2), Some(3), Some(4))
        );
    }

    #[test]
    fn lost_messages() {
        assert_eq!(lost(b"imuxsock lost 419 messages from pid 3287 due to rate-limiting"), Some(419));
        assert_eq!(lost(b"** 14 printk messages dropped **"), Some(14));
        assert_eq!(lost(b"Missed 27 kernel messages"), Some(27));
        assert_eq!(lost(b"he lost 3 games"), None);
    }
}
