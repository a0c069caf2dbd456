//! What the kernel reports besides process events: its log, the counters of cgroups, and memory pressure.

use std::fmt::Display;
use std::os::fd::{AsFd, BorrowedFd};

use oomguard_host::Host;
use oomguard_host::kmsg::{Kmsg, KmsgRead, Start};
use oomguard_host::memory_events::MemoryEventsFile;
use oomguard_host::psi::PsiTrigger;
use oomguard_host::wait::Interest;
use oomguard_spec::policy::Policy;
use oomguard_text::DisplayText;

use super::unavailable;
use crate::alerts::{self, Watch};
use crate::event::{Event, Source};
use crate::kills::Kills;
use crate::machine::{Gauges, Reading};
use crate::metrics::Metrics;
use crate::tally::Tally;

/// The cgroups whose kills are reported, besides those of the services that the policy names.
const SLICES: [&str; 2] = ["/user.slice", "/system.slice"];
/// The rest of [`oomguard_host::wait::MAX_SOURCES`] is for the other sources.
const MAX_CGROUPS: usize = 24;

/// The open sources, and the state that they are compared with.
pub(super) struct Kernel {
    kmsg: Option<Kmsg>,
    pressure: Option<PsiTrigger>,
    cgroups: Vec<Counted>,
    kills: Kills,
    watch: Watch,
    /// `None` until they can be opened.
    gauges: Option<Gauges>,
}

struct Counted {
    cgroup: String,
    file: MemoryEventsFile,
    /// `oom_kill` of its memory.events when it was last read.
    kills: u64,
    tally: Tally,
}

impl Counted {
    /// Whether its counter includes a kill in this cgroup.
    fn contains(&self, victims: &str) -> bool {
        victims.strip_prefix(&self.cgroup).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The event for kills that are not in the log.
    fn unlogged(&self, kills: u64) -> Option<Event> {
        (kills > 0).then(|| Event::CgroupOom { cgroup: DisplayText::new(&self.cgroup), kills })
    }
}

impl Kernel {
    /// Opens the sources that are available, and reports the others once.
    pub(super) fn open(host: &Host, events: &mut Vec<Event>) -> Self {
        let kmsg = match Kmsg::open(host, Start::Now) {
            Ok(kmsg) => Some(kmsg),
            Err(e) => {
                let fallback = "OOM kills are only counted, by /proc/vmstat";
                events.push(unavailable("/dev/kmsg", &e, fallback));
                None
            }
        };
        Self {
            kmsg,
            pressure: None,
            cgroups: Vec::new(),
            kills: Kills::default(),
            watch: Watch::default(),
            gauges: None,
        }
    }

    /// Watches what a policy names. The state of unchanged thresholds is kept.
    pub(super) fn set_policy(&mut self, host: &Host, policy: &Policy, events: &mut Vec<Event>) {
        self.watch.replace(&policy.alerts);
        self.pressure = match PsiTrigger::set(host, alerts::trigger(&policy.alerts)) {
            Ok(trigger) => Some(trigger),
            Err(e) => {
                let fallback = "pressure is sampled every 5 s";
                events.push(unavailable("/proc/pressure/memory", &e, fallback));
                None
            }
        };
        self.cgroups = cgroups(policy)
            .into_iter()
            .filter_map(|cgroup| {
                // A service that is not running has no cgroup, and no processes to be killed.
                let file = MemoryEventsFile::open(host, &cgroup).ok()??;
                let kills = file.read().ok()??.oom_kill;
                Some(Counted { cgroup, file, kills, tally: Tally::from(kills) })
            })
            .take(MAX_CGROUPS)
            .collect();
    }

    /// The sources to wait for.
    pub(super) fn sources(&self) -> impl Iterator<Item = (BorrowedFd<'_>, Interest)> {
        let kmsg = self.kmsg.iter().map(|kmsg| (kmsg.as_fd(), Interest::Readable));
        let pressure = self.pressure.iter().map(|trigger| (trigger.as_fd(), Interest::Priority));
        let cgroups = self.cgroups.iter().map(|counted| (counted.file.as_fd(), Interest::Priority));
        kmsg.chain(pressure).chain(cgroups)
    }

    /// Whether the kernel itself reports kills and pressure.
    pub(super) fn reports_all(&self) -> bool {
        self.kmsg.is_some() && self.pressure.is_some()
    }

    /// Reads everything that is new since the last call: one system call for each source without news.
    pub(super) fn read(&mut self, events: &mut Vec<Event>) {
        self.read_log(events);
        let log_works = self.kmsg.is_some();
        self.cgroups.retain_mut(|counted| match counted.file.read() {
            Ok(Some(now)) => {
                counted.kills = now.oom_kill;
                if !log_works {
                    let kills = counted.tally.reconcile_without_log(counted.kills);
                    events.extend(counted.unlogged(kills));
                }
                true
            }
            // The service was stopped.
            Ok(None) => false,
            Err(_) => true,
        });
    }

    fn read_log(&mut self, events: &mut Vec<Event>) {
        let Some(kmsg) = &mut self.kmsg else { return };
        loop {
            match kmsg.read() {
                Ok(KmsgRead::Record(record)) => {
                    let Some(kill) = self.kills.line(&record.text) else { continue };
                    if let Event::OomKill { cgroup: Some(victims), .. } = &kill {
                        let theirs =
                            self.cgroups.iter_mut().filter(|counted| counted.contains(victims.as_str()));
                        theirs.for_each(|counted| counted.tally.record_kill());
                    }
                    events.push(kill);
                }
                Ok(KmsgRead::Lost(count)) => {
                    events.push(Event::LostEvents { source: Source::Kmsg, count: Some(count) });
                }
                Ok(KmsgRead::Unreadable(_)) => {}
                Ok(KmsgRead::Empty) => return,
                Err(e) => {
                    let fallback = "OOM kills are only counted, by /proc/vmstat";
                    events.push(unavailable("/dev/kmsg", &e, fallback));
                    self.kmsg = None;
                    return;
                }
            }
        }
    }

    /// Checks memory, swap and the kernel's kill counters. `recent` are numbers that were read a moment ago.
    pub(super) fn sample(
        &mut self,
        host: &Host,
        recent: Option<Reading>,
        metrics: &Metrics,
        events: &mut Vec<Event>,
    ) {
        let reading = self.reading(host, recent);
        if let Some(oom_kills) = reading.and_then(|reading| reading.oom_kills) {
            events.extend(self.kills.counter(oom_kills));
        }
        for counted in &mut self.cgroups {
            // A kill is one event: that of its line in the log. Without a line, the counter of the cgroup reports it.
            let kills = counted.tally.reconcile(counted.kills);
            events.extend(counted.unlogged(kills));
        }
        let Some(reading) = reading else {
            metrics.read_errors.inc();
            return;
        };
        events.extend(self.watch.sample(&reading.sample));
        metrics.set_alerts(self.watch.swap_step(), self.watch.pressure_is_high());
    }
}

impl Kernel {
    fn reading(&mut self, host: &Host, recent: Option<Reading>) -> Option<Reading> {
        // All kills are counted from the first value of the counter, so it must not be older than the log.
        if let Some(gauges) = &mut self.gauges {
            return recent.or_else(|| gauges.read(host).ok());
        }
        self.gauges = Gauges::open(host).ok();
        self.gauges.as_mut()?.read(host).ok()
    }
}

/// The slices, and the policy's services that are not patterns.
fn cgroups(policy: &Policy) -> Vec<String> {
    let slices = SLICES.iter().map(|slice| (*slice).to_owned());
    let services = policy.oom_protection.iter().flat_map(|protection| protection.services.keys());
    let named = services.map(ToString::to_string).filter(|unit| !unit.contains(['*', '?', '[']));
    slices.chain(named.map(|unit| format!("/system.slice/{unit}"))).collect()
}

/// The event for a kernel that provides no process events.
pub(super) fn no_process_events(why: &dyn Display, seconds: u64) -> Event {
    let fallback = format!("all processes are scanned every {seconds} s");
    unavailable("the process connector", why, &fallback)
}
