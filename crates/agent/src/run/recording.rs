//! The recorder on a thread of its own: it waits for the kernel and the disk, and the guard must not.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use oomguard_host::Host;
use oomguard_host::wait::Bell;

use crate::event::Event;
use crate::machine::Reading;
use crate::metrics::Metrics;
use crate::recorder::{self, Opened, Recorder, Told};

/// Reading all processes and cgroups takes no deep stack.
const STACK: usize = 256 << 10;

/// What the newest record says, for whoever needs the same numbers: reading them costs the kernel more than all the rest
/// that is done in a quiet moment.
#[derive(Debug, Default)]
pub(super) struct Latest(Mutex<Option<Reading>>);

impl Latest {
    fn set(&self, reading: Reading) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(reading);
    }

    /// The newest reading, when it is at most so old.
    pub(super) fn within(&self, age: Duration, now: Duration) -> Option<Reading> {
        let latest = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        latest.filter(|reading| now.saturating_sub(Duration::from_millis(reading.sample.at_ms)) <= age)
    }
}

/// A recorder that runs until this is dropped.
pub(super) struct Recording {
    stop: Arc<Bell>,
    thread: Option<JoinHandle<()>>,
}

impl Recording {
    /// Opens the file and starts. `None`: there is no recorder, and an event says why.
    pub(super) fn start(
        host: &Host,
        metrics: &Metrics,
        latest: &Arc<Latest>,
        events: &mut Vec<Event>,
    ) -> Option<Self> {
        let missing = |why: String| Event::SourceUnavailable {
            source: recorder::PATH.into(),
            why: why.as_str().into(),
            fallback: "the minutes before an incident are not recorded".into(),
        };
        let boot = host.read("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let opened = Recorder::open(host, recorder::PATH, String::from_utf8_lossy(&boot).trim());
        let (mut recorder, opened) = match opened {
            Ok(opened) => opened,
            Err(e) => {
                events.push(missing(e.to_string()));
                return None;
            }
        };
        if let Opened::SetAside { to, why } = opened {
            events.push(Event::SourceUnavailable {
                source: recorder::PATH.into(),
                why: why.as_str().into(),
                fallback: format!("a new one was begun; the old one is {to}").as_str().into(),
            });
        }
        let stop = match Bell::new() {
            Ok(bell) => Arc::new(bell),
            Err(e) => {
                events.push(missing(e.to_string()));
                return None;
            }
        };
        let (host, metrics, latest) = (host.clone(), metrics.clone(), Arc::clone(latest));
        let asked = Arc::clone(&stop);
        let run = move || {
            let mut told = |told: Told<'_>| {
                if let Told::Taken(record) = told {
                    count(&metrics, record);
                    latest.set(Reading::of(record, host.tick_ms(), host.page_size()));
                }
            };
            // A host that cannot be read any more has no record; the metric stands still.
            let _ = recorder::run(&host, &mut recorder, None, &asked, &mut told);
        };
        match Builder::new().name("oomguard-record".to_owned()).stack_size(STACK).spawn(run) {
            Ok(thread) => Some(Self { stop, thread: Some(thread) }),
            Err(e) => {
                events.push(missing(e.to_string()));
                None
            }
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.stop.ring();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn count(metrics: &Metrics, record: &recorder::Record) {
    metrics.recorder_records.inc();
    metrics.recorder_bytes.set(i64::try_from(recorder::format::FILE).unwrap_or(i64::MAX));
    let largest = record.processes.iter().map(|process| process.rss + process.swap).max().unwrap_or(0);
    metrics.largest.set(i64::try_from(largest).unwrap_or(i64::MAX));
    let growth = record.processes.iter().map(|process| process.growth).max().unwrap_or(0);
    metrics.growth.set(growth.max(0) as f64);
}
