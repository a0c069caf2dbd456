//! Before the kill an incident, as a recorder kept them.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::shown;

/// What a recorder has of the time before an incident, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Minutes {
    /// The samples.
    pub samples: Vec<Sample>,
}

/// One look at the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sample {
    /// Seconds since 1970, UTC.
    pub at: i64,
    /// MemTotal in KiB.
    pub mem_total_kib: u64,
    /// MemAvailable in KiB.
    pub mem_available_kib: u64,
    /// SwapTotal in KiB.
    pub swap_total_kib: u64,
    /// SwapFree in KiB.
    pub swap_free_kib: u64,
    /// The largest processes, by resident and swapped memory.
    pub largest: Vec<Sized>,
}

/// A process and its size.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sized {
    /// Process id.
    pub pid: u32,
    /// Its name.
    pub comm: String,
    /// Resident memory in KiB.
    pub rss_kib: u64,
    /// Swapped out, in KiB.
    pub swap_kib: u64,
}

/// How one program grew over the minutes before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Growth {
    /// Its name.
    pub program: String,
    /// KiB at the first sample.
    pub from_kib: u64,
    /// KiB at its peak.
    pub to_kib: u64,
    /// The seconds until then.
    pub seconds: i64,
    /// How many processes it had then.
    pub processes: usize,
    /// Whether it never got smaller by more than a tenth on the way.
    pub steady: bool,
}

/// A process that grows for at least so long, and never shrinks, leaks.
const LEAK_SECONDS: i64 = 600;

impl Growth {
    /// Whether it looks like a leak rather than like work.
    #[must_use]
    pub fn is_leak(&self) -> bool {
        self.steady
            && self.processes == 1
            && self.seconds >= LEAK_SECONDS
            && self.to_kib > self.from_kib * 3 / 2
    }
}

impl Minutes {
    /// How the program that grew the most did so, up to its peak: the last samples may be from after its end. `None` when
    /// none has grown.
    #[must_use]
    pub fn growth(&self) -> Option<Growth> {
        let all = self.samples.iter().flat_map(|sample| &sample.largest);
        let programs: BTreeSet<&str> = all.map(|process| process.comm.as_str()).collect();
        let grown = programs.into_iter().filter_map(|program| self.growth_of(program));
        grown.max_by_key(|growth| growth.to_kib - growth.from_kib)
    }

    fn growth_of(&self, program: &str) -> Option<Growth> {
        let sizes: Vec<u64> = self.samples.iter().map(|sample| sample.of(program)).collect();
        let (from_kib, to_kib) = (*sizes.first()?, *sizes.iter().max()?);
        let peak = sizes.iter().position(|size| *size == to_kib)?;
        let (first, last) = (self.samples.first()?, self.samples.get(peak)?);
        if to_kib <= from_kib || last.at <= first.at {
            return None;
        }
        let until = sizes.get(..=peak)?;
        Some(Growth {
            program: shown::name(program.as_bytes()),
            from_kib,
            to_kib,
            seconds: last.at - first.at,
            processes: last.largest.iter().filter(|process| process.comm == program).count(),
            steady: until.windows(2).all(|pair| matches!(pair, [one, two] if *two >= one - one / 10)),
        })
    }
}

impl Sample {
    /// What all processes of a program held, in KiB.
    fn of(&self, program: &str) -> u64 {
        let own = self.largest.iter().filter(|process| process.comm == program);
        own.map(|process| process.rss_kib.saturating_add(process.swap_kib)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(at: i64, sizes: &[(&str, u64)]) -> Sample {
        let process = |(number, (comm, rss)): (usize, &(&str, u64))| Sized {
            pid: u32::try_from(number).unwrap(),
            comm: (*comm).to_owned(),
            rss_kib: *rss,
            swap_kib: 0,
        };
        Sample { at, largest: sizes.iter().enumerate().map(process).collect(), ..Sample::default() }
    }

    #[test]
    fn steady_growth_is_a_leak_and_a_burst_is_not() {
        let leak = Minutes {
            samples: (0..20).map(|n| sample(n * 60, &[("a", 100 + 50 * n as u64), ("b", 9)])).collect(),
        };
        let growth = leak.growth().unwrap();
        assert_eq!((growth.program.as_str(), growth.from_kib, growth.to_kib), ("a", 100, 1050));
        assert!(growth.is_leak());
        let work = Minutes { samples: vec![sample(0, &[("a", 1)]), sample(30, &[("a", 500), ("a", 500)])] };
        assert!(!work.growth().unwrap().is_leak());
        assert_eq!(Minutes::default().growth(), None);
    }

    #[test]
    fn growth_is_measured_up_to_the_peak() {
        let minutes = Minutes {
            samples: vec![
                sample(0, &[("a", 1), ("b", 5)]),
                sample(10, &[("a", 400), ("a", 300), ("b", 6)]),
                sample(20, &[("a", 300), ("b", 7)]),
                sample(30, &[("b", 8)]),
            ],
        };
        let growth = minutes.growth().unwrap();
        assert_eq!((growth.program.as_str(), growth.to_kib, growth.seconds), ("a", 700, 10));
        assert_eq!((growth.processes, growth.steady), (2, true));
    }
}
