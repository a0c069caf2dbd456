//! How much swap a host should have, by what was seen on it and what is to run on it; shown as a sum.
//!
//! The rule of thumb (half the memory to all of it) knows only the memory. Here the demand is known or recorded, and swap is
//! what memory does not cover of it.

use oomguard_spec::size::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::facts::Facts;
use crate::swap_decision::room_for_new;

/// The name and version of the form below.
pub const SCHEMA: &str = "oomguard.advise/1";
/// What a large rustc process takes: 3 to 4 GB. The larger is counted, so that the sum is enough.
pub const COMPILER: Bytes = Bytes::gib(4);
/// The smaller of the two.
pub const SMALL_COMPILER: Bytes = Bytes::gib(3);

const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;

/// What is known of a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// MemTotal in bytes.
    pub memory: u64,
    /// What processes hold now, in memory and swap, in bytes.
    pub held_now: u64,
    /// Processors that are on.
    pub cores: Option<u32>,
    /// The load that is expected.
    pub load: Load,
    /// What a recorder has seen.
    pub recorded: Option<Recorded>,
    /// Swap on disk that is on now, in bytes.
    pub swap_now: u64,
    /// The largest swap file that the disk has room for, in bytes. `None`: it is not known.
    pub room: Option<u64>,
}

/// Processes that will run at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Load {
    /// How many.
    pub processes: u32,
    /// What each takes, in bytes.
    pub each: u64,
    /// Whether somebody said so; otherwise it is one for each processor, as cargo and make -j take them.
    pub stated: bool,
}

/// What a recorder has seen. Held is what is not available of memory, and what is used of swap, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Recorded {
    /// The most that was held at once.
    pub peak: u64,
    /// When that was, in seconds since 1970.
    pub peak_at: u64,
    /// The least that was held.
    pub least: u64,
    /// How many records there are.
    pub records: u64,
    /// How much time they span, in seconds, boots together.
    pub seconds: u64,
    /// Whether the OOM killer struck meanwhile: then more was wanted than was ever held.
    pub killed: bool,
}

/// One line of the sum.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Line {
    /// `+`, `-`, `=`, `max` (the larger one counts), `min` (the smaller one counts), or nothing at the beginning.
    pub sign: String,
    /// What is counted.
    pub what: String,
    /// In bytes.
    pub bytes: u64,
    /// Where the number comes from.
    pub from: String,
}

/// What keeps the advice below the demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// Swap beyond the size of memory only makes a host slow for longer.
    Memory,
    /// The disk has no room for more.
    Disk,
}

/// How the advice lies to the rule of thumb.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Beside {
    /// Less than half the memory.
    Below,
    /// Half the memory to all of it.
    Within,
    /// More than the memory.
    Above,
}

/// What half the memory to all of it would be, and why the advice is so beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RuleOfThumb {
    /// 0.5x, in bytes.
    pub low: u64,
    /// 1x, in bytes.
    pub high: u64,
    /// How the advice lies to it.
    pub advice_is: Beside,
    /// Why.
    pub why: String,
}

/// How much swap a host should have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Advice {
    /// `oomguard.advise/1`
    pub schema: String,
    /// What it rests on.
    pub evidence: Evidence,
    /// The sum, line by line.
    pub sum: Vec<Line>,
    /// The swap that is advised, in bytes.
    pub swap: u64,
    /// What keeps it below the demand.
    pub limited_by: Option<Limit>,
    /// How many processes of the load fit into memory and that swap; at most as many as are expected.
    pub processes_that_fit: u32,
    /// What the rule of thumb would give.
    pub rule_of_thumb: RuleOfThumb,
    /// What a person should know beside it.
    pub notes: Vec<String>,
}

impl Evidence {
    /// Out of a host's facts. The load is the one that is stated, or else a compiler for each processor.
    #[must_use]
    pub fn of(facts: &Facts, cores: Option<u32>, load: Option<Load>, recorded: Option<Recorded>) -> Self {
        let memory = &facts.memory;
        let in_memory = memory.mem_total.saturating_sub(memory.mem_available.unwrap_or(memory.mem_free));
        let swap = || facts.swap.on_disk();
        let place = facts.swap.place.as_ref();
        let own = place.map_or(0, |place| place.own.iter().map(|file| file.size).max().unwrap_or(0));
        Self {
            memory: memory.mem_total,
            held_now: in_memory.saturating_add(swap().map(|area| area.used).fold(0, u64::saturating_add)),
            cores,
            load: load.unwrap_or(Load { processes: cores.unwrap_or(0), each: COMPILER.0, stated: false }),
            recorded,
            swap_now: swap().map(|area| area.size).fold(0, u64::saturating_add),
            // A new swap file is there before the old one goes; one that is there already needs no room.
            room: place.and_then(room_for_new).map(|room| room.max(own)),
        }
    }
}

/// Works out the swap of a host. More demand never gives less, and the same evidence gives the same advice.
#[must_use]
pub fn advise(evidence: &Evidence) -> Advice {
    let Evidence { memory, load, recorded, room, .. } = evidence;
    let mut sum = Vec::new();
    let mut add = |sign: &str, what: &str, bytes: u64, from: String| {
        sum.push(Line { sign: sign.to_owned(), what: what.to_owned(), bytes, from });
    };
    let rest = recorded.map_or(evidence.held_now, |recorded| recorded.least);
    let from = recorded.map_or_else(|| "in use now".to_owned(), |seen| format!("minimum of {}", span(&seen)));
    add("", "in use without the load", rest, from);
    let compilers = u64::from(load.processes).saturating_mul(load.each);
    add("+", &format!("{} processes of the load", load.processes), compilers, load_words(evidence));
    let mut demand = rest.saturating_add(compilers);
    add("=", "demand", demand, "sum of both".to_owned());
    if let Some(seen) = recorded {
        add("max", "the recorded peak", seen.peak, format!("maximum of {}", span(seen)));
        demand = demand.max(seen.peak);
    }
    let spare = memory / 10;
    add("+", "memory that stays free", spare, "a tenth, for the kernel and files".to_owned());
    add("-", "memory", *memory, "MemTotal".to_owned());
    let wanted = demand.saturating_add(spare).saturating_sub(*memory);
    add("=", "not covered by memory", wanted, "for swap to cover".to_owned());
    let least = (memory / 2).min(4 * GIB);
    let covered = wanted < least;
    if covered {
        // What nobody needs has a place, and a peak has a warning before it has a victim.
        let why = "4 GiB, or half of a small memory";
        add("max", "useful minimum", least, why.to_owned());
    }
    let rounded = rounded_up(wanted.max(least));
    add("=", "rounded up", rounded, "to GiB, below 4 GiB to 256 MiB".to_owned());
    let mut swap = rounded;
    let mut limited_by = None;
    let most = rounded_up(*memory);
    if swap > most {
        add("min", "as much as memory", most, "more swap only makes a host slow for longer".to_owned());
        (swap, limited_by) = (most, Some(Limit::Memory));
    }
    if let Some(room) = room.map(rounded_down)
        && swap > room
    {
        add("min", "the room on the disk", room, "a tenth of it or 2 GiB stays free".to_owned());
        (swap, limited_by) = (room, Some(Limit::Disk));
    }
    add("=", "swap", swap, "advised".to_owned());
    let for_load = memory.saturating_add(swap).saturating_sub(spare).saturating_sub(rest);
    let fit = for_load.checked_div(load.each).unwrap_or(u64::MAX).min(u64::from(load.processes));
    Advice {
        schema: SCHEMA.to_owned(),
        sum,
        swap,
        limited_by,
        processes_that_fit: u32::try_from(fit).unwrap_or(u32::MAX),
        rule_of_thumb: beside(evidence, swap, limited_by, covered),
        notes: notes(evidence, swap, limited_by, fit),
        evidence: evidence.clone(),
    }
}

fn span(seen: &Recorded) -> String {
    let time = match seen.seconds {
        seconds if seconds < 120 => format!("{seconds} s"),
        seconds => format!("{} min", seconds / 60),
    };
    format!("{} records over {time}", seen.records)
}

fn load_words(evidence: &Evidence) -> String {
    let each = Bytes(evidence.load.each);
    match (evidence.load.stated, evidence.cores) {
        (true, _) => format!("as given, {each} each"),
        (false, Some(cores)) => format!("one for each of {cores} processors, {each} each"),
        (false, None) => "number of processors unknown; see --compilers".to_owned(),
    }
}

fn beside(evidence: &Evidence, swap: u64, limited_by: Option<Limit>, covered: bool) -> RuleOfThumb {
    let (low, high) = (evidence.memory / 2, evidence.memory);
    let advice_is = match swap {
        swap if swap < low => Beside::Below,
        swap if swap > rounded_up(high) => Beside::Above,
        _ => Beside::Within,
    };
    let why = match (advice_is, limited_by) {
        (_, None) if covered => "memory covers the demand, and this is the useful minimum",
        (Beside::Below, Some(Limit::Disk)) => "the disk has no room for half the memory",
        (Beside::Below, _) => "memory covers most of the demand, so half of it as swap would stay unused",
        (Beside::Within, Some(Limit::Memory)) => {
            "the demand is larger than memory and as much swap; the rule ignores demand, and more swap does not help"
        }
        (Beside::Within, _) => "the demand exceeds memory by an amount within the rule",
        (Beside::Above, _) => "the demand exceeds memory by more than the rule allows",
    };
    RuleOfThumb { low, high, advice_is, why: why.to_owned() }
}

fn notes(evidence: &Evidence, swap: u64, limited_by: Option<Limit>, fit: u64) -> Vec<String> {
    let load = &evidence.load;
    let mut notes = Vec::new();
    match &evidence.recorded {
        None => notes.push(
            "no recording: this uses the expected load; `oomguard recorder run` during a real load makes it more accurate"
                .to_owned(),
        ),
        Some(seen) if seen.killed => notes.push(
            "the OOM killer ran during the recording: the real demand is larger than the recorded peak".to_owned(),
        ),
        Some(_) => {}
    }
    if let Some(limit) = limited_by {
        let what = match limit {
            Limit::Memory => "memory and swap",
            Limit::Disk => "memory and what the disk has room for",
        };
        match fit {
            fit if fit >= u64::from(load.processes) => {}
            0 => notes.push(format!("no process of the load fits into {what}: use another host")),
            fit => notes.push(format!(
                "{fit} of {} processes of the load fit into {what}: run at most that many at a time",
                load.processes
            )),
        }
    }
    if !load.stated && load.processes > 0 && load.each == COMPILER.0 {
        let less = u64::from(load.processes).saturating_mul(COMPILER.0 - SMALL_COMPILER.0);
        notes.push(format!(
            "a compiler uses 3 to 4 GB, and this counts 4; with 3 the demand is {} less",
            Bytes(less)
        ));
    }
    if evidence.swap_now.saturating_add(MIB) >= swap && evidence.swap_now > 0 {
        notes.push(format!("the {} of swap that are on are enough", Bytes(evidence.swap_now)));
    }
    notes
}

fn rounded_up(bytes: u64) -> u64 {
    let step = if bytes >= 4 * GIB { GIB } else { 256 * MIB };
    bytes.div_ceil(step).saturating_mul(step)
}

fn rounded_down(bytes: u64) -> u64 {
    let step = if bytes >= 4 * GIB { GIB } else { 64 * MIB };
    bytes / step * step
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn evidence(memory: u64, processes: u32) -> Evidence {
        Evidence {
            memory: memory * GIB,
            held_now: 2 * GIB,
            cores: Some(processes),
            load: Load { processes, each: COMPILER.0, stated: false },
            recorded: None,
            swap_now: 0,
            room: None,
        }
    }

    #[test]
    fn of_the_ci_server_of_the_incident() {
        // 64 GiB, 20 compilers: 2 + 80 + 6.4 - 64.
        let advice = advise(&evidence(64, 20));
        assert_eq!((advice.swap, advice.limited_by), (25 * GIB, None));
        assert_eq!((advice.rule_of_thumb.low, advice.rule_of_thumb.advice_is), (32 * GIB, Beside::Below));
        // With 32 compilers no swap makes up for the memory that is missing.
        let advice = advise(&evidence(64, 32));
        assert_eq!((advice.swap, advice.limited_by), (64 * GIB, Some(Limit::Memory)));
        assert_eq!(advice.processes_that_fit, 29);
        assert!(advice.notes.iter().any(|note| note.contains("29 of 32")), "{:?}", advice.notes);
    }

    #[test]
    fn what_was_recorded_counts_where_it_is_more_and_the_disk_has_the_last_word() {
        let seen =
            Recorded { peak: 90 * GIB, peak_at: 0, least: GIB, records: 900, seconds: 900, killed: true };
        let with = Evidence { recorded: Some(seen), ..evidence(64, 4) };
        let advice = advise(&with);
        assert_eq!(advice.swap, 33 * GIB, "90 + 6.4 - 64");
        assert!(advice.notes[0].contains("the OOM killer ran"), "{:?}", advice.notes);
        let full = Evidence { room: Some(10 * GIB + 5), ..with };
        let advice = advise(&full);
        assert_eq!((advice.swap, advice.limited_by), (10 * GIB, Some(Limit::Disk)));
    }

    #[test]
    fn a_host_with_more_than_enough_memory_still_has_a_little() {
        assert_eq!(advise(&evidence(256, 0)).swap, 4 * GIB);
        let small = advise(&evidence(1, 0));
        assert_eq!((small.swap, small.limited_by), (GIB, Some(Limit::Memory)), "what it holds does not fit");
    }

    fn any_evidence() -> impl Strategy<Value = Evidence> {
        let bytes = || prop_oneof![0..(1u64 << 42), any::<u64>()];
        let recorded = (bytes(), bytes(), any::<bool>()).prop_map(|(one, other, killed)| Recorded {
            peak: one.max(other),
            peak_at: 0,
            least: one.min(other),
            records: 1,
            seconds: 0,
            killed,
        });
        (
            bytes(),
            bytes(),
            prop::option::of(0u32..512),
            (0u32..1000, bytes(), any::<bool>()),
            prop::option::of(recorded),
            bytes(),
            prop::option::of(bytes()),
        )
            .prop_map(
                |(memory, held_now, cores, (processes, each, stated), recorded, swap_now, room)| Evidence {
                    memory,
                    held_now,
                    cores,
                    load: Load { processes, each, stated },
                    recorded,
                    swap_now,
                    room,
                },
            )
    }

    /// The sum as somebody with a pencil does it.
    fn by_hand(sum: &[Line]) -> Vec<(u64, u64)> {
        let mut so_far = 0u64;
        let mut results = Vec::new();
        for line in sum {
            match line.sign.as_str() {
                "" => so_far = line.bytes,
                "+" => so_far = so_far.saturating_add(line.bytes),
                "-" => so_far = so_far.saturating_sub(line.bytes),
                "max" => so_far = so_far.max(line.bytes),
                "min" => so_far = so_far.min(line.bytes),
                "=" if line.what == "rounded up" => {
                    assert!(line.bytes >= so_far && (line.bytes - so_far < GIB || so_far > u64::MAX - GIB));
                    so_far = line.bytes;
                }
                "=" => results.push((so_far, line.bytes)),
                other => panic!("{other}"),
            }
        }
        results
    }

    proptest! {
        #[test]
        fn the_sum_is_right_and_its_end_is_the_advice(evidence in any_evidence()) {
            let advice = advise(&evidence);
            for (is, said) in by_hand(&advice.sum) {
                prop_assert_eq!(is, said, "{:#?}", advice.sum);
            }
            prop_assert_eq!(advice.sum.last().map(|line| line.bytes), Some(advice.swap));
        }

        #[test]
        fn it_covers_the_demand_or_says_why_not(evidence in any_evidence()) {
            let advice = advise(&evidence);
            let rest = evidence.recorded.map_or(evidence.held_now, |seen| seen.least);
            let load = u64::from(evidence.load.processes).saturating_mul(evidence.load.each);
            let demand = rest.saturating_add(load).max(evidence.recorded.map_or(0, |seen| seen.peak));
            let covered = evidence.memory.saturating_add(advice.swap) >= demand.saturating_add(evidence.memory / 10);
            prop_assert!(covered || advice.limited_by.is_some(), "{:#?}", advice);
            prop_assert!(evidence.room.is_none_or(|room| advice.swap <= room));
            prop_assert!(advice.swap <= rounded_up(evidence.memory).max(4 * GIB));
            prop_assert!(advice.processes_that_fit <= evidence.load.processes);
            if covered && advice.limited_by.is_none() && demand < u64::MAX / 2 && evidence.load.each > 0 {
                prop_assert_eq!(advice.processes_that_fit, evidence.load.processes);
            }
        }

        #[test]
        fn more_demand_never_gives_less(evidence in any_evidence(), more in 0u64..(1 << 40), processes in 0u32..100) {
            let less = advise(&evidence).swap;
            let mut larger = evidence.clone();
            larger.load.processes = larger.load.processes.saturating_add(processes);
            larger.load.each = larger.load.each.saturating_add(more);
            prop_assert!(advise(&larger).swap >= less);
            let mut peak = evidence;
            if let Some(seen) = &mut peak.recorded {
                seen.peak = seen.peak.saturating_add(more);
            }
            prop_assert!(advise(&peak).swap >= less);
        }
    }
}
