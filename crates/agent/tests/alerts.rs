//! When somebody is told of swap and pressure, and when not.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // Helpers of tests are tests, too.

use oomguard_agent::alerts::{Sample, Watch, trigger};
use oomguard_agent::event::{Event, SwapStep};
use oomguard_host::psi::Waiting;
use oomguard_spec::policy::{Alerts, SwapUsageAlert, Threshold};
use proptest::prelude::*;

const GIB: u64 = 1 << 30;

fn at(above_percent: u8, for_seconds: u32) -> Option<Threshold> {
    Some(Threshold { above_percent, for_seconds })
}

fn policy() -> Alerts {
    Alerts {
        swap_usage: Some(SwapUsageAlert { warning: at(50, 300), critical: at(80, 0) }),
        memory_pressure: at(10, 60),
        ..Alerts::default()
    }
}

/// A host with 64 GiB of memory, half of it available, and 10 GiB of swap, nothing moving.
fn host(seconds: u64, used_tenths: u64) -> Sample {
    Sample {
        at_ms: seconds * 1000,
        memory_total: 64 * GIB,
        memory_available: 32 * GIB,
        swap_total: 10 * GIB,
        swap_used: used_tenths * GIB,
        swap_moved: 100 * GIB,
        full_avg60: Some(0.0),
    }
}

fn step(events: &[Event]) -> Option<SwapStep> {
    match events {
        [] => None,
        [Event::SwapUsage { step, .. }] => Some(*step),
        other => panic!("{other:?}"),
    }
}

#[test]
fn half_of_swap_warns_after_five_minutes_and_not_before() {
    let mut watch = Watch::new(&policy());
    assert_eq!(step(&watch.sample(&host(0, 6))), None);
    assert_eq!(step(&watch.sample(&host(299, 6))), None);
    assert_eq!(step(&watch.sample(&host(300, 6))), Some(SwapStep::Warning));
    assert_eq!(step(&watch.sample(&host(900, 6))), None, "once");
    // 48 % is under the threshold, but not by enough.
    let almost = Sample { swap_used: 48 * GIB / 10, ..host(901, 0) };
    assert_eq!(step(&watch.sample(&almost)), None);
    assert_eq!(step(&watch.sample(&host(902, 4))), Some(SwapStep::Cleared));
    // A dip starts the time anew.
    assert_eq!(step(&watch.sample(&host(1000, 6))), None);
    assert_eq!(step(&watch.sample(&host(1200, 5))), None);
    assert_eq!(step(&watch.sample(&host(1210, 6))), None);
    assert_eq!(step(&watch.sample(&host(1400, 6))), None);
    assert_eq!(step(&watch.sample(&host(1510, 6))), Some(SwapStep::Warning));
}

#[test]
fn parked_swap_is_never_critical() {
    let mut watch = Watch::new(&policy());
    let steps: Vec<_> = (0..100_000).step_by(5).filter_map(|s| step(&watch.sample(&host(s, 9)))).collect();
    assert_eq!(steps, [SwapStep::Warning]);
}

#[test]
fn critical_when_memory_is_short_and_over_when_it_was_not_for_a_minute() {
    let mut watch = Watch::new(&policy());
    let short = |seconds| Sample { memory_available: 6 * GIB, ..host(seconds, 9) };
    assert_eq!(step(&watch.sample(&host(0, 9))), None);
    assert_eq!(step(&watch.sample(&short(1))), Some(SwapStep::Critical));
    assert_eq!(step(&watch.sample(&host(2, 9))), None);
    assert_eq!(step(&watch.sample(&short(40))), None);
    assert_eq!(step(&watch.sample(&host(41, 9))), None);
    assert_eq!(step(&watch.sample(&host(100, 9))), None);
    assert_eq!(step(&watch.sample(&host(101, 9))), Some(SwapStep::Warning), "parked, and still much");
    assert_eq!(step(&watch.sample(&short(301))), Some(SwapStep::Critical));
    assert_eq!(step(&watch.sample(&host(302, 4))), Some(SwapStep::Cleared));
}

#[test]
fn critical_when_swap_is_moving() {
    let mut watch = Watch::new(&policy());
    let moved = |seconds, mib: u64| Sample { swap_moved: 100 * GIB + (mib << 20), ..host(seconds, 9) };
    assert_eq!(step(&watch.sample(&moved(0, 0))), None);
    assert_eq!(step(&watch.sample(&moved(5, 4000))), None, "too short a time for a rate");
    assert_eq!(step(&watch.sample(&moved(10, 4001))), Some(SwapStep::Critical));
    assert_eq!(step(&watch.sample(&moved(20, 4009))), None, "less than 1 MiB/s is calm");
    assert_eq!(step(&watch.sample(&moved(80, 4009))), Some(SwapStep::Warning));
}

#[test]
fn a_host_without_swap_has_no_swap_alert() {
    let mut watch = Watch::new(&policy());
    let none = |seconds| Sample { swap_total: 0, swap_used: 0, memory_available: 0, ..host(seconds, 0) };
    assert_eq!(step(&watch.sample(&none(0))), None);
    assert_eq!(step(&watch.sample(&none(1000))), None);
    // Swap that is taken away ends the alert.
    let mut watch = Watch::new(&policy());
    watch.sample(&host(0, 6));
    assert_eq!(step(&watch.sample(&host(300, 6))), Some(SwapStep::Warning));
    assert_eq!(step(&watch.sample(&none(301))), Some(SwapStep::Cleared));
}

#[test]
fn pressure_is_high_after_a_minute_and_low_a_fifth_below() {
    let mut watch = Watch::new(&policy());
    let full = |seconds, percent| Sample { full_avg60: Some(percent), ..host(seconds, 0) };
    assert_eq!(watch.sample(&full(0, 12.0)), []);
    assert_eq!(watch.sample(&full(59, 12.0)), []);
    let high = Event::PressureHigh { full_avg60_percent: 12.0, above_percent: 10 };
    assert_eq!(watch.sample(&full(60, 12.0)), [high]);
    assert!(watch.pressure_is_high());
    assert_eq!(watch.sample(&full(61, 9.0)), []);
    assert_eq!(watch.sample(&Sample { full_avg60: None, ..host(62, 0) }), []);
    assert_eq!(watch.sample(&full(63, 8.0)), [Event::PressureLow { full_avg60_percent: 8.0 }]);
}

#[test]
fn a_new_policy_does_not_forget() {
    let mut watch = Watch::new(&policy());
    watch.sample(&host(0, 6));
    assert_eq!(step(&watch.sample(&host(300, 6))), Some(SwapStep::Warning));
    watch.replace(&policy());
    assert_eq!(step(&watch.sample(&host(301, 6))), None, "it was told already");
    let lax = Alerts { swap_usage: Some(SwapUsageAlert { warning: at(90, 0), critical: None }), ..policy() };
    watch.replace(&lax);
    assert_eq!(step(&watch.sample(&host(302, 6))), Some(SwapStep::Cleared));
    watch.replace(&Alerts::default());
    assert_eq!(watch.sample(&host(303, 10)), []);
}

#[test]
fn the_trigger_follows_the_threshold() {
    let with = trigger(&policy());
    assert_eq!((with.waiting, with.stall_us, with.window_us), (Waiting::Full, 100_000, 1_000_000));
    let without = trigger(&Alerts::default());
    assert_eq!((without.waiting, without.stall_us, without.window_us), (Waiting::Some, 150_000, 1_000_000));
}

fn sample() -> impl Strategy<Value = (u64, Sample)> {
    (0u64..400, 0u64..=10, any::<bool>(), 0u64..64, 0.0f64..100.0).prop_map(
        |(seconds, used, short, mib, percent)| {
            let available = if short { GIB } else { 32 * GIB };
            let sample = Sample {
                memory_available: available,
                swap_moved: mib << 20,
                full_avg60: Some(percent),
                ..host(0, used)
            };
            (seconds, sample)
        },
    )
}

/// Puts samples one after the other: each lasts so many seconds, and moves so much swap.
fn in_time(parts: Vec<(u64, Sample)>) -> Vec<Sample> {
    let (mut at_ms, mut swap_moved) = (0, 0);
    let next = |(seconds, sample): (u64, Sample)| {
        at_ms += seconds * 1000;
        swap_moved += sample.swap_moved;
        Sample { at_ms, swap_moved, ..sample }
    };
    parts.into_iter().map(next).collect()
}

proptest! {
    #[test]
    fn each_event_is_a_change_and_none_comes_too_early(parts in prop::collection::vec(sample(), 1..60)) {
        let mut watch = Watch::new(&policy());
        let mut last = SwapStep::Cleared;
        let mut high = false;
        let (mut half_since, mut pressed_since) = (None, None);
        for sample in in_time(parts) {
            let half = sample.swap_used * 2 > sample.swap_total;
            half_since = if half { half_since.or(Some(sample.at_ms)) } else { None };
            let pressed = sample.full_avg60 > Some(10.0);
            pressed_since = if pressed { pressed_since.or(Some(sample.at_ms)) } else { None };
            for event in watch.sample(&sample) {
                match event {
                    Event::SwapUsage { step, was, .. } => {
                        prop_assert_eq!(was, last);
                        prop_assert_ne!(step, was);
                        if step == SwapStep::Warning && was == SwapStep::Cleared {
                            prop_assert!(half_since.is_some_and(|since| sample.at_ms - since >= 300_000));
                        }
                        if step == SwapStep::Critical {
                            prop_assert!(sample.swap_used * 10 > sample.swap_total * 8);
                        }
                        last = step;
                    }
                    Event::PressureHigh { .. } => {
                        prop_assert!(!high);
                        prop_assert!(pressed_since.is_some_and(|since| sample.at_ms - since >= 60_000));
                        high = true;
                    }
                    Event::PressureLow { full_avg60_percent } => {
                        prop_assert!(high && full_avg60_percent <= 8.0);
                        high = false;
                    }
                    other => prop_assert!(false, "{:?}", other),
                }
            }
            prop_assert_eq!((watch.swap_step(), watch.pressure_is_high()), (last, high));
        }
    }

    /// Whatever was before: when memory is there and swap stands still, nobody is paged for long.
    #[test]
    fn parked_swap_ends_every_critical(parts in prop::collection::vec(sample(), 1..40), used in 0u64..=10) {
        let mut watch = Watch::new(&policy());
        let mut last = Sample::default();
        for sample in in_time(parts) {
            watch.sample(&sample);
            last = sample;
        }
        let mut events = 0;
        for seconds in (0..2000).step_by(5) {
            let parked = Sample {
                at_ms: last.at_ms + 1000 + seconds * 1000, swap_moved: last.swap_moved, ..host(0, used)
            };
            events += watch.sample(&parked).len();
            prop_assert!(seconds < 90 || watch.swap_step() != SwapStep::Critical);
        }
        prop_assert!(events <= 4, "{} events of a host that stands still", events);
    }
}
