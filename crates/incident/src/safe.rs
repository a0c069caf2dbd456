//! Text of a log as it may be shown: on one line, bounded, without anything that steers a terminal or hides text.

/// How many characters of a log line are ever shown.
pub const LINE_LIMIT: usize = 240;

/// How many characters of a name (comm, unit, cgroup) are ever shown. A cgroup path of Kubernetes has about 250.
pub const NAME_LIMIT: usize = 512;

/// `raw` on one line: control characters and characters that reorder or hide text are escaped, and what is longer
/// than `limit` characters ends in `...`. The cost is bounded by `limit`, not by `raw`.
#[must_use]
pub fn shown(raw: &[u8], limit: usize) -> String {
    // Nearly every line is plain, and most are short.
    let start = raw.get(..limit).unwrap_or(raw);
    if start.iter().all(|byte| (0x20..0x7f).contains(byte))
        && let Ok(plain) = str::from_utf8(start)
    {
        return match plain.get(..limit.saturating_sub(3)) {
            Some(cut) if raw.len() > limit => format!("{cut}..."),
            _ => plain.to_owned(),
        };
    }
    // No character has more than four bytes.
    let head = raw.get(..limit.saturating_mul(4)).unwrap_or(raw);
    let mut cut = head.len() < raw.len();
    let mut out = String::new();
    let mut length = 0;
    let mut room = 0;
    for chunk in head.utf8_chunks() {
        let valid = chunk.valid().chars().map(escaped);
        let invalid = chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}"));
        for piece in valid.chain(invalid) {
            let width = piece.chars().count();
            if length + width > limit {
                cut = true;
                break;
            }
            length += width;
            out.push_str(&piece);
            if length + 3 <= limit {
                room = out.len();
            }
        }
        if cut && length >= limit.saturating_sub(12) {
            break;
        }
    }
    if cut {
        out.truncate(room);
        out.push_str("...");
    }
    out
}

/// A name of the log (comm, unit, cgroup), see [`shown`].
#[must_use]
pub fn name(raw: &[u8]) -> String {
    shown(raw, NAME_LIMIT)
}

/// A line of the log, see [`shown`].
#[must_use]
pub fn line(raw: &[u8]) -> String {
    shown(raw, LINE_LIMIT)
}

/// Text that goes between the tags, or into an attribute, of an HTML or SVG page.
#[must_use]
pub fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// Text that stands for itself in Markdown: no link, image, mention, heading or HTML comes of it.
#[must_use]
pub fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            // GitHub and GitLab make mentions and references of these, and a backslash does not keep them from it.
            '@' => out.push_str("&#64;"),
            '#' => out.push_str("&#35;"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '!' | '|' | '~' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

fn escaped(c: char) -> String {
    match c {
        '\t' => " ".to_owned(),
        c if c.is_control() && (c as u32) < 0x100 => format!("\\x{:02x}", c as u32),
        c if c.is_control() || hides(c) => format!("\\u{{{:x}}}", c as u32),
        c => c.to_string(),
    }
}

/// Characters that reorder or hide the text around them.
fn hides(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_shown() {
        assert_eq!(shown(b"a\x1b[31mb\r\n\0", 80), "a\\x1b[31mb\\x0d\\x0a\\x00");
        assert_eq!(shown("a\u{202e}b".as_bytes(), 80), "a\\u{202e}b");
        assert_eq!(shown(b"a\xffb", 80), "a\\xffb");
    }

    #[test]
    fn what_is_long_is_cut() {
        assert_eq!(shown(b"123456789", 9), "123456789");
        assert_eq!(shown(b"1234567890", 9), "123456...");
        for limit in 3..40 {
            assert!(shown(&[0x1b; 100], limit).chars().count() <= limit);
            assert!(shown("ä\u{202e}".repeat(100).as_bytes(), limit).chars().count() <= limit);
        }
    }

    #[test]
    fn markup_is_text() {
        assert_eq!(html("<b a='\"'>&"), "&lt;b a=&#39;&quot;&#39;&gt;&amp;");
        assert_eq!(markdown("[x](y) <b> @you #1 a_b|"), "\\[x\\]\\(y\\) &lt;b&gt; &#64;you &#35;1 a\\_b\\|");
    }
}
