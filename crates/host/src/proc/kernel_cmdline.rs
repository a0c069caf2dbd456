//! `/proc/cmdline` (proc_cmdline(5); kernel `lib/cmdline.c`, `next_arg`).

/// The parameters in order, with the value after the first `=` if any.
///
/// Double quotes protect spaces, around the value (`a="b c"`) or the parameter (`"a=b c"`), and are removed. Repeated
/// parameters are kept. Bytes that are not UTF-8 become U+FFFD.
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
