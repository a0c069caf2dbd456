//! What the kernel tells beside process events: its log, the counters of cgroups, and memory pressure.

use std::fmt::Display;
use std::os::fd::{AsFd, BorrowedFd};

use oomguard_host::Host;
use oomguard_host::kmsg::{Kmsg, KmsgRead, Start};
use oomguard_host::memory_events::MemoryEventsFile;
use oomguard_host::psi::PsiTrigger;
use oomguard_host::wait::Interest;
use oomguard_spec::policy::Policy;

use crate::alerts::{self, Watch};
use crate::event::{Event, Source};
use crate::kills::Kills;
use crate::machine::{Gauges, Reading};
use crate::metrics::Metrics;
use crate::tally::Tally;
use oomguard_text::DisplayText;

/// The cgroups whose kills are told of beside those of the services that the policy names.
const SLICES: [&str; 2] = ["/user.slice", "/system.slice"];
/// As many as can be waited for.
const MOST_CGROUPS: usize = 24;

/// The open sources, and what was made of them so far.
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
    /// Whether a kill that the log names happened in it: its own counter then has it, too.
    fn holds(&self, victims: &str) -> bool {
        victims.strip_prefix(&self.cgroup).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The event of kills that the log did not name.
    fn told(&self, kills: u64) -> Option<Event> {
        (kills > 0).then(|| Event::CgroupOom { cgroup: DisplayText::new(&self.cgroup), kills })
    }
}

impl Kernel {
    /// Opens what there is. What is not there is told of, once.
    pub(super) fn open(host: &Host, events: &mut Vec<Event>) -> Self {
        let kmsg = match Kmsg::open(host, Start::Now) {
            Ok(kmsg) => Some(kmsg),
            Err(e) => {
                let fallback = "OOM kills are only counted, by /proc/vmstat";
                events.push(missing("/dev/kmsg", &e.to_string(), fallback));
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

    /// Watches for what a policy names. What was known of the old one's thresholds stays known.
    pub(super) fn set_policy(&mut self, host: &Host, policy: &Policy, events: &mut Vec<Event>) {
        self.watch.replace(&policy.alerts);
        self.pressure = match PsiTrigger::set(host, alerts::trigger(&policy.alerts)) {
            Ok(trigger) => Some(trigger),
            Err(e) => {
                let fallback = "pressure is looked at every 5 s";
                events.push(missing("/proc/pressure/memory", &e.to_string(), fallback));
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
            .take(MOST_CGROUPS)
            .collect();
    }

    /// What to wait for.
    pub(super) fn sources(&self) -> impl Iterator<Item = (BorrowedFd<'_>, Interest)> {
        let kmsg = self.kmsg.iter().map(|kmsg| (kmsg.as_fd(), Interest::Readable));
        let pressure = self.pressure.iter().map(|trigger| (trigger.as_fd(), Interest::Priority));
        let cgroups = self.cgroups.iter().map(|counted| (counted.file.as_fd(), Interest::Priority));
        kmsg.chain(pressure).chain(cgroups)
    }

    /// Whether the kernel itself tells of kills and of pressure.
    pub(super) fn tells_all(&self) -> bool {
        self.kmsg.is_some() && self.pressure.is_some()
    }

    /// Takes all that the kernel has said and counted since the last call. Costs one system call a source when it is
    /// nothing.
    pub(super) fn hear(&mut self, events: &mut Vec<Event>) {
        self.hear_log(events);
        let log_works = self.kmsg.is_some();
        self.cgroups.retain_mut(|counted| match counted.file.read() {
            Ok(Some(now)) => {
                counted.kills = now.oom_kill;
                if !log_works {
                    let kills = counted.tally.reconcile_without_log(counted.kills);
                    events.extend(counted.told(kills));
                }
                true
            }
            // Its service was stopped; the next policy or sample opens that of the next start.
            Ok(None) => false,
            Err(_) => true,
        });
    }

    fn hear_log(&mut self, events: &mut Vec<Event>) {
        let Some(kmsg) = &mut self.kmsg else { return };
        loop {
            match kmsg.read() {
                Ok(KmsgRead::Record(record)) => {
                    let Some(kill) = self.kills.line(&record.text) else { continue };
                    if let Event::OomKill { cgroup: Some(victims), .. } = &kill {
                        let theirs =
                            self.cgroups.iter_mut().filter(|counted| counted.holds(victims.as_str()));
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
                    events.push(missing("/dev/kmsg", &e.to_string(), fallback));
                    self.kmsg = None;
                    return;
                }
            }
        }
    }

    /// Looks at memory, swap and the kernel's own count of kills: every few seconds, and when pressure rises. What somebody
    /// else read a moment ago will do.
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
            // A kill is one event: that of its line in the log. What has no line is told of by the cgroup.
            let kills = counted.tally.reconcile(counted.kills);
            events.extend(counted.told(kills));
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
        // The first counter is the one that all kills are counted from, so it is not older than what was heard.
        if let Some(gauges) = &mut self.gauges {
            return recent.or_else(|| gauges.read(host).ok());
        }
        self.gauges = Gauges::open(host).ok();
        self.gauges.as_mut()?.read(host).ok()
    }
}

/// The slices, and the services that the policy names one by one.
fn cgroups(policy: &Policy) -> Vec<String> {
    let slices = SLICES.iter().map(|slice| (*slice).to_owned());
    let services = policy.oom_protection.iter().flat_map(|protection| protection.services.keys());
    let named = services.map(ToString::to_string).filter(|unit| !unit.contains(['*', '?', '[']));
    slices.chain(named.map(|unit| format!("/system.slice/{unit}"))).collect()
}

fn missing(source: &str, why: &str, fallback: &str) -> Event {
    Event::SourceUnavailable { source: source.into(), why: why.into(), fallback: fallback.into() }
}

/// The kernel's refusal to give a source of process events.
pub(super) fn no_process_events(why: &dyn Display, seconds: u64) -> Event {
    let fallback = format!("all processes are looked at every {seconds} s");
    missing("the process connector", &why.to_string(), &fallback)
}
