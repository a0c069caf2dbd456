//! The header page of a swap area (mkswap(8); kernel `include/linux/swap.h`, `union swap_header`).

use crate::parse_error::ParseError;
use serde::{Deserialize, Serialize};

/// The page sizes of Linux, smallest first.
const PAGE_SIZES: [usize; 4] = [4096, 8192, 16384, 65536];
const SIGNATURE: &[u8; 10] = b"SWAPSPACE2";
/// The signatures of a hibernation image (kernel `kernel/power/swap.c`, uswsusp, libblkid).
const SUSPENDED: [&[u8]; 4] = [b"S1SUSPEND", b"S2SUSPEND", b"ULSUSPEND", b"LINHIB0001"];

/// The header that mkswap(8) writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwapHeader {
    /// Bytes per page; the kernel accepts only its own page size.
    pub page_size: usize,
    /// The format; the kernel accepts only 1.
    pub version: u32,
    /// The number of the last page; page 0 is the header.
    pub last_page: u32,
    /// The number of bad pages.
    pub nr_badpages: u32,
    /// The UUID; all zero if none.
    pub uuid: [u8; 16],
    /// The label, empty if none. Bytes that are not UTF-8 become U+FFFD.
    pub label: String,
}

impl SwapHeader {
    /// The size of the area in bytes, including the header page: the minimum size of the file.
    pub fn size(&self) -> u64 {
        (u64::from(self.last_page) + 1).saturating_mul(self.page_size as u64)
    }

    /// Usable bytes: the size in `/proc/swaps`.
    pub fn usable(&self) -> u64 {
        u64::from(self.last_page)
            .saturating_sub(u64::from(self.nr_badpages))
            .saturating_mul(self.page_size as u64)
    }

    /// The UUID as blkid prints it: `3f2504e0-4f89-41d3-9a0c-0305e82c3301`; `None` if all zero.
    pub fn uuid_text(&self) -> Option<String> {
        if self.uuid == [0; 16] {
            return None;
        }
        let mut out = String::with_capacity(36);
        for (i, byte) in self.uuid.iter().enumerate() {
            if matches!(i, 4 | 6 | 8 | 10) {
                out.push('-');
            }
            for digit in [byte >> 4, byte & 15] {
                out.extend(char::from_digit(u32::from(digit), 16));
            }
        }
        Some(out)
    }
}

/// Parses the first page of a swap area: at least 4096 bytes, up to the largest page size to search for.
///
/// # Errors
/// The buffer is too short, has no signature, contains a hibernation image, or has a version other than 1.
pub fn parse(page: &[u8]) -> Result<SwapHeader, ParseError> {
    let at = |offset: usize, length: usize| page.get(offset..offset + length);
    if page.len() < PAGE_SIZES[0] {
        return Err(ParseError::new(0, "shorter than a swap header", page));
    }
    let signatures = PAGE_SIZES.iter().filter_map(|&size| Some((size, at(size - 10, 10)?)));
    let mut found = None;
    for (size, signature) in signatures {
        if SUSPENDED.iter().any(|s| signature.starts_with(s)) {
            return Err(ParseError::new(0, "contains a hibernation image", signature));
        }
        if signature == b"SWAP-SPACE" {
            return Err(ParseError::new(0, "has the swap format of Linux before 2.1.117", signature));
        }
        if signature == SIGNATURE && found.is_none() {
            found = Some(size);
        }
    }
    let Some(page_size) = found else {
        return Err(ParseError::new(0, "has no swap signature", at(PAGE_SIZES[0] - 10, 10).unwrap_or(page)));
    };
    // The fields are in the byte order of the machine that ran mkswap; the kernel swaps them on a mismatch.
    let field = |offset: usize| at(offset, 4).and_then(|b| b.try_into().ok()).unwrap_or([0; 4]);
    let swapped = u32::from_ne_bytes(field(1024)).swap_bytes() == 1;
    let number = |offset: usize| {
        let value = u32::from_ne_bytes(field(offset));
        if swapped { value.swap_bytes() } else { value }
    };
    let version = number(1024);
    if version != 1 {
        return Err(ParseError::new(0, format!("has swap version {version}, not 1"), &field(1024)));
    }
    let last_page = number(1028);
    if last_page == 0 {
        return Err(ParseError::new(0, "is a swap area without pages", &field(1028)));
    }
    let uuid = at(1036, 16).and_then(|b| b.try_into().ok()).unwrap_or([0; 16]);
    let label = at(1052, 16).unwrap_or_default();
    let label = label.split(|&b| b == 0).next().unwrap_or_default();
    Ok(SwapHeader {
        page_size,
        version,
        last_page,
        nr_badpages: number(1032),
        uuid,
        label: String::from_utf8_lossy(label).into_owned(),
    })
}
