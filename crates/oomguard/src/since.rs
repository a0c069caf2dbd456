//! Points in time on the command line: `15m`, `2h`, `2026-01-23 14:00`.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::failure::Failure;

/// Reads the value of `--since`; milliseconds since 1970. A span (`90s`, `15m`, `2h`, `7d`) counts back from `now_ms`; a date
/// and time without a zone are in UTC.
///
/// # Errors
/// When it is neither.
pub fn parse(text: &str, now_ms: u64) -> Result<u64, Failure> {
    if let Some(span) = span(text) {
        return Ok(now_ms.saturating_sub(span));
    }
    moment(text).and_then(|time| u64::try_from(time.as_millisecond()).ok()).ok_or_else(|| {
        Failure::usage(format!("--since: {} is not a time", oomguard_text::quoted(text, 60)))
            .hint("write an age such as `15m`, `2h` or `7d`, or a time such as `2026-01-23 14:00`")
    })
}

fn moment(text: &str) -> Option<Timestamp> {
    if let Ok(time) = text.parse() {
        return Some(time);
    }
    let time: DateTime = text.strip_suffix('Z').unwrap_or(text).parse().ok()?;
    TimeZone::UTC.to_timestamp(time).ok()
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

    fn at(text: &str, now_ms: u64) -> Option<u64> {
        parse(text, now_ms).ok()
    }

    #[test]
    fn times_and_spans() {
        assert_eq!(at("90s", NOW), Some(NOW - 90_000));
        assert_eq!(at("15m", NOW), Some(NOW - 900_000));
        assert_eq!(at("2h", NOW), Some(NOW - 7_200_000));
        assert_eq!(at("7d", NOW), Some(NOW - 604_800_000));
        assert_eq!(at("99999999d", NOW), Some(0), "before 1970 is all there is");
        assert_eq!(at("2026-01-23T14:05:06.789Z", 0), Some(NOW));
        assert_eq!(at("2026-01-23T15:05:06.789+01:00", 0), Some(NOW));
        assert_eq!(at("2026-01-23", 0), Some(1_769_126_400_000));
        for text in [
            "2026-01-23T14:05:00Z",
            "2026-01-23 14:05",
            "2026-01-23T14:05",
            "2026-01-23 14:05:00Z",
            "2026-01-23 14:05Z",
        ] {
            assert_eq!(at(text, 0), Some(1_769_177_100_000), "{text}");
        }
    }

    #[test]
    fn other_text_is_not_a_time() {
        for text in ["", "m", "-5m", "5 m", "5w", "yesterday", "2026-01-23 25:00", "2026-13-01", "1900-01-01"]
        {
            assert_eq!(at(text, NOW), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "\\PC{0,20}|[0-9]{0,22}[smhd]", now: u64) {
            let _ = parse(&text, now);
        }
    }
}
