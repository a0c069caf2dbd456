//! The recorder on its own thread: it may wait for the kernel and the disk, and the guard must not.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use oomguard_host::Host;
use oomguard_host::wait::Bell;

use super::unavailable;
use crate::event::Event;
use crate::machine::Reading;
use crate::metrics::Metrics;
use crate::recorder::{self, Opened, Recorder, Told};

/// All of it is locked in memory, so it is small.
const STACK: usize = 256 << 10;

/// The numbers of the newest record, for the samples of the main loop: reading them again would cost the kernel more than
/// everything else on a quiet host.
#[derive(Debug, Default)]
pub(super) struct Latest(Mutex<Option<Reading>>);

impl Latest {
    fn set(&self, reading: Reading) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(reading);
    }

    /// The newest reading, unless it is older than `age`.
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
    /// Opens the file and starts the thread. `None`: there is no recorder, and an event has the reason.
    pub(super) fn start(
        host: &Host,
        metrics: &Metrics,
        latest: &Arc<Latest>,
        events: &mut Vec<Event>,
    ) -> Option<Self> {
        Self::open_and_run(host, metrics, latest, events)
            .map_err(|e| {
                let fallback = "the minutes before an incident are not recorded";
                events.push(unavailable(recorder::PATH, &e, fallback));
            })
            .ok()
    }

    fn open_and_run(
        host: &Host,
        metrics: &Metrics,
        latest: &Arc<Latest>,
        events: &mut Vec<Event>,
    ) -> Result<Self, Box<dyn Error>> {
        let boot = host.read("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let boot = String::from_utf8_lossy(&boot);
        let (mut recorder, opened) = Recorder::open(host, recorder::PATH, boot.trim())?;
        if let Opened::SetAside { to, why } = opened {
            let fallback = format!("a new file was created; the old one is now {to}");
            events.push(unavailable(recorder::PATH, &why, &fallback));
        }
        let stop = Arc::new(Bell::new()?);
        let (host, metrics, latest) = (host.clone(), metrics.clone(), Arc::clone(latest));
        let stopped = Arc::clone(&stop);
        let run = move || {
            let mut told = |told: Told<'_>| {
                if let Told::Taken(record) = told {
                    count(&metrics, record);
                    latest.set(Reading::of(record, host.tick_ms(), host.page_size()));
                }
            };
            // If the host cannot be read any more, there are no records, and their metric stands still.
            let _ = recorder::run(&host, &mut recorder, None, &stopped, &mut told);
        };
        let thread = Builder::new().name("oomguard-record".to_owned()).stack_size(STACK).spawn(run)?;
        Ok(Self { stop, thread: Some(thread) })
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
