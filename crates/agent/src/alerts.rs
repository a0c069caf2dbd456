//! When somebody is told of swap and pressure: pure state machines over what was measured.

use oomguard_host::psi::{Trigger, Waiting};
use oomguard_spec::policy::{Alerts, SwapUsageAlert, Threshold};

use crate::event::{Event, SwapStep};

/// How many percentage points usage must fall under a threshold before the alert is over.
const SWAP_HYSTERESIS: u8 = 5;
/// Memory is short when less than this share is available, in percent.
const SHORT_PERCENT: u64 = 10;
/// Swap moves when so many bytes a second go in or out: a sixteenth of what a slow disk does.
const MOVING_BYTES_PER_SECOND: u64 = 1 << 20;
/// The rate is that of at least so long a time.
const RATE_WINDOW_MS: u64 = 10_000;
/// Critical is over when memory was neither short nor swap moving for so long.
const CALM_MS: u64 = 60_000;

/// What was measured at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sample {
    /// When, in milliseconds by a clock that does not jump.
    pub at_ms: u64,
    /// All memory.
    pub memory_total: u64,
    /// Memory that programs can get without swapping.
    pub memory_available: u64,
    /// All swap.
    pub swap_total: u64,
    /// Used swap.
    pub swap_used: u64,
    /// Bytes that went into and out of swap since boot.
    pub swap_moved: u64,
    /// `full avg60` of memory pressure in percent; `None` without PSI.
    pub full_avg60: Option<f64>,
}

impl Sample {
    /// Whether a quarter of all memory is to be had, and nobody waits for any.
    #[must_use]
    pub fn has_plenty(&self) -> bool {
        self.memory_available >= self.memory_total / 4 && self.full_avg60.unwrap_or(0.0) <= 0.0
    }
}

/// The alerts of a policy: give it every sample.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    swap: Option<SwapWatch>,
    pressure: Option<PressureWatch>,
}

impl Watch {
    /// Watches what a policy names.
    #[must_use]
    pub fn new(alerts: &Alerts) -> Self {
        Self {
            swap: alerts.swap_usage.map(SwapWatch::new),
            pressure: alerts.memory_pressure.map(PressureWatch::new),
        }
    }

    /// Watches what a new policy names, from where the old one was: what is known stays known.
    pub fn replace(&mut self, alerts: &Alerts) {
        let old = std::mem::replace(self, Self::new(alerts));
        if let (Some(now), Some(before)) = (&mut self.swap, old.swap) {
            *now = SwapWatch { thresholds: now.thresholds, ..before };
        }
        if let (Some(now), Some(before)) = (&mut self.pressure, old.pressure) {
            *now = PressureWatch { threshold: now.threshold, ..before };
        }
    }

    /// Takes a sample; what changed with it.
    pub fn sample(&mut self, sample: &Sample) -> Vec<Event> {
        let swap = self.swap.as_mut().and_then(|watch| watch.sample(sample));
        let pressure = self.pressure.as_mut().and_then(|watch| watch.sample(sample));
        swap.into_iter().chain(pressure).collect()
    }

    /// Where used swap is.
    #[must_use]
    pub fn swap_step(&self) -> SwapStep {
        self.swap.as_ref().map_or(SwapStep::Cleared, |watch| watch.step)
    }

    /// Whether memory pressure is high.
    #[must_use]
    pub fn pressure_is_high(&self) -> bool {
        self.pressure.as_ref().is_some_and(|watch| watch.high)
    }
}

/// The PSI trigger that wakes the agent when pressure may be on its way to a policy's threshold: the same share of one
/// second. Without a threshold: 150 ms of a second in which at least one task waited.
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

/// Since when something is so.
#[derive(Clone, Copy, Debug, Default)]
struct Since(Option<u64>);

impl Since {
    /// Whether it has been so for that long, when it is so now.
    fn holds(&mut self, is_so: bool, now: u64, for_ms: u64) -> bool {
        if !is_so {
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
        // Parked swap, full of what nobody needs, is no reason to wake anybody.
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

/// Whether more than that share of swap is used. Without swap nothing is used.
fn is_over(sample: &Sample, threshold: Threshold) -> bool {
    u128::from(sample.swap_used) * 100 > u128::from(sample.swap_total) * u128::from(threshold.above_percent)
}

/// Whether usage is so far under the threshold that the alert is over.
fn is_under(sample: &Sample, threshold: Threshold) -> bool {
    let percent = threshold.above_percent.saturating_sub(SWAP_HYSTERESIS);
    u128::from(sample.swap_used) * 100 <= u128::from(sample.swap_total) * u128::from(percent)
}

/// How fast a counter grows, over at least [`RATE_WINDOW_MS`].
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
        // A fifth under the threshold: an average of a minute does not jump.
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
