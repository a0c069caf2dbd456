//! Lines that fit the terminal. A pipe has no width: there each line stays whole, for grep.

use textwrap::core::display_width;
use textwrap::{Options, WordSplitter};

/// Wraps a text at `width`; later lines are indented. Paths and unit names are not broken: they are to be copied.
pub fn wrap(text: &str, indent: usize, width: Option<usize>) -> String {
    let Some(width) = width else { return text.to_owned() };
    let indent = " ".repeat(indent);
    let options = Options::new(width)
        .subsequent_indent(&indent)
        .break_words(false)
        .word_splitter(WordSplitter::NoHyphenation);
    textwrap::fill(text, options)
}

/// Cuts a line that is longer than `width`.
pub fn cut(line: &str, width: Option<usize>) -> String {
    let Some(width) = width.filter(|width| display_width(line) > *width) else { return line.to_owned() };
    let mut kept = String::new();
    for c in line.chars() {
        if display_width(&kept) + display_width(c.encode_utf8(&mut [0; 4])) + 3 > width {
            break;
        }
        kept.push(c);
    }
    kept.trim_end().to_owned() + "..."
}

#[cfg(test)]
mod tests {
    use super::{cut, wrap};

    #[test]
    fn a_path_is_never_broken() {
        assert_eq!(
            wrap("write /etc/systemd/system/user@.service.d/50-oomguard.conf now", 2, Some(28)),
            "write\n  /etc/systemd/system/user@.service.d/50-oomguard.conf\n  now"
        );
        assert_eq!(wrap("one two three", 2, None), "one two three");
    }

    #[test]
    fn a_cut_line_fits_with_wide_characters_too() {
        assert_eq!(cut("a killed user manager", Some(12)), "a killed...");
        assert_eq!(cut("short", Some(12)), "short");
        assert_eq!(cut("a killed user manager", None), "a killed user manager");
        assert_eq!(cut("漢字漢字漢字", Some(9)), "漢字漢...");
    }
}
