//! What `recorder show` prints: how memory went, for a tired person or for a program.

use std::collections::BTreeMap;

use jiff::Timestamp;
use oomguard_agent::recorder::record::{Process, Record};
use oomguard_agent::recorder::recording::{Recording, Timed};
use oomguard_spec::size::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Paint, Terminal, counted};

/// So many lines of a boot are shown: the records between them are for programs.
const LINES: usize = 24;
/// So many processes are shown of the last record.
const PROCESSES: usize = 8;

/// What `oomguard recorder show` reports.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// `oomguard.recorder/1`
    pub schema: String,
    /// The boots, the oldest first.
    pub boots: Vec<Boot>,
    /// How many pages held no whole record: torn by a power cut, or written while they were read.
    pub torn: usize,
}

/// What was recorded in one boot.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Boot {
    /// /proc/sys/kernel/random/boot_id
    pub id: String,
    /// Its records, the oldest first.
    pub records: Vec<Timed>,
}

impl Report {
    pub fn new(recording: Recording) -> Self {
        let boots = recording.boots.into_iter().map(|boot| Boot { id: boot.id, records: boot.records });
        Self { schema: "oomguard.recorder/1".to_owned(), boots: boots.collect(), torn: recording.torn }
    }

    /// The report for programs.
    pub fn to_json(&self) -> String {
        super::pretty(self)
    }
}

/// The report for a person: each boot from its beginning to its end, the largest processes of its last record below.
pub fn table(recording: &Recording, terminal: &Terminal) -> String {
    let mut text = String::new();
    for boot in &recording.boots {
        let (Some(first), Some(last)) = (boot.records.first(), boot.records.last()) else { continue };
        let head = format!("Boot {}: {} to {}", boot.id, time(first), time(last));
        let records = counted(boot.records.len(), "record");
        text.push_str(&format!("{}, {records}\n", terminal.paint(Paint::Bold, &head)));
        text.push_str(&lines(&boot.records));
        text.push_str(&processes(&last.record));
        text.push('\n');
    }
    if recording.is_empty() {
        text.push_str("Nothing was recorded in that time.\n");
    }
    if recording.torn > 0 {
        text.push_str(&format!(
            "{} could not be read: torn, or written just now.\n",
            counted(recording.torn, "record")
        ));
    }
    text
}

fn lines(records: &[Timed]) -> String {
    let mut text = format!(
        "  {:<12} {:>10} {:>10} {:>6} {:>6} {:>6} {:>5}  {}\n",
        "time", "available", "swap used", "mem%", "cpu%", "io%", "kills", "largest, fastest growing"
    );
    let mut before: Option<&Timed> = None;
    for timed in chosen(records) {
        let record = &timed.record;
        let share = |pick: fn(&oomguard_agent::recorder::record::Pressures) -> f32| {
            record.pressure.as_ref().map_or("-".to_owned(), |pressure| format!("{:.0}", pick(pressure)))
        };
        let kills = |timed: &Timed| timed.record.counters.oom_kills.unwrap_or(0);
        let killed = before.map_or(0, |before| kills(timed).saturating_sub(kills(before)));
        text.push_str(&format!(
            "  {:<12} {:>10} {:>10} {:>6} {:>6} {:>6} {:>5}  {}\n",
            time_of_day(timed),
            Bytes(record.memory.available).to_string(),
            Bytes(record.memory.swap_total.saturating_sub(record.memory.swap_free)).to_string(),
            share(|pressure| pressure.memory.some.avg10),
            share(|pressure| pressure.cpu.some.avg10),
            share(|pressure| pressure.io.some.avg10),
            if killed == 0 { String::new() } else { killed.to_string() },
            largest(record),
        ));
        before = Some(timed);
    }
    text
}

/// Records in equal steps of time, so that a calm hour does not hide a bad minute's shape; the first and the last are
/// among them, and the one after each OOM kill.
fn chosen(records: &[Timed]) -> Vec<&Timed> {
    let (Some(first), Some(last)) = (records.first(), records.last()) else { return Vec::new() };
    let step = (last.since_boot_us.saturating_sub(first.since_boot_us) / LINES as u64).max(1);
    let mut slots: BTreeMap<(u64, u64), &Timed> = BTreeMap::new();
    let mut kills = first.record.counters.oom_kills;
    for timed in records {
        let slot = timed.since_boot_us.saturating_sub(first.since_boot_us) / step;
        let killed = timed.record.counters.oom_kills != kills;
        kills = timed.record.counters.oom_kills;
        // Of one step the last record; one with a kill stands for itself.
        slots.insert((slot, if killed { timed.number } else { u64::MAX }), timed);
    }
    slots.insert((0, 0), first);
    let mut chosen: Vec<&Timed> = slots.into_values().collect();
    chosen.sort_by_key(|timed| timed.number);
    chosen.dedup_by_key(|timed| timed.number);
    chosen
}

fn largest(record: &Record) -> String {
    let largest = record.processes.iter().max_by_key(|process| size(process));
    let growing = record.processes.iter().max_by_key(|process| process.growth).filter(|one| one.growth > 0);
    let largest = largest.map(|one| format!("{} {}", name(one), Bytes(size(one))));
    let growing = growing.map(|one| format!("{} +{}/s", name(one), Bytes(one.growth.unsigned_abs())));
    [largest, growing].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn processes(record: &Record) -> String {
    let mut text = "  The largest at the end:\n".to_owned();
    for process in record.processes.iter().take(PROCESSES) {
        text.push_str(&format!(
            "  {:>8} {:<16} {:>10} {:>10} in swap, score {:>5}  {}\n",
            process.pid,
            name(process),
            Bytes(process.rss).to_string(),
            Bytes(process.swap).to_string(),
            process.score,
            process.unit,
        ));
    }
    text
}

fn size(process: &Process) -> u64 {
    process.rss.saturating_add(process.swap)
}

fn name(process: &Process) -> &str {
    if process.name.is_empty() { "?" } else { &process.name }
}

fn time(timed: &Timed) -> String {
    let seconds = i64::try_from(timed.time_us / 1_000_000).unwrap_or(0);
    Timestamp::from_second(seconds).map(|time| time.to_string()).unwrap_or_default()
}

/// `14:05:01.25`; the date is in the line above.
fn time_of_day(timed: &Timed) -> String {
    let time = time(timed);
    let clock = time.split_once('T').map_or("", |(_, clock)| clock.trim_end_matches('Z'));
    format!("{clock}.{:02}", timed.time_us / 10_000 % 100)
}
