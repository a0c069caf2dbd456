//! A recorder's records as the minutes before an incident.

use oomguard_agent::recorder::recording::Timed;
use oomguard_incident::{Minutes, Sample, Sized};

/// The same in the words of an incident.
pub fn of(records: &[Timed]) -> Minutes {
    Minutes { samples: records.iter().map(sample).collect() }
}

fn sample(timed: &Timed) -> Sample {
    let (memory, kib) = (&timed.record.memory, |bytes: u64| bytes / 1024);
    let largest = timed.record.processes.iter().map(|process| Sized {
        pid: u32::try_from(process.pid).unwrap_or_default(),
        comm: process.name.clone(),
        rss_kib: kib(process.rss),
        swap_kib: kib(process.swap),
    });
    Sample {
        at: i64::try_from(timed.time_us / 1_000_000).unwrap_or(i64::MAX),
        mem_total_kib: kib(memory.total),
        mem_available_kib: kib(memory.available),
        swap_total_kib: kib(memory.swap_total),
        swap_free_kib: kib(memory.swap_free),
        largest: largest.collect(),
    }
}
