//! The cause, from a short list, and the lines that prove it.

use crate::assemble::OomReport;
use crate::minutes::Growth;
use crate::model::{Cause, Culprit, Evidence, Incident, Scope};
use crate::shown::{self, size};

/// The cause, and what contributed.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// The cause.
    pub cause: Cause,
    /// What contributed, without the cause.
    pub also: Vec<Cause>,
}

/// A part of memory that is a cause of its own.
const LARGE_PERCENT: u64 = 40;

/// Swap is full with less than this free. The kernel kills while some pages are still free.
const SWAP_LEFT_PERCENT: u64 = 5;

/// Works out the cause.
pub fn verdict(main: &OomReport, incident: &Incident) -> Verdict {
    let mut found = Vec::new();
    if main.invoked.as_ref().is_some_and(|invoked| invoked.order == Some(-1)) {
        found.push(Cause::Sysrq);
    }
    match incident.scope {
        Scope::Memcg => found.push(Cause::CgroupLimit),
        Scope::Cpuset => found.push(Cause::LowZone),
        _ => {}
    }
    let host = !matches!(incident.scope, Scope::Memcg);
    if host {
        found.extend(zones(main, incident));
    }
    found.extend(filled(incident));
    if host {
        found.extend(swap(incident));
    }
    if incident.culprit.as_ref().is_some_and(|culprit| is_burst(main, culprit)) {
        found.push(Cause::Burst);
    }
    if incident.growth.as_ref().is_some_and(Growth::is_leak) {
        found.push(Cause::Leak);
    }
    let mut seen = Vec::new();
    found.retain(|cause| {
        !seen.contains(cause) && {
            seen.push(*cause);
            true
        }
    });
    let mut causes = found.into_iter();
    Verdict { cause: causes.next().unwrap_or_default(), also: causes.collect() }
}

/// Whether memory was free, and yet not where or as it was asked for.
fn zones(main: &OomReport, incident: &Incident) -> Option<Cause> {
    if main.zones.is_empty() {
        return None;
    }
    let starving = main.zones.iter().any(|zone| zone.free <= zone.min);
    let order = main.invoked.as_ref().and_then(|invoked| invoked.order).unwrap_or(0);
    if order > 0 && !starving {
        return Some(Cause::Fragmentation);
    }
    // The small DMA zone is always free; a tenth of all memory is not a small zone.
    let spare = main.zones.iter().map(|zone| zone.free.saturating_sub(zone.high)).max().unwrap_or(0);
    let much = incident.memory.ram_kib.is_some_and(|ram| spare > ram / 10);
    (starving && much).then_some(Cause::LowZone)
}

/// Whether something else than the processes' own memory filled it.
fn filled(incident: &Incident) -> Vec<Cause> {
    let memory = &incident.memory;
    let Some(all) = memory.limit_kib.or(memory.ram_kib).filter(|all| *all > 0) else { return Vec::new() };
    let large = |part: u64| part.saturating_mul(100) / all >= LARGE_PERCENT;
    let mut found = Vec::new();
    if memory.shmem_kib.is_some_and(large) {
        found.push(Cause::Shmem);
    }
    let kernel =
        memory.slab_unreclaimable_kib.unwrap_or(0).saturating_add(memory.page_tables_kib.unwrap_or(0));
    if large(kernel) {
        found.push(Cause::SlabOrPageTables);
    }
    found
}

fn swap(incident: &Incident) -> Option<Cause> {
    match (incident.memory.swap_total_kib, incident.memory.swap_free_kib) {
        (Some(0), _) => Some(Cause::NoSwap),
        (Some(total), Some(free)) if free.saturating_mul(100) / total.max(1) < SWAP_LEFT_PERCENT => {
            Some(Cause::MemoryAndSwapFull)
        }
        _ => None,
    }
}

/// Many processes of one program, none of them much larger than all the others together.
fn is_burst(main: &OomReport, culprit: &Culprit) -> bool {
    if culprit.processes < 3 || u64::from(culprit.share_percent) < LARGE_PERCENT {
        return false;
    }
    let own = main
        .tasks
        .iter()
        .filter(|task| task.comm.as_deref().map(shown::name).as_deref() == Some(culprit.program.as_str()));
    let sizes = own.map(super::who::held);
    let (sum, most) = sizes.fold((0u64, 0), |(sum, most), one| (sum.saturating_add(one), most.max(one)));
    most.saturating_mul(10) < sum.saturating_mul(6)
}

/// The cause in a sentence.
pub fn summary(incident: &Incident) -> String {
    let memory = &incident.memory;
    let of = |kib: Option<u64>| kib.map(|kib| format!(" of {}", size(kib))).unwrap_or_default();
    let mut text = match incident.cause {
        Cause::NoSwap => format!("memory{} was full and no swap was configured", of(memory.ram_kib)),
        Cause::MemoryAndSwapFull => {
            format!("memory{} and swap{} were full", of(memory.ram_kib), of(memory.swap_total_kib))
        }
        Cause::CgroupLimit => {
            let on = if memory.limit_on.as_deref() == Some("memory_and_swap") {
                " for memory and swap"
            } else {
                ""
            };
            let name = incident.oom_memcg.as_deref().unwrap_or("a cgroup");
            format!("{} reached its limit{}{on}", oomguard_text::shown(name, 160), of(memory.limit_kib))
        }
        Cause::Shmem => match memory.shmem_kib {
            Some(kib) => format!("shared memory or tmpfs files held {}", size(kib)),
            None => incident.cause.words().to_owned(),
        },
        Cause::LowZone if incident.scope == Scope::Cpuset => {
            "the memory nodes allowed by the cpuset were full".to_owned()
        }
        cause => cause.words().to_owned(),
    };
    if let Some(culprit) = &incident.culprit
        && !matches!(incident.cause, Cause::Sysrq | Cause::Shmem | Cause::SlabOrPageTables)
    {
        let held = culprit.rss_kib.map(|rss| size(rss.saturating_add(culprit.swap_kib.unwrap_or(0))));
        let held = held.map_or_else(
            || format!("{}% of all process memory", culprit.share_percent),
            |held| format!("{held} ({}% of all process memory)", culprit.share_percent),
        );
        let who = match culprit.processes {
            1 => culprit.program.clone(),
            many => format!("{many} processes of {}", culprit.program),
        };
        text.push_str(&format!("; {who} held {held}"));
    }
    text
}

/// Lines of the log that prove a cause, by what is in them.
fn needles(cause: Cause) -> &'static [&'static str] {
    match cause {
        Cause::NoSwap | Cause::MemoryAndSwapFull => &["Total swap", "Free swap"],
        Cause::CgroupLimit => &["memory: usage", "memory+swap: usage", "swap: usage", "Task in", "oom-kill:"],
        Cause::Shmem => &["shmem:"],
        Cause::SlabOrPageTables => &["slab_unreclaimable:", "pagetables:"],
        Cause::Fragmentation | Cause::LowZone => &[" min:", "oom-kill:"],
        Cause::Sysrq => &["order=-1"],
        Cause::Leak | Cause::Burst | Cause::Unknown => &[],
    }
}

/// How many lines prove a cause.
const MAX_EVIDENCE: usize = 8;

/// The lines that prove it: the head, what the cause is about, the kill.
pub fn evidence(cause: Cause, main: &OomReport, others: &[Evidence]) -> Vec<Evidence> {
    let about = needles(cause);
    let has = |proof: &Evidence, some: &[&str]| some.iter().any(|needle| proof.text.contains(needle));
    let head = main.proof.iter().filter(|proof| has(proof, &["invoked oom-killer"])).take(1);
    let middle = main.proof.iter().filter(|proof| has(proof, about)).take(MAX_EVIDENCE - 3);
    let end = main.proof.iter().filter(|proof| has(proof, &["Killed process", "no killable"])).take(2);
    let mut found: Vec<Evidence> = head.chain(middle).chain(end).cloned().collect();
    found.extend(others.iter().take(MAX_EVIDENCE.saturating_sub(found.len())).cloned());
    if found.is_empty() {
        found.extend(main.proof.iter().take(MAX_EVIDENCE).cloned());
    }
    found.sort_by_key(|proof| proof.line);
    found.dedup();
    found
}
