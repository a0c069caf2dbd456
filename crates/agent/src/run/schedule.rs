//! When the loop does what. A wake-up costs more than most of the work done in one, so tasks that are due soon are done
//! together with those that are due now.

use std::time::Duration;

/// Between scans of all scores while process events arrive: a process that changes its own score causes no event.
const SLOW_SCAN: Duration = Duration::from_secs(60);
/// The same without process events.
pub(super) const FAST_SCAN: Duration = Duration::from_secs(5);
/// How long process events are batched after some were handled: most of a build's short processes have exited by then.
/// A process that starts after a quiet time is handled at once.
const BATCH: Duration = Duration::from_millis(25);
/// `Host::tick` lags by up to this much.
const TICK: Duration = Duration::from_millis(10);
/// Minimum time between full scans that events ask for, for example after lost ones.
const MIN_BETWEEN_RESCANS: Duration = Duration::from_millis(250);
/// Between samples of memory, swap and the kernel's kill counters, while the kernel itself reports kills, pressure and
/// the exits of protected processes.
const SLOW_SAMPLE: Duration = Duration::from_secs(30);
/// The same where the kernel reports less, and while the cause of an exit is awaited.
const FAST_SAMPLE: Duration = Duration::from_secs(5);
/// Minimum time between samples that pressure asks for.
pub(super) const MIN_BETWEEN_SAMPLES: Duration = Duration::from_secs(1);
/// Between drift checks. Each reads about a hundred files, which costs as much as a minute of everything else.
const DRIFT: Duration = Duration::from_secs(900);
/// Between writes of the file for node_exporter.
const TEXTFILE: Duration = Duration::from_secs(15);
/// A task is done early by at most this, and by at most half of its interval. So tasks of the same interval fall into step.
const MAX_EARLY: Duration = Duration::from_secs(15);

/// A repeated task. Times are those of `Host::tick`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Timer {
    at: Duration,
    every: Duration,
}

impl Timer {
    /// Whether the task is due, or nearly so.
    fn is_near(self, now: Duration) -> bool {
        now + (self.every / 2).min(MAX_EARLY) >= self.at
    }

    fn set(&mut self, now: Duration, every: Duration) {
        *self = Self { at: now + every, every };
    }

    /// Makes it due within `time` from now.
    fn within(&mut self, now: Duration, time: Duration) {
        if now + time < self.at {
            self.set(now, time);
        }
    }

    /// Whether the task is to be done now; it is then scheduled again after `every`.
    fn take(&mut self, now: Duration, every: Duration) -> bool {
        let near = self.is_near(now);
        if near {
            self.set(now, every);
        }
        near
    }
}

/// When each task is due next.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    scan: Timer,
    sample: Timer,
    drift: Timer,
    textfile: Timer,
    /// The keep-alive message to systemd's watchdog, if it wants one.
    watchdog: Option<Timer>,
    batched_until: Duration,
    last_scan: Duration,
    last_sample: Duration,
}

impl Schedule {
    /// `watchdog`: systemd kills the agent after so long without a keep-alive message.
    pub(super) fn new(watchdog: Option<Duration>) -> Self {
        let watchdog = watchdog.map(|limit| Timer { at: Duration::ZERO, every: limit / 2 });
        Self { watchdog, ..Self::default() }
    }

    /// When to wake up at the latest, rescans aside. `events`: process events arrive; `textfile`: there is one to write.
    pub(super) fn next_wakeup(&self, now: Duration, events: bool, textfile: bool) -> Duration {
        let batched = (events && self.is_batching(now)).then_some(self.batched_until);
        let textfile = textfile.then_some(self.textfile.at);
        let watchdog = self.watchdog.map(|timer| timer.at);
        let all = [batched, textfile, watchdog].into_iter().flatten();
        all.fold(self.scan.at.min(self.sample.at), Duration::min)
    }

    /// Whether process events are left to accumulate.
    pub(super) fn is_batching(&self, now: Duration) -> bool {
        now + TICK < self.batched_until
    }

    /// Process events were handled.
    pub(super) fn events_handled(&mut self, now: Duration) {
        self.batched_until = now + BATCH;
    }

    /// Whether a keep-alive message is due.
    pub(super) fn take_watchdog(&mut self, now: Duration) -> bool {
        self.watchdog.as_mut().is_some_and(|timer| timer.take(now, timer.every))
    }

    /// When a full scan that is due at `asked` takes place.
    pub(super) fn rescan_time(&self, asked: Duration) -> Duration {
        asked.max(self.last_scan + MIN_BETWEEN_RESCANS)
    }

    pub(super) fn scan_is_due(&self, now: Duration) -> bool {
        self.scan.is_near(now)
    }

    /// All processes were scanned. `events`: the kernel reports those that start.
    pub(super) fn scan_done(&mut self, now: Duration, events: bool) {
        self.last_scan = now;
        self.scan.set(now, if events { SLOW_SCAN } else { FAST_SCAN });
    }

    pub(super) fn scan_now(&mut self) {
        self.scan = Timer::default();
    }

    /// `pressed`: the kernel reported that tasks wait for memory.
    pub(super) fn sample_is_due(&self, now: Duration, pressed: bool) -> bool {
        self.sample.is_near(now) || pressed && now >= self.last_sample + MIN_BETWEEN_SAMPLES
    }

    /// A sample was taken. `kernel_reports`: the kernel reports what cannot wait for the next one.
    pub(super) fn sample_done(&mut self, now: Duration, kernel_reports: bool) {
        self.last_sample = now;
        self.sample.set(now, if kernel_reports { SLOW_SAMPLE } else { FAST_SAMPLE });
    }

    /// A process has exited; its cause is known in a few seconds.
    pub(super) fn follow_up(&mut self, now: Duration) {
        self.sample.within(now, FAST_SAMPLE);
    }

    /// Whether a drift check is due; the next one is then scheduled.
    pub(super) fn take_drift_check(&mut self, now: Duration) -> bool {
        self.drift.take(now, DRIFT)
    }

    pub(super) fn check_drift_now(&mut self) {
        self.drift = Timer::default();
    }

    /// Whether the file is to be written; the next write is then scheduled.
    pub(super) fn take_textfile(&mut self, now: Duration) -> bool {
        self.textfile.take(now, TEXTFILE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    /// Runs the loop from one time to another; returns the number of wake-ups and of samples.
    fn wake_ups(schedule: &mut Schedule, from: Duration, to: Duration) -> (u32, u32) {
        let (mut all, mut samples, mut now) = (0, 0, from);
        while now < to {
            all += 1;
            schedule.take_watchdog(now);
            if schedule.scan_is_due(now) {
                schedule.scan_done(now, true);
            }
            if schedule.sample_is_due(now, false) {
                samples += 1;
                schedule.sample_done(now, true);
            }
            schedule.take_drift_check(now);
            now = schedule.next_wakeup(now, true, false).max(now);
        }
        (all, samples)
    }

    #[test]
    fn a_quiet_host_causes_two_wakeups_a_minute() {
        let mut schedule = Schedule::new(Some(seconds(120)));
        schedule.scan_done(seconds(0), true);
        schedule.sample_done(seconds(5), true);
        // One more wake-up, to fall into step.
        assert_eq!(wake_ups(&mut schedule, seconds(10), seconds(610)), (21, 20));
    }

    #[test]
    fn urgent_tasks_are_not_delayed() {
        let mut schedule = Schedule::default();
        schedule.scan_done(seconds(100), true);
        schedule.sample_done(seconds(100), true);
        assert_eq!(schedule.next_wakeup(seconds(100), true, false), seconds(130));
        schedule.follow_up(seconds(100));
        assert_eq!(schedule.next_wakeup(seconds(100), true, false), seconds(105));
        schedule.events_handled(seconds(101));
        assert_eq!(schedule.next_wakeup(seconds(101), true, false), seconds(101) + BATCH);
        assert_eq!(schedule.next_wakeup(seconds(101), false, false), seconds(105));
        assert!(schedule.sample_is_due(seconds(101), true) && !schedule.sample_is_due(seconds(100), true));
        assert!(!schedule.sample_is_due(seconds(101), false) && schedule.sample_is_due(seconds(103), false));
        schedule.scan_now();
        assert!(schedule.scan_is_due(seconds(0)));
    }

    #[test]
    fn short_intervals_are_kept() {
        let mut schedule = Schedule::default();
        schedule.sample_done(seconds(10), false);
        assert!(!schedule.sample_is_due(seconds(12), false) && schedule.sample_is_due(seconds(13), false));
        assert!(schedule.take_textfile(seconds(20)) && !schedule.take_textfile(seconds(27)));
        assert!(schedule.take_drift_check(seconds(20)) && !schedule.take_drift_check(seconds(900)));
        schedule.check_drift_now();
        assert!(schedule.take_drift_check(seconds(21)));
        assert!(!Schedule::new(None).take_watchdog(seconds(5)));
    }
}
