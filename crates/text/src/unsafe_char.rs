//! The one list of characters that are not shown as they are.

use std::fmt::Write as _;

/// Whether a character can steer a terminal, break a line, reorder or hide text, or looks like nothing or anything.
///
/// These are the control characters (newline and tab too), the line and paragraph separators, the bidirectional
/// controls, all that Unicode lets a renderer ignore (`Default_Ignorable_Code_Point`: zero-width characters, fillers,
/// variation selectors, tags), interlinear annotations, private use and noncharacters.
///
/// Variation selectors and private use are listed although emoji and icon fonts use them: a run of selectors carries
/// any hidden message past a reader, and a private character is whatever the font makes of it.
#[must_use]
pub const fn is_unsafe(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    matches!(c,
        '\u{80}'..='\u{9f}'
        | '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{115f}'..='\u{1160}'
        | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{3164}'
        | '\u{e000}'..='\u{f8ff}'
        | '\u{fdd0}'..='\u{fdef}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{10ffff}')
        || c as u32 & 0xfffe == 0xfffe
}

/// Writes a character as it is shown, and returns how many characters that took: a tab as a space, others that are
/// unsafe as `\x1b` or `\u{202e}`.
pub fn push_shown(out: &mut String, c: char) -> usize {
    if !is_unsafe(c) {
        out.push(c);
        return 1;
    }
    let start = out.len();
    _ = match c {
        '\t' => out.write_char(' '),
        c if u32::from(c) < 0x100 => write!(out, "\\x{:02x}", u32::from(c)),
        c => write!(out, "\\u{{{:x}}}", u32::from(c)),
    };
    out.len() - start
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_control_character_is_unsafe() {
        assert!(('\0'..=char::MAX).filter(|c| c.is_control()).all(is_unsafe));
    }

    #[test]
    fn letters_digits_punctuation_and_spaces_are_safe() {
        let safe = "aZ09 ~!\"'`\\|ÄéßЖ漢字かなאبजไ€→✓█🦀\u{a0}\u{3000}e\u{301}\u{fffd}";
        assert_eq!(safe.chars().find(|&c| is_unsafe(c)), None);
    }

    #[test]
    fn characters_that_hide_or_reorder_text_are_unsafe() {
        let ranges = [
            '\u{ad}'..='\u{ad}',
            '\u{61c}'..='\u{61c}',
            '\u{180e}'..='\u{180e}',
            '\u{200b}'..='\u{200f}',
            '\u{2028}'..='\u{202e}',
            '\u{2060}'..='\u{206f}',
            '\u{fe00}'..='\u{fe0f}',
            '\u{feff}'..='\u{feff}',
            '\u{fff9}'..='\u{fffb}',
            '\u{fffe}'..='\u{ffff}',
            '\u{e0000}'..='\u{e01ef}',
            '\u{e000}'..='\u{f8ff}',
        ];
        assert_eq!(ranges.into_iter().flatten().find(|&c| !is_unsafe(c)), None);
    }
}
