//! What a recording says of the demand: the most that was held at once, and the least.

use oomguard_converge::advise::Recorded;

use super::record::Memory;
use super::recording::Recording;

/// What was held at most and at least, over all boots; `None` when nothing was recorded.
#[must_use]
pub fn of(recording: &Recording) -> Option<Recorded> {
    let all = || recording.boots.iter().flat_map(|boot| &boot.records);
    let most = all().max_by_key(|timed| held(&timed.record.memory))?;
    let least = all().map(|timed| held(&timed.record.memory)).min()?;
    let spans = recording.boots.iter().filter_map(|boot| {
        let (first, last) = (boot.records.first()?, boot.records.last()?);
        Some(last.since_boot_us.saturating_sub(first.since_boot_us))
    });
    Some(Recorded {
        peak: held(&most.record.memory),
        peak_at: most.time_us / 1_000_000,
        least,
        records: u64::try_from(recording.len()).unwrap_or(u64::MAX),
        seconds: spans.fold(0, u64::saturating_add) / 1_000_000,
        killed: recording.before_last_kill().is_some(),
    })
}

/// What cannot be had of memory, and what is used of swap, in bytes.
fn held(memory: &Memory) -> u64 {
    let in_memory = memory.total.saturating_sub(memory.available);
    in_memory.saturating_add(memory.swap_total.saturating_sub(memory.swap_free))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::recording::{Boot, Timed};

    fn timed(second: u64, available: u64, swap_free: u64, kills: u64) -> Timed {
        let mut timed =
            Timed { time_us: second * 1_000_000, since_boot_us: second * 1_000_000, ..Timed::default() };
        timed.record.memory =
            Memory { total: 1000, available, swap_total: 500, swap_free, ..Memory::default() };
        timed.record.counters.oom_kills = Some(kills);
        timed
    }

    #[test]
    fn the_peak_is_of_memory_and_swap_together() {
        assert_eq!(of(&Recording::default()), None);
        let calm = Boot { id: "a".to_owned(), records: vec![timed(10, 900, 500, 0), timed(70, 100, 500, 0)] };
        let full = Boot { id: "b".to_owned(), records: vec![timed(5, 200, 100, 0), timed(25, 300, 400, 1)] };
        let recording = Recording { boots: vec![calm, full], ..Recording::default() };
        let seen = of(&recording).unwrap();
        assert_eq!((seen.peak, seen.peak_at, seen.least), (1200, 5, 100));
        assert_eq!((seen.records, seen.seconds, seen.killed), (4, 80, true));
    }
}
