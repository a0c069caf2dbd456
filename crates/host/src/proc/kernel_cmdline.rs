//! `/proc/cmdline` (proc_cmdline(5); kernel `lib/cmdline.c`, `next_arg`).

/// The parameters in order, with the value after the first `=` where there is one.
///
/// Double quotes protect blanks, around the value (`a="b c"`) or around all of it (`"a=b c"`), and are taken off.
/// A repeated parameter is given as often as it stands. What is not UTF-8 becomes U+FFFD.
pub fn parse(bytes: &[u8]) -> Vec<(String, Option<String>)> {
    let mut out = Vec::new();
    let mut quoted = false;
    let ends = |b: &u8| {
        quoted ^= *b == b'"';
        !quoted && b.is_ascii_whitespace()
    };
    for word in bytes.split(ends).filter(|word| !word.is_empty()) {
        out.push(parameter(word));
    }
    out
}

fn parameter(word: &[u8]) -> (String, Option<String>) {
    let word = match word.strip_prefix(b"\"") {
        Some(inner) => inner.strip_suffix(b"\"").unwrap_or(inner),
        None => word,
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let Some(equals) = word.iter().position(|&b| b == b'=') else {
        return (text(word), None);
    };
    let value = &word[equals + 1..];
    let value = match value.strip_prefix(b"\"") {
        Some(inner) => inner.strip_suffix(b"\"").unwrap_or(inner),
        None => value,
    };
    (text(&word[..equals]), Some(text(value)))
}
