//! Alerts on swap and pressure: pure state machines over samples.

use oomguard_host::psi::{Trigger, Waiting};
use oomguard_spec::policy::{Alerts, SwapUsageAlert, Threshold};

use crate::event::{Event, SwapStep};

/// An alert clears this many percentage points below its threshold.
const SWAP_HYSTERESIS: u8 = 5;
/// Memory is low when less than this percentage is available.
const SHORT_PERCENT: u64 = 10;
/// Swap I/O is high from this rate on: a sixteenth of what a slow disk can do.
const MOVING_BYTES_PER_SECOND: u64 = 1 << 20;
/// The shortest time that a rate is measured over.
const RATE_WINDOW_MS: u64 = 10_000;
/// A critical alert clears after this time without low memory and without swap I/O.
const CALM_MS: u64 = 60_000;

/// One measurement.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sample {
    /// Monotonic time in milliseconds.
    pub at_ms: u64,
    /// All memory.
    pub memory_total: u64,
    /// Memory available without swapping.
    pub memory_available: u64,
    /// All swap.
    pub swap_total: u64,
    /// Used swap.
    pub swap_used: u64,
    /// Bytes swapped in and out since boot.
    pub swap_moved: u64,
    /// `full avg60` of memory pressure in percent; `None` without PSI.
    pub full_avg60: Option<f64>,
}

/// The alerts of a policy.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    swap: Option<SwapWatch>,
    pressure: Option<PressureWatch>,
}

impl Watch {
    /// Watches the thresholds that are set.
    #[must_use]
    pub fn new(alerts: &Alerts) -> Self {
        Self {
            swap: alerts.swap_usage.map(SwapWatch::new),
            pressure: alerts.memory_pressure.map(PressureWatch::new),
        }
    }

    /// Switches to a new policy and keeps the state of alerts that both have.
    pub fn replace(&mut self, alerts: &Alerts) {
        let old = std::mem::replace(self, Self::new(alerts));
        if let (Some(now), Some(before)) = (&mut self.swap, old.swap) {
            *now = SwapWatch { thresholds: now.thresholds, ..before };
        }
        if let (Some(now), Some(before)) = (&mut self.pressure, old.pressure) {
            *now = PressureWatch { threshold: now.threshold, ..before };
        }
    }

    /// Evaluates a sample; returns the alerts that changed.
    pub fn sample(&mut self, sample: &Sample) -> Vec<Event> {
        let swap = self.swap.as_mut().and_then(|watch| watch.sample(sample));
        let pressure = self.pressure.as_mut().and_then(|watch| watch.sample(sample));
        swap.into_iter().chain(pressure).collect()
    }

    /// The current swap step.
    #[must_use]
    pub fn swap_step(&self) -> SwapStep {
        self.swap.as_ref().map_or(SwapStep::Cleared, |watch| watch.step)
    }

    /// Whether the pressure alert is active.
    #[must_use]
    pub fn pressure_is_high(&self) -> bool {
        self.pressure.as_ref().is_some_and(|watch| watch.high)
    }
}

/// The PSI trigger that wakes the agent when pressure approaches the policy's threshold: the same share of one second.
/// Without a threshold: at least one task stalled for 150 ms of a second.
#[must_use]
pub fn trigger(alerts: &Alerts) -> Trigger {
    match alerts.memory_pressure {
        Some(threshold) => Trigger {
            waiting: Waiting::Full,
            stall_us: u32::from(threshold.above_percent.clamp(1, 100)) * 10_000,
            window_us: 1_000_000,
        },
        None => Trigger { waiting: Waiting::Some, stall_us: 150_000, window_us: 1_000_000 },
    }
}

/// When a condition began to hold.
#[derive(Clone, Copy, Debug, Default)]
struct Since(Option<u64>);

impl Since {
    /// Updates the condition; whether it has held for `for_ms`.
    fn holds(&mut self, condition: bool, now: u64, for_ms: u64) -> bool {
        if !condition {
            self.0 = None;
            return false;
        }
        now.saturating_sub(*self.0.get_or_insert(now)) >= for_ms
    }
}

#[derive(Clone, Debug)]
struct SwapWatch {
    thresholds: SwapUsageAlert,
    step: SwapStep,
    over_warning: Since,
    over_critical: Since,
    calm: Since,
    rate: Rate,
}

impl SwapWatch {
    fn new(thresholds: SwapUsageAlert) -> Self {
        Self {
            thresholds,
            step: SwapStep::Cleared,
            over_warning: Since::default(),
            over_critical: Since::default(),
            calm: Since::default(),
            rate: Rate::default(),
        }
    }

    fn sample(&mut self, sample: &Sample) -> Option<Event> {
        let moving = self.rate.per_second(sample) >= MOVING_BYTES_PER_SECOND;
        let short =
            sample.memory_available.saturating_mul(100) < sample.memory_total.saturating_mul(SHORT_PERCENT);
        // Swap that is full of idle pages harms nobody.
        let urgent = short || moving;
        let calm = self.calm.holds(!urgent, sample.at_ms, CALM_MS);
        let now = sample.at_ms;

        let over = |threshold: Option<Threshold>, since: &mut Since, also: bool, in_it: bool, done: bool| {
            let Some(threshold) = threshold else { return false };
            let begins = since.holds(is_over(sample, threshold) && also, now, for_ms(threshold));
            if in_it { !is_under(sample, threshold) && !done } else { begins }
        };
        let critical = over(
            self.thresholds.critical,
            &mut self.over_critical,
            urgent,
            self.step == SwapStep::Critical,
            calm,
        );
        let warning = over(
            self.thresholds.warning,
            &mut self.over_warning,
            true,
            self.step >= SwapStep::Warning,
            false,
        );
        let step = match (critical, warning) {
            (true, _) => SwapStep::Critical,
            (false, true) => SwapStep::Warning,
            (false, false) => SwapStep::Cleared,
        };
        let was = std::mem::replace(&mut self.step, step);
        (step != was).then_some(Event::SwapUsage {
            step,
            was,
            used_bytes: sample.swap_used,
            total_bytes: sample.swap_total,
            available_bytes: sample.memory_available,
        })
    }
}

fn for_ms(threshold: Threshold) -> u64 {
    u64::from(threshold.for_seconds) * 1000
}

/// Whether usage is above the threshold; never without swap.
fn is_over(sample: &Sample, threshold: Threshold) -> bool {
    u128::from(sample.swap_used) * 100 > u128::from(sample.swap_total) * u128::from(threshold.above_percent)
}

/// Whether usage is far enough below the threshold to clear the alert.
fn is_under(sample: &Sample, threshold: Threshold) -> bool {
    let percent = threshold.above_percent.saturating_sub(SWAP_HYSTERESIS);
    u128::from(sample.swap_used) * 100 <= u128::from(sample.swap_total) * u128::from(percent)
}

/// The growth rate of a counter, over at least [`RATE_WINDOW_MS`].
#[derive(Clone, Copy, Debug, Default)]
struct Rate {
    from: Option<(u64, u64)>,
    last: u64,
}

impl Rate {
    fn per_second(&mut self, sample: &Sample) -> u64 {
        let (at, moved) = *self.from.get_or_insert((sample.at_ms, sample.swap_moved));
        let took = sample.at_ms.saturating_sub(at);
        if took >= RATE_WINDOW_MS {
            let grown = u128::from(sample.swap_moved.saturating_sub(moved)) * 1000 / u128::from(took);
            self.last = u64::try_from(grown).unwrap_or(u64::MAX);
            self.from = Some((sample.at_ms, sample.swap_moved));
        }
        self.last
    }
}

#[derive(Clone, Debug)]
struct PressureWatch {
    threshold: Threshold,
    high: bool,
    over: Since,
}

impl PressureWatch {
    fn new(threshold: Threshold) -> Self {
        Self { threshold, high: false, over: Since::default() }
    }

    fn sample(&mut self, sample: &Sample) -> Option<Event> {
        let percent = sample.full_avg60?;
        let above = f64::from(self.threshold.above_percent);
        let long = self.over.holds(percent > above, sample.at_ms, for_ms(self.threshold));
        // A fifth below the threshold: an average over a minute does not jump.
        let low = percent <= above * 0.8;
        match self.high {
            false if long => {
                self.high = true;
                Some(Event::PressureHigh {
                    full_avg60_percent: percent,
                    above_percent: self.threshold.above_percent,
                })
            }
            true if low => {
                self.high = false;
                Some(Event::PressureLow { full_avg60_percent: percent })
            }
            _ => None,
        }
    }
}
