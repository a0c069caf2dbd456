//! The `\040` escapes that the kernel's seq_file and fstab(5) share.

/// Decodes `\ooo` like libmount: other backslashes stay, and of a value above `\377` the low eight bits count.
pub(crate) fn decode(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, tail)) = rest.split_first() {
        if first == b'\\'
            && let [a @ b'0'..=b'7', b @ b'0'..=b'7', c @ b'0'..=b'7', ..] = tail
        {
            out.push(((a - b'0') << 6) | ((b - b'0') << 3) | (c - b'0'));
            rest = &tail[3..];
        } else {
            out.push(first);
            rest = tail;
        }
    }
    out
}

/// Decodes to text; bytes that are not UTF-8 become U+FFFD.
pub(crate) fn decode_text(field: &[u8]) -> String {
    String::from_utf8_lossy(&decode(field)).into_owned()
}

/// Escapes space, tab, newline and backslash.
pub(crate) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            ' ' => out.push_str("\\040"),
            '\t' => out.push_str("\\011"),
            '\n' => out.push_str("\\012"),
            '\\' => out.push_str("\\134"),
            c => out.push(c),
        }
    }
    out
}
