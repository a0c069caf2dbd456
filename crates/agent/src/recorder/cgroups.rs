//! The cgroups that hold the most memory.

use std::cmp::Reverse;

use oomguard_host::Host;
use oomguard_host::scan::HeldFile;

use super::record::{CGROUPS, Cgroup, NAME, cut_name};

/// What is below a cgroup is looked at only where the cgroup holds as much as this.
const WORTH_A_LOOK: u64 = 8 << 20;
/// So many cgroups are looked at, at most.
const MOST: usize = 512;
/// The tree is walked once in so many records; in between the largest are read again. While nobody is started or grows, one walk
/// in so many is as good.
const CALM_TURNS: u32 = 12;
const PRESSED_TURNS: u32 = 8;
const QUIET_WALKS: u32 = 15;
/// While that is so, the largest are read again in one of so many records, and stand in the others as they were.
const QUIET_READS: u32 = 3;

const UNIFIED: &str = "/sys/fs/cgroup";
const LEGACY: &str = "/sys/fs/cgroup/memory";

/// How the host is, for how often the tree is walked.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Records are taken at the fast rate.
    pub pressed: bool,
    /// No process was started since the last record, and none grew by much.
    pub quiet: bool,
}

/// The cgroups that held the most when the tree was walked.
#[derive(Debug)]
pub struct Cgroups {
    base: &'static str,
    memory: &'static str,
    largest: Vec<Held>,
    round: u32,
    /// The host was not quiet since the last walk.
    stirred: bool,
    /// How many walks in a row were left out since then.
    left_out: u32,
    was_pressed: bool,
}

/// A cgroup whose files are held open, so that reading them again needs no memory.
#[derive(Debug)]
struct Held {
    path: String,
    memory: HeldFile,
    swap: Option<HeldFile>,
}

impl Cgroups {
    pub(super) fn new(host: &Host) -> Self {
        let unified = host.lstat("/sys/fs/cgroup/cgroup.controllers").ok().flatten().is_some();
        let (base, memory) =
            if unified { (UNIFIED, "memory.current") } else { (LEGACY, "memory.usage_in_bytes") };
        Self {
            base,
            memory,
            largest: Vec::with_capacity(CGROUPS),
            round: 0,
            stirred: true,
            left_out: 0,
            was_pressed: false,
        }
    }

    /// Puts the largest cgroups into `out`. A host without the memory controller has none.
    /// Without anything in swap (`swapping`), nobody is asked for its share.
    pub(super) fn take(&mut self, host: &Host, pace: Pace, swapping: bool, out: &mut Vec<Cgroup>) {
        let turns = if pace.pressed { PRESSED_TURNS } else { CALM_TURNS };
        let begins = pace.pressed && !self.was_pressed;
        self.stirred |= !pace.quiet;
        if begins || self.round.is_multiple_of(turns) {
            self.left_out += 1;
            if begins || self.stirred || self.left_out >= QUIET_WALKS {
                self.walk(host);
                (self.stirred, self.left_out) = (false, 0);
            }
        }
        self.round = self.round.wrapping_add(1);
        self.was_pressed = pace.pressed;
        // What they hold besides the processes' memory is cache, which nobody has to be told of within seconds.
        if pace.quiet && !self.round.is_multiple_of(QUIET_READS) && out.len() == self.largest.len() {
            return;
        }
        let mut places = 0;
        out.resize_with(self.largest.len(), Cgroup::default);
        for held in &mut self.largest {
            // A cgroup that is gone is left out until the next walk.
            let Some(memory) = held.memory.read().ok().and_then(amount) else { continue };
            let place = &mut out[places];
            place.path.clear();
            place.path.push_str(&held.path);
            place.memory = memory;
            place.swap = match &mut held.swap {
                Some(file) if swapping => file.read().ok().and_then(amount),
                Some(_) => Some(0),
                None => None,
            };
            places += 1;
        }
        out.truncate(places);
        out.sort_by_key(|cgroup| Reverse(cgroup.memory + cgroup.swap.unwrap_or(0)));
    }

    fn walk(&mut self, host: &Host) {
        let mut found: Vec<(u64, String)> = Vec::new();
        let mut folders = vec![String::new()];
        let mut seen = 0;
        while let Some(folder) = folders.pop() {
            for name in host.subdirectories(&format!("{}{folder}", self.base)).unwrap_or_default() {
                seen += 1;
                let path = format!("{folder}/{name}");
                let file = format!("{}{path}/{}", self.base, self.memory);
                let Some(memory) = host.read(&file).ok().and_then(|bytes| amount(&bytes)) else { continue };
                let swap = host.read(&format!("{}{path}/memory.swap.current", self.base)).ok();
                let held = memory + swap.and_then(|bytes| amount(&bytes)).unwrap_or(0);
                if held >= WORTH_A_LOOK && seen < MOST {
                    folders.push(path.clone());
                }
                found.push((held, path));
            }
        }
        found.sort_unstable_by(|a, b| b.cmp(a));
        found.truncate(CGROUPS);
        self.largest.clear();
        self.largest.extend(found.into_iter().filter_map(|(_, path)| {
            let memory = host.hold(&format!("{}{path}/{}", self.base, self.memory), 32).ok()?;
            let swap = host.hold(&format!("{}{path}/memory.swap.current", self.base), 32).ok();
            Some(Held { path: cut_name(&path, NAME).to_owned(), memory, swap })
        }));
    }
}

fn amount(bytes: &[u8]) -> Option<u64> {
    std::str::from_utf8(bytes).ok()?.trim().parse().ok()
}
