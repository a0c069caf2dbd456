//! The order in which the kernel would kill if memory ran out: as things are, under a policy, and with a load added.

pub mod badness;
pub mod candidates;
pub mod load;

use std::cmp::Reverse;
use std::collections::BTreeMap;

use oomguard_host::{Host, Result};
use oomguard_spec::policy::Policy;
use oomguard_spec::size::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::facts::{Facts, Process};
use crate::target_score::{Bound, target_score};
pub use badness::Total;
pub use candidates::Candidate;
pub use load::{Load, LoadError};

/// The order in which the kernel would kill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ranking {
    /// All memory and swap, in bytes: what a score is a share of.
    pub total: u64,
    /// How much of the added load does not fit into what is available now, in bytes; 0 when it all fits.
    pub short_by: u64,
    /// Who is killed, the first one first.
    pub order: Vec<Rank>,
    /// Who is never killed.
    pub never: Vec<Never>,
    /// How many processes could not be read: hidden from this user, or gone.
    pub unread: usize,
}

/// A process in its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rank {
    /// Its number; absent for a load that is only thought of.
    pub pid: Option<i32>,
    /// Its name.
    pub name: String,
    /// The systemd unit that it is in.
    pub unit: Option<String>,
    /// Its resident memory, in bytes.
    pub rss: u64,
    /// What it has in swap, in bytes.
    pub swap: u64,
    /// Its page tables, in bytes.
    pub page_tables: u64,
    /// The oom_score_adj that it is ranked with: its own, or the one that the policy means it to have.
    pub score: i32,
    /// The one that it has now.
    pub score_now: i32,
    /// Its place when every score stays as it is, from 1.
    pub place_now: usize,
    /// The kernel's points, in pages: its size, and what its score is worth.
    pub points: i64,
    /// What /proc/PID/oom_score shows for so many points.
    pub oom_score: u64,
    /// Why it stands where it stands.
    pub why: String,
    /// Whether it is killed before the added load fits.
    pub dies: bool,
}

/// A process that is never killed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Never {
    /// Its number.
    pub pid: i32,
    /// Its name.
    pub name: String,
    /// Why.
    pub why: String,
}

/// The process that would be killed first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct First {
    /// Its number.
    pub pid: i32,
    /// Its name.
    pub name: String,
    /// The systemd unit that it is in.
    pub unit: Option<String>,
    /// What it has in memory and in swap, in bytes.
    pub size: u64,
    /// Its oom_score_adj.
    pub score: i32,
}

/// Who dies first if memory runs out now; `None` when nobody can be seen who would.
///
/// # Errors
/// When /proc cannot be listed.
pub fn first(host: &Host, facts: &Facts) -> Result<Option<First>> {
    // With hidepid this process sees itself alone, and that says nothing.
    if facts.processes.seen <= 1 {
        return Ok(None);
    }
    let total = candidates::total(host, &facts.memory);
    let highest = candidates::highest(host)?;
    let first = highest.into_iter().max_by_key(|candidate| order_of(candidate, candidate.score, total));
    Ok(first.map(|candidate| First {
        pid: candidate.pid,
        size: candidate.memory.rss + candidate.memory.swap,
        score: candidate.score,
        name: candidate.name,
        unit: candidate.unit,
    }))
}

/// Ranks the processes of a host, with `loads` added to them. With a `policy` every process has the score that it means
/// it to have; `facts` say which that is, and must have been read for that policy.
///
/// # Errors
/// When /proc cannot be listed.
pub fn rank(host: &Host, facts: &Facts, policy: Option<&Policy>, loads: &[Load]) -> Result<Ranking> {
    let total = candidates::total(host, &facts.memory);
    let (candidates, unread) = candidates::all(host)?;
    let processes: BTreeMap<i32, &Process> =
        facts.processes.list.iter().map(|process| (process.pid, process)).collect();
    let mut never = Vec::new();
    let mut ranked = Vec::new();
    for candidate in candidates {
        let process = processes.get(&candidate.pid).copied().filter(|p| p.start_time == candidate.start_time);
        let meant = Meant::of(&candidate, process, policy);
        let reason = if candidate.is_passed_over(total) {
            Some(if candidate.pid == 1 { "the first process" } else { "the kernel skips it now" }.to_owned())
        } else {
            (meant.score == -1000).then(|| format!("its score is -1000{}", meant.by()))
        };
        match reason {
            Some(why) => never.push(Never { pid: candidate.pid, name: candidate.name, why }),
            None => ranked.push((candidate, meant)),
        }
    }
    let added = added(loads, policy);
    // Who is never killed as things are has the last place.
    ranked.extend(added);
    ranked.sort_by_key(|(candidate, _)| Reverse(order_of(candidate, candidate.score, total)));
    let mut places: Vec<(usize, Candidate, Meant)> =
        ranked.into_iter().enumerate().map(|(at, (candidate, meant))| (at + 1, candidate, meant)).collect();
    places.sort_by_key(|(_, candidate, meant)| Reverse(order_of(candidate, meant.score, total)));
    let mut order: Vec<Rank> = places
        .into_iter()
        .map(|(place, candidate, meant)| ranked_as(place, candidate, &meant, total))
        .collect();
    let short_by = shortage(facts, loads);
    mark_the_dead(&mut order, short_by);
    Ok(Ranking { total: total.pages * total.page, short_by, order, never, unread })
}

/// The greatest is killed first: the most points, then the youngest. A load that is only thought of is the youngest of all.
fn order_of(candidate: &Candidate, score: i32, total: Total) -> (Option<i64>, u64, i32) {
    let memory = &candidate.memory;
    let points = badness::points(memory.rss, memory.swap, memory.page_tables, score, total);
    (points, candidate.start_time, candidate.pid)
}

/// The score that a process is ranked with, and who says so.
struct Meant {
    score: i32,
    says: Option<String>,
}

impl Meant {
    fn of(candidate: &Candidate, process: Option<&Process>, policy: Option<&Policy>) -> Self {
        let own = || Self { score: candidate.score, says: process.and_then(declared) };
        let (Some(process), Some(policy)) = (process, policy) else { return own() };
        let target = target_score(process, policy);
        match target.bound {
            Bound::Exactly(score) => Self { score, says: Some(target.source) },
            Bound::AtLeast(least) if target.fixable && candidate.score < least => {
                Self { score: least, says: Some(target.source) }
            }
            // What the policy may not touch stays as it is.
            Bound::AtLeast(_) | Bound::Any => own(),
        }
    }

    fn by(&self) -> String {
        self.says.as_ref().map(|says| format!(", by {says}")).unwrap_or_default()
    }
}

/// The unit's setting that gave a process its score.
fn declared(process: &Process) -> Option<String> {
    let setting = process.unit_score.as_ref()?.score.as_ref()?;
    (setting.score() == Some(process.score)).then(|| format!("{}:{}", setting.path, setting.line))
}

fn ranked_as(place_now: usize, candidate: Candidate, meant: &Meant, total: Total) -> Rank {
    let memory = &candidate.memory;
    let points = badness::points(memory.rss, memory.swap, memory.page_tables, meant.score, total);
    Rank {
        pid: (candidate.pid > 0).then_some(candidate.pid),
        rss: memory.rss,
        swap: memory.swap,
        page_tables: memory.page_tables,
        score: meant.score,
        score_now: candidate.score,
        place_now,
        points: points.unwrap_or(i64::MIN),
        oom_score: badness::shown(points, total),
        why: why(&candidate, meant, total),
        dies: false,
        name: candidate.name,
        unit: candidate.unit,
    }
}

fn why(candidate: &Candidate, meant: &Meant, total: Total) -> String {
    let worth = Bytes(total.worth(meant.score).unsigned_abs().saturating_mul(total.page));
    let by = match (&meant.says, candidate.pid) {
        (Some(_), _) => meant.by(),
        (None, 0) => String::new(),
        (None, _) => ", by itself, its parent or its unit".to_owned(),
    };
    let was =
        if meant.score == candidate.score { String::new() } else { format!("; now {}", candidate.score) };
    match meant.score {
        0 => format!("its size alone{}{was}", if meant.says.is_some() { meant.by() } else { String::new() }),
        score if score < 0 => format!("protected: counts {worth} less{by}{was}"),
        _ => format!("expendable: counts {worth} more{by}{was}"),
    }
}

fn added(loads: &[Load], policy: Option<&Policy>) -> Vec<(Candidate, Meant)> {
    let protection = policy.and_then(|policy| policy.oom_protection.as_ref());
    let score = protection.map_or(0, |protection| protection.load.get());
    let says = protection.map(|_| "the policy's load".to_owned());
    let one = |load: &Load| {
        let candidate = Candidate {
            pid: 0,
            start_time: u64::MAX,
            name: load.name.clone(),
            unit: None,
            score,
            memory: oomguard_host::proc::status::Memory { rss: load.size.0, ..Default::default() },
            shown: None,
        };
        (candidate, Meant { score, says: says.clone() })
    };
    loads.iter().flat_map(|load| (0..load.count).map(move |_| one(load))).collect()
}

/// How much of the load does not fit into what is available.
fn shortage(facts: &Facts, loads: &[Load]) -> u64 {
    let wanted = loads.iter().map(|load| load.size.0.saturating_mul(u64::from(load.count)));
    let wanted = wanted.fold(0u64, u64::saturating_add);
    let memory = &facts.memory;
    wanted.saturating_sub(memory.mem_available.unwrap_or(memory.mem_free) + memory.swap_free)
}

fn mark_the_dead(order: &mut [Rank], short_by: u64) {
    let mut freed = 0u64;
    for rank in order {
        if freed >= short_by {
            return;
        }
        rank.dies = true;
        freed = freed.saturating_add(rank.rss + rank.swap);
    }
}
