//! One episode, explained: the victims, what else was lost, the largest processes, the limit, why these victims,
//! the cause with the lines that prove it, and what to change.

mod advice;
mod cause;
mod loss;
mod who;

use std::collections::VecDeque;

pub use advice::policy_of;

use crate::assemble::OomReport;
use crate::episode::Episode;
use crate::minutes::Minutes;
use crate::model::{Before, Cause, Incident, LimitOf, Memory, Scope};
use crate::record::Of;
use crate::shown;

/// Earlier incidents, as far as later ones are compared with them.
#[derive(Debug, Default)]
pub struct History {
    count: u64,
    last: Option<String>,
    recent: VecDeque<(Cause, Option<String>)>,
}

/// How many earlier incidents are compared.
const MAX_COMPARED: usize = 1000;

impl History {
    fn before(&self, incident: &Incident) -> Before {
        let culprit = incident.culprit.as_ref().map(|culprit| culprit.program.clone());
        let alike =
            self.recent.iter().filter(|(cause, who)| *cause == incident.cause && *who == culprit).count();
        Before { count: self.count, alike: alike as u64, last: self.last.clone() }
    }

    fn add(&mut self, incident: &Incident) {
        self.count += 1;
        self.last.clone_from(&incident.start);
        if self.recent.len() >= MAX_COMPARED {
            self.recent.pop_front();
        }
        let culprit = incident.culprit.as_ref().map(|culprit| culprit.program.clone());
        self.recent.push_back((incident.cause, culprit));
    }
}

/// Explains one episode.
#[must_use]
pub fn explain(episode: &Episode, history: &mut History, minutes: Option<&Minutes>) -> Incident {
    let nothing = OomReport::default();
    let main = episode.main.as_ref().unwrap_or(&nothing);
    let one = |all: &std::collections::BTreeSet<Vec<u8>>| match all.len() {
        1 => all.first().map(|path| shown::name(path)),
        _ => None,
    };
    let mut incident = Incident {
        start: episode.start.text(),
        end: episode.end.text(),
        scope: scope(episode),
        oom_memcg: one(&episode.oom_memcgs),
        memcg: one(&episode.memcgs),
        triggers: episode.triggers.clone(),
        kills: episode.kills.clone(),
        kills_left_out: episode.kills_left_out,
        reaped_only: episode.reaped.clone(),
        memory: memory(main),
        kernel: main.release.as_deref().map(shown::name),
        ..Incident::default()
    };
    incident.limit = limit(&incident);
    incident.top_consumers = who::consumers(main, &incident.kills);
    incident.culprit = who::culprit(main, &incident.kills);
    incident.growth = minutes.and_then(Minutes::growth);
    let verdict = cause::verdict(main, &incident);
    (incident.cause, incident.also) = (verdict.cause, verdict.also);
    incident.summary = cause::summary(&incident);
    incident.evidence = cause::evidence(incident.cause, main, &episode.proof);
    incident.why = who::why(main, &incident);
    incident.before = history.before(&incident);
    incident.lost = loss::lost(episode, &incident);
    incident.advice = advice::advice(&incident);
    history.add(&incident);
    incident
}

fn scope(episode: &Episode) -> Scope {
    let known: Vec<Scope> = episode.scopes.iter().copied().filter(|scope| *scope != Scope::Unknown).collect();
    match known.as_slice() {
        [] => Scope::Unknown,
        [one] => *one,
        _ => Scope::Mixed,
    }
}

fn limit(incident: &Incident) -> LimitOf {
    match (incident.scope, &incident.oom_memcg, &incident.memcg) {
        (Scope::Global, ..) => LimitOf::Host,
        (Scope::Memcg, Some(limit), Some(own)) if limit == own => LimitOf::OwnCgroup,
        (Scope::Memcg, Some(_), Some(_)) => LimitOf::ParentCgroup,
        (Scope::Memcg, ..) => LimitOf::Cgroup,
        _ => LimitOf::Unknown,
    }
}

/// A limit above this is none: PAGE_COUNTER_MAX (include/linux/page_counter.h) in KiB, and what older kernels had.
const NO_LIMIT: u64 = 1 << 50;

fn memory(main: &OomReport) -> Memory {
    let kib = |pages: Option<u64>| pages?.checked_mul(main.page_kib?);
    let of = |wanted: Of| main.usages.iter().find(|usage| usage.of == wanted);
    let full = [Of::MemoryAndSwap, Of::Memory].iter().filter_map(|wanted| of(*wanted)).find(|usage| {
        // The limit that was hit: of several, the one that is used up.
        usage.limit.is_some_and(|limit| limit < NO_LIMIT && usage.usage.saturating_add(limit / 100) >= limit)
    });
    let hit = full.or_else(|| of(Of::Memory));
    let host = main.usages.is_empty();
    // In a report of a cgroup there are no counters of the host, and the other way round.
    let pick = |pages: Option<u64>, cgroup: Option<u64>| if host { kib(pages) } else { cgroup };
    let (pages, group) = (&main.pages, &main.memcg);
    let mut memory = Memory {
        ram_kib: kib(main.ram_pages),
        free_kib: kib(pages.free),
        anon_kib: pick(pages.anon, group.anon),
        file_kib: pick(pages.file, group.file),
        shmem_kib: pick(pages.shmem, group.shmem),
        slab_reclaimable_kib: pick(pages.slab_reclaimable, group.slab_reclaimable),
        slab_unreclaimable_kib: pick(pages.slab_unreclaimable, group.slab_unreclaimable),
        page_tables_kib: pick(pages.page_tables, group.page_tables),
        unevictable_kib: pick(pages.unevictable, group.unevictable),
        unexplained_kib: None,
        swap_total_kib: main.swap_total,
        swap_free_kib: main.swap_free,
        usage_kib: hit.map(|usage| usage.usage),
        limit_kib: hit.and_then(|usage| usage.limit).filter(|limit| *limit < NO_LIMIT),
        limit_on: hit
            .map(|usage| if usage.of == Of::MemoryAndSwap { "memory_and_swap" } else { "memory" }.to_owned()),
        swap_limit_kib: of(Of::Swap).and_then(|usage| usage.limit).filter(|limit| *limit < NO_LIMIT),
        page_kib: main.page_kib,
    };
    // Anonymous memory on the LRU lists is counted there; what is locked is on a list of its own.
    let parts = [
        memory.free_kib,
        memory.anon_kib,
        memory.file_kib,
        memory.slab_reclaimable_kib,
        memory.slab_unreclaimable_kib,
        memory.page_tables_kib,
        memory.unevictable_kib,
    ];
    if host && let Some(ram) = memory.ram_kib {
        let explained = parts.iter().try_fold(0u64, |sum, part| sum.checked_add((*part)?));
        memory.unexplained_kib = explained.and_then(|explained| ram.checked_sub(explained));
    }
    memory
}
