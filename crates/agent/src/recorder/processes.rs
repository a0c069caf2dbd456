//! The largest and the fastest growing processes, found with as few reads as will do.
//!
//! `statm` is one line of numbers that the kernel keeps anyway, and no lock of the process is taken for it; what a process has
//! in swap is in `status` alone, which costs three times as much. So `status` is read of the few that are recorded, of
//! those whose resident memory shrank (it may have gone to swap), and of the others by turns. `smaps` walks page tables
//! and is never read.

use std::cmp::Reverse;

use oomguard_host::proc::{cgroup, oom_score_adj, stat, statm, status};
use oomguard_host::scan::{HeldFile, Scan};
use oomguard_host::{Host, Result};

use super::record::{NAME, OF_EACH, Process, cut_name};

/// Room for so many processes is there from the start.
const ROOM: usize = 4096;
/// A thread of the kernel or a zombie is looked at again once in so many records in which somebody was started: its number
/// may be another's by then.
const IDLE_TURNS: u32 = 16;
/// A small process that did not grow is looked at once in so many calm records, while the memory of all together stays, and
/// a large one more often.
const STEADY_TURNS: u32 = 24;
const LARGE_TURNS: u32 = 6;
/// Smaller than this is small.
const SMALL: u64 = 16 << 20;
/// When all processes together hold so much more or less than when that was so the last time, each of them is looked at.
const MOVED: u64 = 2 << 20;
/// Swap of the others is looked at once in so many records.
const SWAP_TURNS: u32 = 16;
/// Resident memory that shrank by so much may have gone to swap.
const SHRUNK: u64 = 256 << 10;
/// The list of processes is read anew once in so many calm records, although none seems to have started.
const LIST_TURNS: u32 = 24;
/// So many new numbers are looked at one by one.
const A_FEW: u32 = 8;
/// Name, unit and score are read again once in so many records: seldom while nobody is started.
const DETAIL_TURNS: u32 = 6;
const QUIET_DETAIL_TURNS: u32 = 72;

/// What is known of every process.
#[derive(Clone, Copy, Debug)]
struct Known {
    pid: i32,
    rss: u64,
    swap: u64,
    /// When both were read, in microseconds since the boot.
    read_us: u64,
    /// Bytes a second.
    growth: i64,
}

impl Known {
    fn size(&self) -> u64 {
        self.rss + self.swap
    }
}

/// What is known of those that were recorded.
#[derive(Debug, Default)]
struct Details {
    pid: i32,
    start_time: u64,
    name: String,
    unit: String,
    score: i32,
    round: u32,
}

/// What is known of a host before its processes are looked at.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Microseconds since the boot.
    pub now_us: u64,
    /// Whether records are taken at the fast rate.
    pub pressed: bool,
    /// Whether anything is in swap.
    pub swapping: bool,
    /// What all processes hold together, in bytes: AnonPages and Shmem.
    pub held: u64,
}

/// All processes of a host, as they were when they were last looked at.
#[derive(Debug)]
pub struct Table {
    scan: Scan,
    /// Says which process or thread was started last, see [`newest`].
    loadavg: Option<HeldFile>,
    newest: Option<u32>,
    held: u64,
    page: u64,
    pids: Vec<i32>,
    known: Vec<Known>,
    /// What `known` becomes; kept for its room.
    fresh: Vec<Known>,
    order: Vec<u32>,
    details: Vec<Details>,
    round: u32,
    last_us: u64,
}

impl Table {
    pub(super) fn new(host: &Host) -> Result<Self> {
        Ok(Self {
            scan: host.scan()?,
            loadavg: host.hold("/proc/loadavg", 128).ok(),
            newest: None,
            held: 0,
            page: host.page_size(),
            pids: Vec::with_capacity(ROOM),
            known: Vec::with_capacity(ROOM),
            fresh: Vec::with_capacity(ROOM),
            order: Vec::with_capacity(ROOM),
            details: Vec::with_capacity(4 * OF_EACH),
            round: 0,
            last_us: 0,
        })
    }

    /// How many processes there were.
    pub(super) fn count(&self) -> usize {
        self.pids.len()
    }

    /// Looks at all processes, and puts those that matter into `out`. Whether the host is quiet: nobody was started since the
    /// last time, and nobody grew by much.
    pub(super) fn take(&mut self, moment: Moment, out: &mut Vec<Process>) -> Result<bool> {
        let Moment { now_us, pressed, swapping, held } = moment;
        self.round = self.round.wrapping_add(1);
        let newest = self.loadavg.as_mut().and_then(|file| newest(file.read().ok()?));
        let nobody_new = match (self.newest, newest) {
            (Some(before), Some(now)) => before == now || self.are_threads_of_the_kernel(before, now),
            _ => false,
        };
        let moved = held.abs_diff(self.held) >= MOVED;
        if moved {
            self.held = held;
        }
        // A process that has just started may seem to hold nothing, as a thread of the kernel does, where the kernel counts
        // roughly (Linux 6.2 to 6.16, many processors): what it comes to hold shows in all that is held.
        if pressed || moved || !nobody_new || self.round.is_multiple_of(LIST_TURNS) {
            self.scan.pids(&mut self.pids)?;
        }
        self.newest = newest;
        let quiet = nobody_new && !moved && !pressed;
        self.look(now_us, quiet, swapping);
        self.last_us = now_us;
        self.choose();
        for index in 0..self.order.len() {
            let known = &mut self.known[self.order[index] as usize];
            if swapping {
                swap_of(&mut self.scan, known);
            }
            let known = *known;
            self.describe(known.pid, if quiet { QUIET_DETAIL_TURNS } else { DETAIL_TURNS });
        }
        let known = &self.known;
        self.order.sort_unstable_by_key(|index| Reverse(known[*index as usize].size()));
        self.fill(out);
        Ok(quiet)
    }

    /// Whether all that started between two calls, and lives, is the kernel's: it starts a worker now and then on the quietest
    /// host. Numbers are given in ascending order.
    fn are_threads_of_the_kernel(&mut self, before: u32, now: u32) -> bool {
        let is_one = |pid: u32| {
            let statm = i32::try_from(pid).ok().and_then(|pid| self.scan.read(pid, "statm"));
            statm.is_none_or(|bytes| statm::parse_resident(bytes).is_ok_and(|resident| resident == 0))
        };
        now > before && now - before <= A_FEW && (before + 1..=now).all(is_one)
    }

    fn look(&mut self, now_us: u64, quiet: bool, swapping: bool) {
        self.fresh.clear();
        let mut old = self.known.iter().peekable();
        for &pid in &self.pids {
            while old.next_if(|known| known.pid < pid).is_some() {}
            let before = old.next_if(|known| known.pid == pid).copied();
            let turn = |turns: u32| (self.round.wrapping_add(pid as u32)).is_multiple_of(turns);
            if let Some(before) = before {
                let idle = before.size() == 0 && (quiet || !turn(IDLE_TURNS));
                let turns = if before.size() < SMALL { STEADY_TURNS } else { LARGE_TURNS };
                let steady = quiet && before.growth == 0 && !turn(turns);
                if idle || steady {
                    self.fresh.push(before);
                    continue;
                }
            }
            let Some(resident) =
                self.scan.read(pid, "statm").and_then(|bytes| statm::parse_resident(bytes).ok())
            else {
                continue;
            };
            let rss = resident.saturating_mul(self.page);
            let then = before.unwrap_or(Known { pid, rss: 0, swap: 0, read_us: self.last_us, growth: 0 });
            let mut known = Known { rss, read_us: now_us, ..then };
            let may_have_swap = before.is_none() || rss + SHRUNK <= then.rss || turn(SWAP_TURNS);
            if swapping && rss > 0 && may_have_swap {
                swap_of(&mut self.scan, &mut known);
            } else if !swapping {
                known.swap = 0;
            }
            known.growth = growth(&then, &known);
            self.fresh.push(known);
        }
        std::mem::swap(&mut self.known, &mut self.fresh);
    }

    /// Puts the largest and the fastest growing into `order`.
    fn choose(&mut self) {
        let known = &self.known;
        self.order.clear();
        self.order.extend((0..known.len() as u32).filter(|index| known[*index as usize].size() > 0));
        let largest = |index: &u32| Reverse(known[*index as usize].size());
        if self.order.len() <= 2 * OF_EACH {
            return;
        }
        self.order.select_nth_unstable_by_key(OF_EACH - 1, largest);
        let rest = &mut self.order[OF_EACH..];
        rest.select_nth_unstable_by_key(OF_EACH - 1, |index| Reverse(known[*index as usize].growth));
        self.order.truncate(2 * OF_EACH);
        // The second half is for those that grow.
        let mut at = 0;
        self.order.retain(|index| {
            at += 1;
            at <= OF_EACH || known[*index as usize].growth > 0
        });
    }

    /// Reads who a process is, unless that was done a short while ago.
    fn describe(&mut self, pid: i32, turns: u32) {
        let place = match self.details.iter().position(|details| details.pid == pid) {
            Some(place) if self.round.wrapping_sub(self.details[place].round) < turns => return,
            Some(place) => place,
            None if self.details.len() < 4 * OF_EACH => {
                self.details.push(Details::default());
                self.details.len() - 1
            }
            // There are more places than processes in a record, so the oldest is of nobody who is in this one.
            None => {
                let round = self.round;
                let age = |details: &Details| round.wrapping_sub(details.round);
                (0..self.details.len()).max_by_key(|place| age(&self.details[*place])).unwrap_or(0)
            }
        };
        let Some(details) = self.details.get_mut(place) else { return };
        details.pid = pid;
        details.round = self.round;
        details.name.clear();
        details.unit.clear();
        details.score = 0;
        if let Some(stat) = self.scan.read(pid, "stat").and_then(|bytes| stat::parse(bytes).ok()) {
            details.start_time = stat.start_time;
            details.name.push_str(&stat.comm);
        }
        if let Some(group) = self.scan.read(pid, "cgroup").and_then(|bytes| cgroup::parse(bytes).ok()) {
            let path = group.systemd_path().unwrap_or("/");
            let unit = cgroup::nearest_unit(path).unwrap_or("");
            details.unit.push_str(cut_name(unit, NAME));
        }
        if let Some(score) = self.scan.read(pid, "oom_score_adj").and_then(|b| oom_score_adj::parse(b).ok()) {
            details.score = score;
        }
    }

    fn fill(&self, out: &mut Vec<Process>) {
        out.resize_with(self.order.len(), Process::default);
        for (place, index) in out.iter_mut().zip(&self.order) {
            let known = &self.known[*index as usize];
            place.pid = known.pid;
            place.rss = known.rss;
            place.swap = known.swap;
            place.growth = known.growth;
            place.name.clear();
            place.unit.clear();
            if let Some(details) = self.details.iter().find(|details| details.pid == known.pid) {
                place.start_time = details.start_time;
                place.name.push_str(&details.name);
                place.unit.push_str(&details.unit);
                place.score = details.score;
            }
        }
    }
}

/// The process or thread that was created last, from /proc/loadavg (proc_loadavg(5), its last field). While it stays the same, the list
/// of processes has lost some at most, and listing /proc costs more than all else that a calm record takes.
fn newest(loadavg: &[u8]) -> Option<u32> {
    std::str::from_utf8(loadavg).ok()?.split_ascii_whitespace().nth(4)?.parse().ok()
}

fn swap_of(scan: &mut Scan, known: &mut Known) {
    let memory = scan.read(known.pid, "status").and_then(|bytes| status::parse_memory(bytes).ok()?);
    if let Some(memory) = memory {
        known.swap = memory.swap;
    }
}

fn growth(then: &Known, now: &Known) -> i64 {
    let time = now.read_us.saturating_sub(then.read_us);
    // The first look at a host says nothing about growth.
    if then.read_us == 0 || time == 0 {
        return 0;
    }
    let grown = i128::from(now.size()) - i128::from(then.size());
    i64::try_from(grown * 1_000_000 / i128::from(time)).unwrap_or(0)
}
