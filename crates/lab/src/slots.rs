//! Limits the number of running hosts: each holds the lock of a slot file.

use std::fs::{self, File};
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::error::{Result, at};

/// The maximum number of concurrent hosts.
pub const MAX_HOSTS: u16 = 3;

/// The right to run one host, until it is dropped.
#[derive(Debug)]
pub struct Slot {
    pub(crate) number: u16,
    pub(crate) file: File,
}

fn open(path: &Path) -> Result<File> {
    File::options().create(true).truncate(false).write(true).open(path).map_err(at(path))
}

/// Waits until `count` slots are free and takes them together, so that two callers who each want
/// several cannot deadlock. `count` is at most [`MAX_HOSTS`]; otherwise this waits forever.
pub(crate) fn take(cache: &Path, count: usize) -> Result<Vec<Slot>> {
    let directory = cache.join("slots");
    fs::create_dir_all(&directory).map_err(at(&directory))?;
    let gate_path = directory.join("gate");
    let gate = open(&gate_path)?;
    gate.lock().map_err(at(&gate_path))?;
    let mut taken: Vec<Slot> = Vec::new();
    loop {
        for number in 0..MAX_HOSTS {
            if taken.len() >= count {
                return Ok(taken);
            }
            if taken.iter().any(|slot| slot.number == number) {
                continue;
            }
            let file = open(&directory.join(number.to_string()))?;
            if file.try_lock().is_ok() {
                taken.push(Slot { number, file });
            }
        }
        if taken.len() < count {
            thread::sleep(Duration::from_millis(200));
        }
    }
}
