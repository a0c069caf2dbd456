//! Points in time as people give them: `15m`, `2h`, `2026-01-23T14:00:00Z`.

/// Reads a point in time; milliseconds since 1970. A span (`90s`, `15m`, `2h`, `7d`) counts back from `now_ms`.
///
/// # Errors
/// When it is neither; with what would be one.
pub fn parse(text: &str, now_ms: u64) -> Result<u64, String> {
    if let Some(span) = span(text) {
        return Ok(now_ms.saturating_sub(span));
    }
    let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    let time: Result<jiff::Timestamp, _> = whole.parse();
    time.ok().and_then(|time| u64::try_from(time.as_millisecond()).ok()).ok_or_else(|| {
        format!(
            "`{}` is no time; write for example `15m`, `2h`, `7d`, `2026-01-23` or `2026-01-23T14:00:00Z`",
            crate::text::Text::new(text)
        )
    })
}

fn span(text: &str) -> Option<u64> {
    let seconds = match text.chars().last()? {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return None,
    };
    let digits = &text[..text.len() - 1];
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(seconds * 1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: u64 = 1_769_177_106_789;

    #[test]
    fn times_and_spans() {
        assert_eq!(parse("90s", NOW), Ok(NOW - 90_000));
        assert_eq!(parse("15m", NOW), Ok(NOW - 900_000));
        assert_eq!(parse("2h", NOW), Ok(NOW - 7_200_000));
        assert_eq!(parse("7d", NOW), Ok(NOW - 604_800_000));
        assert_eq!(parse("99999999d", NOW), Ok(0), "before 1970 is all there is");
        assert_eq!(parse("2026-01-23T14:05:06.789Z", 0), Ok(NOW));
        assert_eq!(parse("2026-01-23T15:05:06.789+01:00", 0), Ok(NOW));
        assert_eq!(parse("2026-01-23", 0), Ok(1_769_126_400_000));
    }

    #[test]
    fn what_is_no_time() {
        for text in ["", "m", "-5m", "5 m", "5w", "yesterday", "2026-01-23T14:05", "2026-13-01", "1900-01-01"]
        {
            assert!(parse(text, NOW).unwrap_err().contains("`15m`"), "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "\\PC{0,20}|[0-9]{0,22}[smhd]", now: u64) {
            let _ = parse(&text, now);
        }
    }
}
