//! Small steps over bytes, for the readers of this crate.

use memchr::memmem;

/// What comes before and after the first `needle`.
pub fn split_once<'a>(text: &'a [u8], needle: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = memmem::find(text, needle)?;
    Some((&text[..at], &text[at + needle.len()..]))
}

/// What comes after the first `needle`.
pub fn after<'a>(text: &'a [u8], needle: &[u8]) -> Option<&'a [u8]> {
    split_once(text, needle).map(|(_, after)| after)
}

/// Whether `needle` is somewhere in `text`.
pub fn has(text: &[u8], needle: &[u8]) -> bool {
    memmem::find(text, needle).is_some()
}

/// A number at the start, and the rest.
pub fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let digits = text.get(..end).filter(|digits| !digits.is_empty() && digits.len() <= 19)?;
    let value =
        digits.iter().fold(0u64, |sum, digit| sum.wrapping_mul(10).wrapping_add(u64::from(digit - b'0')));
    Some((value, &text[end..]))
}

/// A number at the start that may have a minus.
pub fn signed(text: &[u8]) -> Option<(i64, &[u8])> {
    let (minus, digits) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (value, rest) = number(digits)?;
    let value = i64::try_from(value).ok()?;
    Some((if minus { -value } else { value }, rest))
}

/// The whole of a token as a number.
pub fn whole(token: &[u8]) -> Option<u64> {
    number(token).filter(|(_, rest)| rest.is_empty()).map(|(value, _)| value)
}

/// The whole of a token as a number that may have a minus.
pub fn whole_signed(token: &[u8]) -> Option<i64> {
    signed(token).filter(|(_, rest)| rest.is_empty()).map(|(value, _)| value)
}

/// A process or user id.
pub fn id(text: &[u8]) -> Option<(u32, &[u8])> {
    let (value, rest) = number(text)?;
    Some((u32::try_from(value).ok()?, rest))
}

/// The words between blanks.
pub fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}

/// The KiB after `key` (`anon-rss:`), of `anon-rss:123kB` or `anon-rss:123KB`. Without its unit the number may have
/// been cut, and is none.
pub fn kib_after(text: &[u8], key: &[u8]) -> Option<u64> {
    let (value, rest) = number(after(text, key)?.trim_ascii_start())?;
    rest.first().is_some_and(|unit| unit.eq_ignore_ascii_case(&b'k')).then_some(value)
}
