//! The file: which page is written next, and what is done with a file that is not ours.

use oomguard_host::clock::Moment;
use oomguard_host::ring_file::{RingFile, RingState};
use oomguard_host::{Host, Result};

use super::RecorderError;
use super::format::{self, BootId, FILE, PAGE, SLOTS};
use super::record::Record;

/// What was at the path when a recorder was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// Nothing: the file is new.
    New,
    /// A file of before, which is gone on with.
    Continued {
        /// The number of its last record; 0 when it had none.
        last: u64,
    },
    /// Something that this version does not write to: it was renamed, and the file is new.
    SetAside {
        /// Its new name.
        to: String,
        /// What is wrong with it.
        why: String,
    },
}

/// The open file.
#[derive(Debug)]
pub struct Ring {
    file: RingFile,
    boot: BootId,
    next: u64,
    page: Box<[u8; PAGE]>,
}

impl Ring {
    pub(super) fn open(host: &Host, path: &str, boot: BootId) -> Result<(Self, Opened), RecorderError> {
        let mut page = Box::new([0; PAGE]);
        let why = match host.open_ring(path)? {
            RingState::Missing => {
                let file = host.create_ring(path, FILE, &format::file_head())?;
                return Ok((Self { file, boot, next: 1, page }, Opened::New));
            }
            RingState::Foreign(why) => return Err(RecorderError::Foreign { path: path.to_owned(), why }),
            RingState::Ready(file) => {
                let head = file.read_at(page.as_mut_slice(), 0).map_or(&[][..], |()| page.as_slice());
                match format::foreign(head, file.len()) {
                    Some(why) => why,
                    None => {
                        let last = last_number(&file, &mut page)?;
                        let ring = Self { file, boot, next: last + 1, page };
                        return Ok((ring, Opened::Continued { last }));
                    }
                }
            }
        };
        let to = format!("{path}.old");
        host.rename_over(path, &to)?;
        let file = host.create_ring(path, FILE, &format::file_head())?;
        Ok((Self { file, boot, next: 1, page }, Opened::SetAside { to, why }))
    }

    /// Writes a record over the oldest one: its number, and how much of it did not fit.
    pub(super) fn put(&mut self, record: &mut Record, moment: Moment) -> Result<(u64, u16)> {
        let number = self.next;
        format::encode(number, &self.boot, moment, record, &mut self.page);
        let slot = 1 + (number - 1) % SLOTS;
        self.file.write_at(self.page.as_slice(), slot * PAGE as u64)?;
        self.next += 1;
        Ok((number, record.cut))
    }

    pub(super) fn sync(&self) -> Result<()> {
        self.file.sync()
    }

    pub(super) fn sync_soon(&mut self) -> Result<bool> {
        self.file.sync_soon()
    }
}

/// The highest number in the file. A number that does not belong to its page is no number of ours.
fn last_number(file: &RingFile, page: &mut [u8; PAGE]) -> Result<u64> {
    let mut last = 0;
    for slot in 1..=SLOTS {
        file.read_at(page, slot * PAGE as u64)?;
        let number = format::number_of(page).filter(|number| 1 + (number - 1) % SLOTS == slot);
        last = last.max(number.unwrap_or(0));
    }
    // Such a number was never reached by counting; from there no more could be counted.
    Ok(last.min(u64::MAX / 2))
}
