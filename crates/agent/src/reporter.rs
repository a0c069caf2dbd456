//! Where every event goes: a line for journald, the metrics, the event log, the hook and the webhook.
//!
//! The loop calls [`Reporter::handle`] and goes on. Whatever may wait for journald, a disk or another program happens
//! on a thread of its own, behind a queue with an end.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use oomguard_host::Host;

use crate::event::{Entry, Event, Source};
use crate::event_log::EventLog;
use crate::logfmt;
use crate::metrics::Metrics;
use crate::notify::{Notifier, NotifyTargets};
use oomguard_text::DisplayText;

/// Events that wait for the disk; more are dropped and counted.
pub const QUEUE: usize = 256;
/// How often calls that run are looked at.
const LOOK: Duration = Duration::from_millis(50);
/// How long [`Reporter::finish`] waits for calls that run.
const LAST_WAIT: Duration = Duration::from_secs(3);
const STACK: usize = 256 << 10;

/// Where lines for journald go: the agent's standard error.
pub type Lines = Arc<Mutex<dyn Write + Send>>;

/// The targets of a new policy, until the worker takes them.
type NewTargets = Arc<Mutex<Option<NotifyTargets>>>;

/// Takes every event.
#[derive(Debug)]
pub struct Reporter {
    host: Host,
    metrics: Metrics,
    entries: SyncSender<Box<Entry>>,
    new_targets: NewTargets,
    /// Events that did not fit into the queue, and were not told of yet.
    dropped: u64,
    thread: JoinHandle<()>,
}

impl Reporter {
    /// Starts the thread that writes and calls. `lines` is the agent's standard error.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(host: Host, metrics: Metrics, lines: Lines, targets: NotifyTargets) -> io::Result<Self> {
        let (entries, taken) = sync_channel(QUEUE);
        let new_targets = NewTargets::default();
        let worker = Worker {
            log: EventLog::new(host.clone()),
            notifier: Notifier::new(host.clone(), targets, metrics.clone()),
            new_targets: Arc::clone(&new_targets),
            metrics: metrics.clone(),
            lines,
            log_works: true,
        };
        let thread = std::thread::Builder::new()
            .name("oomguard-report".to_owned())
            .stack_size(STACK)
            .spawn(move || worker.run(&taken))?;
        Ok(Self { host, metrics, entries, new_targets, dropped: 0, thread })
    }

    /// Takes an event that happened now.
    pub fn handle(&mut self, event: Event) {
        self.metrics.count(&event);
        let now = self.host.now_ms();
        if self.dropped > 0 {
            // Each was counted when it was dropped; this is for the log.
            let lost = Event::LostEvents { source: Source::Queue, count: Some(self.dropped) };
            if self.entries.try_send(Box::new(Entry::new(lost, now))).is_ok() {
                self.dropped = 0;
            }
        }
        if self.entries.try_send(Box::new(Entry::new(event, now))).is_err() {
            self.metrics.events_dropped.inc();
            self.dropped += 1;
        }
    }

    /// Takes several.
    pub fn handle_all(&mut self, events: impl IntoIterator<Item = Event>) {
        for event in events {
            self.handle(event);
        }
    }

    /// Replaces the notification targets, from the next event on.
    pub fn set_targets(&self, targets: NotifyTargets) {
        if let Ok(mut new) = self.new_targets.lock() {
            *new = Some(targets);
        }
    }

    /// Writes what is in the queue, waits some seconds for calls that run, and ends.
    pub fn finish(self) {
        drop(self.entries);
        let _ = self.thread.join();
    }
}

/// Writes a line; when that fails there is nobody left to tell.
fn say(lines: &Lines, line: &str) {
    if let Ok(mut lines) = lines.lock() {
        let _ = lines.write_all(line.as_bytes()).and_then(|()| lines.flush());
    }
}

struct Worker {
    log: EventLog,
    notifier: Notifier,
    new_targets: NewTargets,
    metrics: Metrics,
    lines: Lines,
    /// Whether the log could be written last time: its failure is said once.
    log_works: bool,
}

impl Worker {
    fn run(mut self, entries: &Receiver<Box<Entry>>) {
        loop {
            // Asleep while nothing runs.
            let entry = if self.notifier.is_idle() {
                entries.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                entries.recv_timeout(LOOK)
            };
            match entry {
                Ok(entry) => self.report(&entry),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.turn();
        }
        let begun = Instant::now();
        while !self.notifier.is_idle() && begun.elapsed() < LAST_WAIT {
            std::thread::sleep(LOOK);
            self.turn();
        }
    }

    fn report(&mut self, entry: &Entry) {
        if let Some(targets) = self.new_targets.lock().ok().and_then(|mut new| new.take()) {
            self.notifier.set_targets(targets);
        }
        say(&self.lines, &logfmt::line(entry));
        self.notifier.enqueue(entry);
        // The calls begin before the disk is waited for.
        self.turn();
        let written = self.log.append(entry);
        if let Err(error) = &written {
            self.metrics.log_errors.inc();
            if self.log_works {
                say(
                    &self.lines,
                    &format!("<3>events are not in the event log: {}\n", DisplayText::new(error.to_string())),
                );
            }
        }
        self.log_works = written.is_ok();
    }

    fn turn(&mut self) {
        for wrong in self.notifier.poll() {
            say(&self.lines, &format!("<4>{wrong}\n"));
        }
    }
}
