//! A recorder's file as records again, whatever its bytes are.

use oomguard_host::clock::Moment;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::format::{self, PAGE, Page};
use super::record::Record;

/// What a recorder's file holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recording {
    /// The boots, the oldest first.
    pub boots: Vec<Boot>,
    /// How many pages held something that is no whole record: torn by a power cut, or written while they were read.
    pub torn: usize,
    /// Why the first page is not as this version writes it, when it is not. Records are read all the same.
    pub damaged: Option<String>,
}

/// What was recorded in one boot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Boot {
    /// /proc/sys/kernel/random/boot_id
    pub id: String,
    /// Its records, the oldest first.
    pub records: Vec<Timed>,
}

/// A record with its number and time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Timed {
    /// Numbers go up by one; a gap is a record that was lost.
    pub number: u64,
    /// Microseconds since 1970, by a clock that somebody may have set.
    pub time_us: u64,
    /// Microseconds since the boot.
    pub since_boot_us: u64,
    /// What was seen.
    #[serde(flatten)]
    pub record: Record,
}

impl Recording {
    /// How many records there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.boots.iter().map(|boot| boot.records.len()).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The last record of all.
    #[must_use]
    pub fn last(&self) -> Option<&Timed> {
        self.boots.last()?.records.last()
    }

    /// The records of the 15 minutes up to the last OOM kill that the kernel counted while it was recorded; `None` when
    /// there was none.
    #[must_use]
    pub fn before_last_kill(&self) -> Option<&[Timed]> {
        let window_us = u64::try_from(super::WINDOW.as_micros()).unwrap_or(u64::MAX);
        self.boots.iter().rev().find_map(|boot| {
            let kills = |timed: &Timed| timed.record.counters.oom_kills;
            let last = boot.records.windows(2).rposition(|pair| kills(&pair[0]) < kills(&pair[1]))? + 1;
            let since = boot.records[last].since_boot_us.saturating_sub(window_us);
            let first = boot.records.iter().position(|timed| timed.since_boot_us >= since)?;
            boot.records.get(first..=last)
        })
    }

    /// The same without the records that were taken before a moment (microseconds since 1970).
    #[must_use]
    pub fn since(mut self, time_us: u64) -> Self {
        for boot in &mut self.boots {
            boot.records.retain(|record| record.time_us >= time_us);
        }
        self.boots.retain(|boot| !boot.records.is_empty());
        self
    }
}

/// Reads the bytes of a recorder's file. Any bytes are read; pages that hold no whole record are counted.
#[must_use]
pub fn read(bytes: &[u8]) -> Recording {
    let mut pages: Vec<Page> = Vec::new();
    let mut torn = 0;
    for page in bytes.chunks(PAGE).skip(1) {
        match format::decode(page) {
            Some(page) => pages.push(page),
            None if page.iter().all(|byte| *byte == 0) => {}
            None => torn += 1,
        }
    }
    pages.sort_by_key(|page| page.number);
    let mut boots: Vec<(format::BootId, Boot)> = Vec::new();
    for Page { number, boot, moment: Moment { since_boot_us, real_us }, mut record } in pages {
        if boots.last().is_none_or(|(id, _)| *id != boot) {
            boots.push((boot, Boot { id: format::boot_text(&boot), records: Vec::new() }));
        }
        clean(&mut record);
        if let Some((_, last)) = boots.last_mut() {
            last.records.push(Timed { number, time_us: real_us, since_boot_us, record });
        }
    }
    Recording {
        boots: boots.into_iter().map(|(_, boot)| boot).collect(),
        torn,
        damaged: format::foreign(bytes.get(..PAGE).unwrap_or(bytes), bytes.len() as u64),
    }
}

/// Names come from processes, and the file from anywhere: nothing in them steers a terminal or fills a screen, and a
/// number that is none is none.
fn clean(record: &mut Record) {
    let name = |text: &mut String, most: usize| {
        if text.len() > most || text.contains(oomguard_text::is_unsafe) {
            *text = oomguard_text::shown(text.as_str(), most);
        }
    };
    for process in &mut record.processes {
        name(&mut process.name, 64);
        name(&mut process.unit, 256);
    }
    for cgroup in &mut record.cgroups {
        name(&mut cgroup.path, 256);
    }
    if let Some(pressures) = &mut record.pressure {
        for pressure in [&mut pressures.memory, &mut pressures.cpu, &mut pressures.io] {
            for waited in [Some(&mut pressure.some), pressure.full.as_mut()].into_iter().flatten() {
                for share in [&mut waited.avg10, &mut waited.avg60] {
                    *share = if share.is_finite() { share.clamp(0.0, 100.0) } else { 0.0 };
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timed(seconds: u64, oom_kill: u64) -> Timed {
        let mut timed = Timed { since_boot_us: seconds * 1_000_000, ..Timed::default() };
        timed.record.counters.oom_kills = Some(oom_kill);
        timed
    }

    fn boot(records: &[(u64, u64)]) -> Boot {
        let records = records.iter().map(|(seconds, kills)| timed(*seconds, *kills)).collect();
        Boot { id: String::new(), records }
    }

    #[test]
    fn the_minutes_before_a_kill_end_with_the_record_that_first_counts_it() {
        let seconds = |boots: Vec<Boot>| -> Option<Vec<u64>> {
            let recording = Recording { boots, ..Recording::default() };
            let records = recording.before_last_kill()?;
            Some(records.iter().map(|timed| timed.since_boot_us / 1_000_000).collect())
        };
        let calm = boot(&[(10, 3), (20, 3)]);
        assert_eq!(seconds(vec![calm.clone()]), None, "killed before it was recorded");
        let killed = boot(&[(10, 0), (20, 1), (30, 1), (40, 2), (50, 2)]);
        assert_eq!(seconds(vec![killed.clone()]), Some(vec![10, 20, 30, 40]));
        assert_eq!(seconds(vec![killed, calm]), Some(vec![10, 20, 30, 40]), "in the boot before");
        let long = boot(&[(10, 0), (200, 0), (1000, 1)]);
        assert_eq!(seconds(vec![long]), Some(vec![200, 1000]), "15 minutes, no more");
    }
}
