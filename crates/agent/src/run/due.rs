//! When the loop does what. A wake-up costs more than most of what is done in one, so what is due soon is done with what is
//! due now.

use std::time::Duration;

/// A look at the scores of all processes while events come: what changes its own score makes no event.
const SLOW_SCAN: Duration = Duration::from_secs(60);
/// The same without events.
pub(super) const FAST_SCAN: Duration = Duration::from_secs(5);
/// After a look at what was started, events are left to gather for so long: a build's short processes are then heard
/// of together, and most have ended. What starts after a quiet time is looked at at once.
const GATHER: Duration = Duration::from_millis(25);
/// A tick is up to so long behind: what waited for a time finds it come by this one.
const TICK: Duration = Duration::from_millis(10);
/// Full looks that events ask for, such as after lost ones, are at least so far apart.
const BETWEEN_RECHECKS: Duration = Duration::from_millis(250);
/// Memory, swap and the kernel's count of kills, while the kernel itself tells of kills, of pressure, and of the ends of protected
/// processes: what is left is slow.
const SLOW_SAMPLE: Duration = Duration::from_secs(30);
/// The same where the kernel tells of less, and while an ended process is followed up.
const FAST_SAMPLE: Duration = Duration::from_secs(5);
/// Samples that pressure asks for are at least so far apart.
pub(super) const BETWEEN_SAMPLES: Duration = Duration::from_secs(1);
/// What `check` would find: it reads some hundred files, which costs as much as a minute of all the rest.
const DRIFT: Duration = Duration::from_secs(900);
/// The file for node_exporter.
const TEXTFILE: Duration = Duration::from_secs(15);
/// Nothing is done earlier than it is due by more than this, or by more than half of the time between: then all of the same
/// interval fall into step.
const MOST_EARLY: Duration = Duration::from_secs(15);

/// Something that is done again and again. Times are those of `Host::tick`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Timer {
    at: Duration,
    every: Duration,
}

impl Timer {
    /// Whether it is done now: it is due, or nearly so.
    fn is_near(self, now: Duration) -> bool {
        now + (self.every / 2).min(MOST_EARLY) >= self.at
    }

    fn set(&mut self, now: Duration, every: Duration) {
        *self = Self { at: now + every, every };
    }

    /// It is due at the latest so long from now.
    fn within(&mut self, now: Duration, time: Duration) {
        if now + time < self.at {
            self.set(now, time);
        }
    }
}

/// When what is due next.
#[derive(Debug, Default)]
pub(super) struct Due {
    scan: Timer,
    sample: Timer,
    drift: Timer,
    textfile: Timer,
    /// A sign of life for systemd's watchdog, every so often, when it asks for one.
    sign: Option<Timer>,
    gathered: Duration,
    last_recheck: Duration,
    last_sample: Duration,
}

impl Due {
    /// With a watchdog that bites after `watchdog` without a sign.
    pub(super) fn new(watchdog: Option<Duration>) -> Self {
        let sign = watchdog.map(|bites| Timer { at: Duration::ZERO, every: bites / 2 });
        Self { sign, ..Self::default() }
    }

    /// When to wake at the latest, beside for rechecks. `events`: some may be gathering; `textfile`: there is one to write.
    pub(super) fn next(&self, now: Duration, events: bool, textfile: bool) -> Duration {
        let gathered = (events && self.is_gathering(now)).then_some(self.gathered);
        let textfile = textfile.then_some(self.textfile.at);
        let sign = self.sign.map(|sign| sign.at);
        let all = [gathered, textfile, sign].into_iter().flatten();
        all.fold(self.scan.at.min(self.sample.at), Duration::min)
    }

    /// Whether events are left to gather.
    pub(super) fn is_gathering(&self, now: Duration) -> bool {
        now + TICK < self.gathered
    }

    /// Events were looked at.
    pub(super) fn heard(&mut self, now: Duration) {
        self.gathered = now + GATHER;
    }

    /// Whether systemd is told now that the loop lives; then it is not for a while.
    pub(super) fn take_sign(&mut self, now: Duration) -> bool {
        let Some(sign) = self.sign.as_mut().filter(|sign| sign.is_near(now)) else { return false };
        sign.set(now, sign.every);
        true
    }

    /// When a full look that is wanted at `asked` takes place.
    pub(super) fn recheck(&self, asked: Duration) -> Duration {
        asked.max(self.last_recheck + BETWEEN_RECHECKS)
    }

    /// Whether it is time to look at what no event tells of.
    pub(super) fn scan(&self, now: Duration) -> bool {
        self.scan.is_near(now)
    }

    /// All processes were looked at. `hears`: the kernel tells of those that start.
    pub(super) fn scanned(&mut self, now: Duration, hears: bool) {
        self.last_recheck = now;
        self.scan.set(now, if hears { SLOW_SCAN } else { FAST_SCAN });
    }

    /// All processes are looked at as soon as can be.
    pub(super) fn scan_at_once(&mut self) {
        self.scan = Timer::default();
    }

    /// Whether memory is looked at now. `pressed`: the kernel said that tasks wait for it.
    pub(super) fn sample(&self, now: Duration, pressed: bool) -> bool {
        self.sample.is_near(now) || pressed && now >= self.last_sample + BETWEEN_SAMPLES
    }

    /// Memory was looked at. `tells`: the kernel tells of what cannot wait.
    pub(super) fn sampled(&mut self, now: Duration, tells: bool) {
        self.last_sample = now;
        self.sample.set(now, if tells { SLOW_SAMPLE } else { FAST_SAMPLE });
    }

    /// Something ended, and how is known in a few seconds.
    pub(super) fn follow_up(&mut self, now: Duration) {
        self.sample.within(now, FAST_SAMPLE);
    }

    /// Whether drift is looked for now; then it is not for a while.
    pub(super) fn take_drift(&mut self, now: Duration) -> bool {
        let near = self.drift.is_near(now);
        if near {
            self.drift.set(now, DRIFT);
        }
        near
    }

    /// There is a new policy to drift from.
    pub(super) fn drift_at_once(&mut self) {
        self.drift = Timer::default();
    }

    /// Whether the file is written now; then it is not for a while.
    pub(super) fn take_textfile(&mut self, now: Duration) -> bool {
        let near = self.textfile.is_near(now);
        if near {
            self.textfile.set(now, TEXTFILE);
        }
        near
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    /// Lets the loop run for so long, and counts its wake-ups: those of it, and those that only sampled.
    fn wake_ups(due: &mut Due, from: Duration, to: Duration) -> (u32, u32) {
        let (mut all, mut samples, mut now) = (0, 0, from);
        while now < to {
            all += 1;
            due.take_sign(now);
            if due.scan(now) {
                due.scanned(now, true);
            }
            if due.sample(now, false) {
                samples += 1;
                due.sampled(now, true);
            }
            due.take_drift(now);
            now = due.next(now, true, false).max(now);
        }
        (all, samples)
    }

    #[test]
    fn a_quiet_host_wakes_it_twice_a_minute_however_the_times_began() {
        let mut due = Due::new(Some(seconds(120)));
        due.scanned(seconds(0), true);
        due.sampled(seconds(5), true);
        // One wake-up to fall into step.
        assert_eq!(wake_ups(&mut due, seconds(10), seconds(610)), (21, 20));
    }

    #[test]
    fn what_waits_for_an_answer_is_not_put_off() {
        let mut due = Due::default();
        due.scanned(seconds(100), true);
        due.sampled(seconds(100), true);
        assert_eq!(due.next(seconds(100), true, false), seconds(130));
        due.follow_up(seconds(100));
        assert_eq!(due.next(seconds(100), true, false), seconds(105));
        due.heard(seconds(101));
        assert_eq!(due.next(seconds(101), true, false), seconds(101) + GATHER);
        assert_eq!(due.next(seconds(101), false, false), seconds(105));
        assert!(due.sample(seconds(101), true) && !due.sample(seconds(100), true));
        assert!(!due.sample(seconds(101), false) && due.sample(seconds(103), false));
        due.scan_at_once();
        assert!(due.scan(seconds(0)));
    }

    #[test]
    fn a_short_interval_is_kept() {
        let mut due = Due::default();
        due.sampled(seconds(10), false);
        assert!(!due.sample(seconds(12), false) && due.sample(seconds(13), false));
        assert!(due.take_textfile(seconds(20)) && !due.take_textfile(seconds(27)));
        assert!(due.take_drift(seconds(20)) && !due.take_drift(seconds(900)));
        due.drift_at_once();
        assert!(due.take_drift(seconds(21)));
        assert!(!Due::new(None).take_sign(seconds(5)));
    }
}
