//! The recorder's loop.

use std::os::fd::AsFd;
use std::thread;
use std::time::{Duration, Instant};

use oomguard_host::Host;
use oomguard_host::wait::{self, Bell, Interest};

use super::{Record, Recorder, RecorderError};

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
/// # Errors
/// When the first record cannot be taken, or the last ones cannot be made durable.
pub fn run(
    host: &Host,
    recorder: &mut Recorder,
    length: Option<Duration>,
    stop: &Bell,
    told: &mut (dyn FnMut(Told<'_>) + Send),
) -> Result<Ran, RecorderError> {
    let mut ran = Ran::default();
    let end = length.map(|length| Instant::now() + length);
    loop {
        let began = Instant::now();
        match recorder.sample(host) {
            Ok(taken) => {
                ran.records += 1;
                // First, since the disk may have to be waited for, and the record is of now.
                told(Told::Taken(&recorder.record));
                recorder.keep_durable(taken);
            }
            Err(error) if ran.records == 0 => return Err(error),
            Err(error) => {
                ran.failed += 1;
                told(Told::Failed(&error));
                recorder.sync_what_is_owed();
            }
        }
        let next = began + recorder.next_interval();
        let goes_on = wait_until(recorder, end.map_or(next, |end| end.min(next)), stop);
        if !goes_on || end.is_some_and(|end| Instant::now() >= end) {
            break;
        }
    }
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
