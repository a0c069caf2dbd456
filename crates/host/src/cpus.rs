//! `/sys/devices/system/cpu/online` (kernel Documentation/admin-guide/cputopology.rst): the online CPUs.

use crate::parse_error::ParseError;

/// The path of the list.
pub const ONLINE: &str = "/sys/devices/system/cpu/online";

/// More than any kernel supports (`NR_CPUS` is at most 8192).
const MAX_CPUS: u32 = 1 << 16;

/// The number of CPUs in a list such as `0-3,8`.
///
/// # Errors
/// When it is not a list of CPUs.
pub fn count(bytes: &[u8]) -> Result<u32, ParseError> {
    let fail = || ParseError::new(1, "not a list of CPUs", bytes);
    let text = std::str::from_utf8(bytes).map_err(|_| fail())?.trim_end();
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u32>().ok().filter(|number| digits && *number < MAX_CPUS)
    };
    let mut all = 0u32;
    for range in text.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last) = (number(first).ok_or_else(fail)?, number(last).ok_or_else(fail)?);
        let in_range = last.checked_sub(first).ok_or_else(fail)? + 1;
        all = all.checked_add(in_range).filter(|all| *all <= MAX_CPUS).ok_or_else(fail)?;
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn valid_lists_are_counted_and_others_refused() {
        for (text, cpus) in [("0\n", 1), ("0-1\n", 2), ("0-3,8-11,15\n", 9), ("0,2", 2)] {
            assert_eq!(count(text.as_bytes()).ok(), Some(cpus), "{text}");
        }
        for text in ["", "\n", "3-1", "-1", "0-", "a", "0,,1", "0-99999999999", "+1", "0 1"] {
            assert!(count(text.as_bytes()).is_err(), "{text}");
        }
    }
}
