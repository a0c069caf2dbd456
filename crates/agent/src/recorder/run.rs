//! The recorder's loop.

use std::os::fd::AsFd;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use oomguard_host::Host;
use oomguard_host::wait::{self, Bell, Interest};

use super::{Record, Recorder, RecorderError, Syncer};

/// Under pressure records are made durable together, so long after the first of them: a part of the two seconds that may be
/// lost, so that the disk has the rest.
const TOGETHER: Duration = Duration::from_millis(500);
/// Between two calm records memory is looked at so often, where it has to be.
const GLANCE: Duration = Duration::from_secs(1);

/// Bits of what was waited for.
const STOPPED: u32 = 1;
const ALARMED: u32 = 2;

/// What a run came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ran {
    /// How many records were taken.
    pub records: u64,
    /// How many could not be taken.
    pub failed: u64,
}

/// What became of one record.
#[derive(Clone, Copy, Debug)]
pub enum Told<'a> {
    /// It was taken.
    Taken(&'a Record),
    /// It could not be taken; the next is tried all the same.
    Failed(&'a RecorderError),
}

/// Records until `stop` is rung, or for so long. An error of one record is told, and the next is tried all the same: a host
/// that is short of memory has such moments.
///
/// Records are made durable by a thread of its own, so that a busy disk delays none: a calm record at once (one page
/// and a flush in five seconds; its page would be written anyway, half a minute later), others twice a second.
///
/// # Errors
/// When the first record cannot be taken, or a thread cannot be started.
pub fn run(
    host: &Host,
    recorder: &mut Recorder,
    length: Option<Duration>,
    stop: &Bell,
    told: &mut (dyn FnMut(Told<'_>) + Send),
) -> Result<Ran, RecorderError> {
    let syncer = recorder.syncer()?;
    let mut ran = Ran::default();
    let end = length.map(|length| Instant::now() + length);
    thread::scope(|scope| {
        // Of several requests one is enough: a sync makes all records durable that are there.
        let (ask, asked) = sync_channel::<Duration>(1);
        thread::Builder::new()
            .name("recorder-sync".to_owned())
            .stack_size(64 << 10)
            .spawn_scoped(scope, move || keep_durable(&syncer, &asked))
            .map_err(|e| RecorderError::Thread(e.to_string()))?;
        loop {
            let began = Instant::now();
            match recorder.sample(host) {
                Ok(_) => {
                    ran.records += 1;
                    told(Told::Taken(&recorder.record));
                    // Full: a sync is asked for already.
                    let _ = ask.try_send(if recorder.rate.is_pressed() { TOGETHER } else { Duration::ZERO });
                }
                Err(error) if ran.records == 0 => return Err(error),
                Err(error) => {
                    ran.failed += 1;
                    told(Told::Failed(&error));
                }
            }
            let next = began + recorder.next_interval();
            if !wait_until(recorder, end.map_or(next, |end| end.min(next)), stop) {
                return Ok(());
            }
            if end.is_some_and(|end| Instant::now() >= end) {
                return Ok(());
            }
        }
    })?;
    recorder.sync()?;
    Ok(ran)
}

/// Waits for the next record; `false` when the run is to end.
fn wait_until(recorder: &mut Recorder, until: Instant, stop: &Bell) -> bool {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let glancing = left > GLANCE && recorder.should_glance();
        let ready = {
            let stop = (stop.as_fd(), Interest::Readable);
            let alarm = recorder.alarm().map(|alarm| (alarm.as_fd(), Interest::Priority));
            let sources = [stop, alarm.unwrap_or(stop)];
            let time = if glancing { GLANCE } else { left };
            wait::wait(&sources[..1 + usize::from(alarm.is_some())], Some(time))
        };
        match ready {
            Ok(ready) if ready & STOPPED != 0 => return false,
            Ok(ready) if ready & ALARMED != 0 => {
                recorder.hurry();
                return true;
            }
            Ok(_) => {}
            // Out of memory for a moment: the next record is taken all the same.
            Err(_) => thread::sleep(left.min(GLANCE)),
        }
        if !glancing || recorder.glance() {
            return true;
        }
    }
}

fn keep_durable(syncer: &Syncer, asked: &Receiver<Duration>) {
    while let Ok(wait) = asked.recv() {
        if !wait.is_zero() {
            thread::sleep(wait);
        }
        // Whoever records meets the same disk with the next page, and says so.
        let _ = syncer.sync();
    }
}
