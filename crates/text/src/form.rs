//! Text in the forms that have a syntax of their own.

use serde::Serialize;

use crate::shown::{push_utf16, terminal};
use crate::unsafe_char::{is_unsafe, push_shown};

/// Text between the tags, or in a quoted attribute, of HTML, SVG or XML. Newlines stay; other unsafe characters are
/// escaped as on a [`terminal`], so that they are seen.
#[must_use]
pub fn html(text: &str) -> String {
    let text = terminal(text);
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

/// One line of text that stands for itself in Markdown, at the beginning of a line too: no link, image, mention,
/// heading, list or HTML comes of it. Not for use in a code span, where Markdown has no escapes.
#[must_use]
pub fn markdown(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        push_shown(&mut line, c);
    }
    let mut out = String::with_capacity(line.len());
    let digits = line.len() - line.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    for (at, c) in line.char_indices() {
        let rest = line.get(at..).unwrap_or_default();
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            // GitHub and GitLab make mentions and references of these, and a backslash does not keep them from it.
            '@' => out.push_str("&#64;"),
            '#' => out.push_str("&#35;"),
            // They make links of bare addresses, too.
            ':' if rest.starts_with("://") => out.push_str("&#58;"),
            '.' if line.get(..at).is_some_and(ends_in_www) => out.push_str("&#46;"),
            // Blanks at the beginning make code of a line, and blanks at its end a break.
            ' ' if at == 0 || at + 1 == line.len() => out.push_str("&#32;"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '!' | '|' | '~' => {
                out.push('\\');
                out.push(c);
            }
            '-' | '+' | '=' if at == 0 => {
                out.push('\\');
                out.push(c);
            }
            '.' if digits > 0 && at == digits => out.push_str("\\."),
            c => out.push(c),
        }
    }
    out
}

fn ends_in_www(text: &str) -> bool {
    text.len() >= 3 && text.get(text.len() - 3..).is_some_and(|end| end.eq_ignore_ascii_case("www"))
}

/// A value as JSON on one line. Unsafe characters in its texts are written as `\u202e`, so that the JSON is safe to
/// show and says the same.
///
/// # Errors
/// When JSON cannot hold the value, such as a map whose keys are lists.
pub fn json(value: &impl Serialize) -> serde_json::Result<String> {
    serde_json::to_string(value).map(ascii_escapes)
}

/// The same, indented over several lines.
///
/// # Errors
/// As [`json`].
pub fn json_pretty(value: &impl Serialize) -> serde_json::Result<String> {
    serde_json::to_string_pretty(value).map(ascii_escapes)
}

/// Outside of its strings, JSON has only ASCII; within them, `serde_json` has escaped what is below U+0020. So an unsafe
/// character is part of a string, unless it is a newline between values.
fn ascii_escapes(json: String) -> String {
    let escape = |c: char| c != '\n' && is_unsafe(c);
    if !json.contains(escape) {
        return json;
    }
    let mut out = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if escape(c) {
            push_utf16(&mut out, c);
        } else {
            out.push(c);
        }
    }
    out
}

/// A value of logfmt: bare if it is one plain word, otherwise in quotes with the escapes of JSON.
#[must_use]
pub fn logfmt(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/:@+%".contains(c);
    if !value.is_empty() && value.chars().all(plain) {
        return value.to_owned();
    }
    ascii_escapes(serde_json::Value::from(value).to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::shown;

    #[test]
    fn markup_becomes_text() {
        assert_eq!(html("<b a='\"'>&\u{202e}"), "&lt;b a=&#39;&quot;&#39;&gt;&amp;\\u{202e}");
        assert_eq!(markdown("[x](y) <b> @you #1 a_b|"), "\\[x\\]\\(y\\) &lt;b&gt; &#64;you &#35;1 a\\_b\\|");
        assert_eq!(markdown("see http://a www.b"), "see http&#58;//a www&#46;b");
        assert_eq!(markdown("1. a\n- b"), "1\\. a\\\\x0a- b");
        assert_eq!(markdown("- a"), "\\- a");
        assert_eq!(markdown(" a "), "&#32;a&#32;");
    }

    #[test]
    fn json_escapes_unsafe_characters_in_texts_and_keys() {
        let value = serde_json::json!({"a\u{202e}": ["\u{7f}\n", "\u{e0041}", "é"]});
        assert_eq!(json(&value).unwrap(), r#"{"a\u202e":["\u007f\n","\udb40\udc41","é"]}"#);
        assert_eq!(
            json_pretty(&value).unwrap(),
            "{\n  \"a\\u202e\": [\n    \"\\u007f\\n\",\n    \"\\udb40\\udc41\",\n    \"é\"\n  ]\n}"
        );
    }

    #[test]
    fn logfmt_quotes_whatever_is_not_one_word() {
        assert_eq!(logfmt("system.slice/a:1"), "system.slice/a:1");
        assert_eq!(logfmt("a b"), "\"a b\"");
        assert_eq!(logfmt(""), "\"\"");
        assert_eq!(logfmt("a=\"\u{202e}\n"), "\"a=\\\"\\u202e\\n\"");
    }

    /// What a browser makes of it.
    fn html_decoded(html: &str) -> String {
        let pairs = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
        pairs.into_iter().fold(html.to_owned(), |text, (entity, c)| text.replace(entity, c))
    }

    /// What a reader of Markdown makes of it; `None` if there is markup.
    fn markdown_decoded(markdown: &str) -> Option<String> {
        let mut out = String::new();
        let mut rest = markdown;
        let entities = [
            ("&lt;", '<'),
            ("&gt;", '>'),
            ("&amp;", '&'),
            ("&#64;", '@'),
            ("&#35;", '#'),
            ("&#58;", ':'),
            ("&#46;", '.'),
            ("&#32;", ' '),
        ];
        while let Some(c) = rest.chars().next() {
            if let Some((entity, c)) = entities.into_iter().find(|(entity, _)| rest.starts_with(entity)) {
                out.push(c);
                rest = &rest[entity.len()..];
            } else if c == '\\' {
                let escaped = rest[1..].chars().next().filter(char::is_ascii_punctuation)?;
                out.push(escaped);
                rest = &rest[2..];
            } else if "<>&@#`*_[]()!|~{}".contains(c) || (out.is_empty() && "-+= ".contains(c)) {
                return None;
            } else {
                out.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
        Some(out)
    }

    fn any_text() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<String>(),
            "[ -~\n\t\u{1b}\u{202e}\u{e0041}é]{0,60}",
            "(1|-|www|http|://|\\.|@|#|<| ){0,9}"
        ]
    }

    proptest! {
        #[test]
        fn html_is_safe_and_reads_back(text in any_text()) {
            let html = html(&text);
            prop_assert!(!html.contains(|c| c != '\n' && is_unsafe(c)), "{html:?}");
            prop_assert!(!html.contains(['<', '>', '"', '\'']), "{html:?}");
            prop_assert_eq!(html_decoded(&html), terminal(&text));
        }

        #[test]
        fn markdown_is_safe_and_reads_back(text in any_text()) {
            let markdown = markdown(&text);
            prop_assert!(!markdown.contains(is_unsafe), "{markdown:?}");
            prop_assert!(!markdown.contains("://") && !markdown.to_lowercase().contains("www."), "{markdown:?}");
            let read = markdown_decoded(&markdown);
            prop_assert_eq!(read, Some(shown(&text, usize::MAX)), "{}", markdown);
        }

        #[test]
        fn json_is_safe_and_reads_back(key in any_text(), text in any_text()) {
            let value = serde_json::json!({key: [text]});
            let (line, pretty) = (json(&value).unwrap(), json_pretty(&value).unwrap());
            prop_assert!(!line.contains(is_unsafe), "{line:?}");
            prop_assert!(!pretty.contains(|c| c != '\n' && is_unsafe(c)), "{pretty:?}");
            prop_assert_eq!(&serde_json::from_str::<Value>(&line).unwrap(), &value);
            prop_assert_eq!(&serde_json::from_str::<Value>(&pretty).unwrap(), &value);
        }

        #[test]
        fn logfmt_is_safe_and_reads_back(text in any_text()) {
            let value = logfmt(&text);
            prop_assert!(!value.contains(is_unsafe), "{value:?}");
            let read = if value.starts_with('"') { serde_json::from_str(&value).unwrap() } else { value.clone() };
            prop_assert_eq!(&read, &text);
            prop_assert!(value.starts_with('"') || !value.contains([' ', '=', '"', '\\']), "{value}");
        }
    }
}
