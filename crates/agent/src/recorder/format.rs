//! A record as a page of the file, and a page as a record again.
//!
//! ```text
//!  0  4  mark: "OGR" and the version
//!  4  4  CRC-32 (IEEE) of all that follows, to the end of the record
//!  8  8  number of the record, from 1
//! 16 16  boot id
//! 32  8  microseconds since the boot
//! 40  8  microseconds since 1970
//! 48  2  length of the record
//! 50     the record, in postcard's encoding; zeros to the end of the page
//! ```
//! Numbers are little-endian. The first page of the file has the mark "OGH" and the number of pages instead.

use oomguard_host::clock::Moment;

use super::RecorderError;
use super::record::Record;

/// The version of the format. A file of another version is not written to.
pub const VERSION: u8 = 1;
/// The length of a page.
pub const PAGE: usize = 4096;
/// How many pages a file has, the first one included: as many as 16 MB hold.
pub const PAGES: u64 = 16_000_000 / PAGE as u64;
/// How many records a file holds.
pub const SLOTS: u64 = PAGES - 1;
/// The length of a file.
pub const FILE: u64 = PAGES * PAGE as u64;

const HEAD: usize = 50;
const MARK: [u8; 4] = [b'O', b'G', b'R', VERSION];
const FILE_MARK: [u8; 4] = [b'O', b'G', b'H', VERSION];

/// The id of a boot.
pub type BootId = [u8; 16];

/// A page's record, with where it belongs.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The number of the record, from 1.
    pub number: u64,
    /// The boot that it is of.
    pub boot: BootId,
    /// When it was taken.
    pub moment: Moment,
    /// What was seen.
    pub record: Record,
}

/// Reads a boot id as /proc/sys/kernel/random/boot_id has it.
///
/// # Errors
/// When it does not have 32 hexadecimal digits, with dashes or without.
pub fn boot_id(text: &str) -> Result<BootId, RecorderError> {
    let fail = || RecorderError::BootId(text.trim().chars().take(40).collect());
    let mut id = [0; 16];
    let mut digits = text.trim().chars().filter(|c| *c != '-').map(|c| c.to_digit(16));
    for byte in &mut id {
        let (Some(Some(high)), Some(Some(low))) = (digits.next(), digits.next()) else { return Err(fail()) };
        *byte = (high * 16 + low) as u8;
    }
    if digits.next().is_some() { Err(fail()) } else { Ok(id) }
}

/// A boot id as the kernel writes it.
#[must_use]
pub fn boot_text(id: &BootId) -> String {
    let hex: Vec<String> = id.iter().map(|byte| format!("{byte:02x}")).collect();
    [&hex[..4], &hex[4..6], &hex[6..8], &hex[8..10], &hex[10..]].map(<[String]>::concat).join("-")
}

/// The first page of a file.
#[must_use]
pub fn file_head() -> [u8; PAGE] {
    let mut page = [0; PAGE];
    page[..4].copy_from_slice(&FILE_MARK);
    page[8..16].copy_from_slice(&PAGES.to_le_bytes());
    let crc = crc32fast::hash(&page[8..16]);
    page[4..8].copy_from_slice(&crc.to_le_bytes());
    page
}

/// Why a file with this first page and length is not one that this version writes; `None` when it is.
#[must_use]
pub fn foreign(head: &[u8], len: u64) -> Option<String> {
    if head.get(..3) != Some(&FILE_MARK[..3]) {
        return Some("it does not begin as a recorder's file does".to_owned());
    }
    match head.get(3) {
        Some(&VERSION) => {}
        other => return Some(format!("it has version {}, not {VERSION}", other.copied().unwrap_or(0))),
    }
    if len != FILE || head.get(..16) != Some(&file_head()[..16]) {
        return Some(format!("it has {len} bytes, not {FILE}, or a damaged first page"));
    }
    None
}

/// Writes a record as a page. What does not fit is left out, the least first, and counted in [`Record::cut`]:
/// cgroups beyond the largest three, then processes from the end, then the other cgroups.
pub fn encode(number: u64, boot: &BootId, moment: Moment, record: &mut Record, page: &mut [u8; PAGE]) {
    let len = loop {
        match postcard::to_slice(record, &mut page[HEAD..]) {
            Ok(used) => break used.len(),
            Err(_) if drop_least(record) => record.cut = record.cut.saturating_add(1),
            // Without processes and cgroups every record fits: at most 600 bytes of numbers.
            Err(_) => break 0,
        }
    };
    page[HEAD + len..].fill(0);
    page[..4].copy_from_slice(&MARK);
    page[8..16].copy_from_slice(&number.to_le_bytes());
    page[16..32].copy_from_slice(boot);
    page[32..40].copy_from_slice(&moment.since_boot_us.to_le_bytes());
    page[40..48].copy_from_slice(&moment.real_us.to_le_bytes());
    page[48..50].copy_from_slice(&(len as u16).to_le_bytes());
    let crc = crc32fast::hash(&page[8..HEAD + len]);
    page[4..8].copy_from_slice(&crc.to_le_bytes());
}

fn drop_least(record: &mut Record) -> bool {
    if record.cgroups.len() > 3 {
        return record.cgroups.pop().is_some();
    }
    record.processes.pop().is_some() || record.cgroups.pop().is_some()
}

/// Reads a page; `None` when it holds no whole record.
#[must_use]
pub fn decode(page: &[u8]) -> Option<Page> {
    let (number, body) = checked(page)?;
    let record = postcard::from_bytes(&body[HEAD..]).ok()?;
    Some(Page {
        number,
        boot: body[16..32].try_into().ok()?,
        moment: Moment { since_boot_us: at(body, 32)?, real_us: at(body, 40)? },
        record,
    })
}

/// The number of a page's record, without the work of reading it; `None` when it holds no whole one.
#[must_use]
pub fn number_of(page: &[u8]) -> Option<u64> {
    checked(page).map(|(number, _)| number)
}

/// The number of the record, and the page up to the record's end.
fn checked(page: &[u8]) -> Option<(u64, &[u8])> {
    if page.get(..4)? != MARK {
        return None;
    }
    let len = usize::from(u16::from_le_bytes(page.get(48..50)?.try_into().ok()?));
    let body = page.get(..HEAD + len)?;
    let crc = u32::from_le_bytes(page[4..8].try_into().ok()?);
    let number = at(body, 8)?;
    (crc32fast::hash(&body[8..]) == crc && number > 0).then_some((number, body))
}

fn at(bytes: &[u8], offset: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(offset..offset + 8)?.try_into().ok()?))
}
