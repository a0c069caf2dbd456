//! The flight recorder: the last minutes of a host's memory, in one file of fixed size that a crash does not harm.
//!
//! The file is a ring of pages of 4 KiB; the first page says what the file is, every other page holds at most one record.
//! A record never crosses a page, so a torn write harms one record, and an older one at that. 16 MB are 3,905
//! records: at four a second that is more than 16 minutes, and at one in five seconds more than five hours.
//! Pages are written in place, over blocks that exist already, so that a write changes no metadata.
//!
//! - [`record`]: what is recorded; [`format`]: a record as a page; [`ring`]: the file.
//! - [`rate`]: how often; [`snapshot`]: reading the host, with [`processes`] and [`cgroups`].
//! - [`recording`]: bytes to records again, whatever the bytes are; [`run`]: the loop.

pub mod cgroups;
pub mod format;
pub mod peaks;
pub mod processes;
pub mod rate;
pub mod record;
pub mod recording;
pub mod ring;
pub mod run;
pub mod snapshot;

use std::time::Duration;

use oomguard_host::psi::PsiTrigger;
use oomguard_host::{Host, HostError};

pub use rate::Rate;
pub use record::Record;
pub use recording::{Recording, read};
pub use ring::Opened;
pub use run::{Told, run};

use ring::Ring;
use snapshot::Snapshots;

/// Where the recorder's file is on a host.
pub const PATH: &str = "/var/lib/oomguard/recorder";

/// What the file holds at least, whatever happens.
pub const WINDOW: Duration = Duration::from_secs(15 * 60);

/// Why nothing is recorded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecorderError {
    /// The machine refused something.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The boot has no name.
    #[error("`{0}` is no boot id: it should be as in /proc/sys/kernel/random/boot_id")]
    BootId(String),
    /// Something else is where the file should be.
    #[error("{path} is not written to: {why}; move it away and start again")]
    Foreign {
        /// The file's path.
        path: String,
        /// What is wrong with it.
        why: String,
    },
}

/// A record that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Its number; the numbers of a file have no gaps but for records that were lost.
    pub number: u64,
    /// How often records are taken from here on.
    pub rate: Rate,
    /// How many processes and cgroups did not fit, of those that were to be recorded.
    pub cut: u16,
    /// How many processes were looked at.
    pub seen: usize,
}

/// Reads a host and writes records.
///
/// It may wait for the disk in [`Recorder::sync`], and for memory wherever the kernel does: give it a thread of its own.
#[derive(Debug)]
pub struct Recorder {
    ring: Ring,
    snapshots: Snapshots,
    rate: Rate,
    record: Record,
    /// The last record is not on its way to the disk yet.
    owes_sync: bool,
    /// Without one (no PSI, or not allowed), memory is looked at every second.
    trigger: Option<PsiTrigger>,
}

impl Recorder {
    /// Opens the file at `path`, or makes a new one; its folder must be there. A file of another version or size is
    /// renamed to `PATH.old` and kept.
    ///
    /// # Errors
    /// When the file cannot be used or made, when another process records there, or when `boot_id` is none.
    pub fn open(host: &Host, path: &str, boot_id: &str) -> Result<(Self, Opened), RecorderError> {
        let (ring, opened) = Ring::open(host, path, format::boot_id(boot_id)?)?;
        let snapshots = Snapshots::new(host)?;
        // A folder that stands for a host has no kernel to take a trigger.
        let trigger = host.is_live().then(|| PsiTrigger::set(host, rate::TRIGGER).ok()).flatten();
        let recorder = Self {
            ring,
            snapshots,
            rate: Rate::default(),
            record: Record::roomy(),
            owes_sync: false,
            trigger,
        };
        Ok((recorder, opened))
    }

    /// Takes a record. It is in the page cache on return: no crash of this process loses it. What a power cut leaves
    /// of it is up to [`Recorder::sync`].
    ///
    /// # Errors
    /// When the host's memory cannot be read, or the page cannot be written.
    pub fn sample(&mut self, host: &Host) -> Result<Taken, RecorderError> {
        let moment = host.moment();
        self.snapshots.take(self.rate, moment, &mut self.record)?;
        let interval = self.rate.next(&self.record.signals());
        self.rate = interval;
        let (number, cut) = self.ring.put(&mut self.record, moment)?;
        Ok(Taken { number, rate: self.rate, cut, seen: self.snapshots.seen() })
    }

    /// How long until the next record is due.
    #[must_use]
    pub fn next_interval(&self) -> Duration {
        self.rate.interval()
    }

    /// Goes over to the fast rate: the kernel saw that tasks wait for memory.
    pub fn hurry(&mut self) {
        self.rate = Rate::pressed();
    }

    /// What tells that memory is short, while the rate is the calm one.
    pub(super) fn alarm(&self) -> Option<&PsiTrigger> {
        self.trigger.as_ref().filter(|_| !self.rate.is_pressed())
    }

    /// Whether [`Self::glance`] is worth its cost: always without the kernel's alarm, and when much is in use already.
    pub(super) fn should_glance(&self) -> bool {
        self.trigger.is_none() || self.record.signals().may_soon_be_short()
    }

    /// Looks at memory and pressure alone, which costs little, and says whether a record should be taken now
    /// although none is due: between two calm records all memory may be gone.
    pub fn glance(&mut self) -> bool {
        let now = self.snapshots.glance();
        let pressed = now.is_some_and(|signals| self.rate.next(&signals).is_pressed());
        if pressed && !self.rate.is_pressed() {
            self.rate = Rate::pressed();
            return true;
        }
        false
    }

    /// Makes all records durable; may take long on a busy disk.
    ///
    /// # Errors
    /// When the disk does not take them.
    pub fn sync(&self) -> Result<(), RecorderError> {
        Ok(self.ring.sync()?)
    }

    /// Has what was recorded made durable while this goes on, so that a busy disk delays no record: a calm record at once (one
    /// page and a flush in five seconds; its page would be written anyway, half a minute later), at the fast rate two
    /// together, and all that came meanwhile when the disk is slower than that.
    pub(super) fn keep_durable(&mut self, taken: Taken) {
        let goes_with_the_next = taken.rate.is_pressed() && taken.number % 2 == 1 && !self.owes_sync;
        if goes_with_the_next {
            return;
        }
        self.owes_sync = true;
        self.sync_what_is_owed();
    }

    /// What failed, or had to wait for the sync before it, is tried again; a disk that fails says so to whoever writes the next
    /// record, too.
    pub(super) fn sync_what_is_owed(&mut self) {
        if self.owes_sync {
            self.owes_sync = !self.ring.sync_soon().unwrap_or(false);
        }
    }
}
