//! When a line was logged, as far as the log says it.

use std::fmt;

use jiff::Timestamp;

use crate::bytes::whole;

/// When a line was logged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Time {
    /// By a calendar or clock, as the log shows it; RFC 3339 in UTC where the log has microseconds since 1970.
    pub wall: Option<Wall>,
    /// Since boot, in microseconds.
    pub uptime_us: Option<u64>,
}

/// A date and time of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wall {
    /// As the log has it.
    pub shown: Shown,
    /// Comparable with other times of the same log, in seconds. Since 1970, by the log's own clock and zone, when it has
    /// years; within an unnamed year when it has none; `None` when its date is in words that are not known.
    pub seconds: Option<i64>,
    /// Whether `seconds` counts from 1970, by the log's own clock.
    pub has_year: bool,
}

/// The bytes of a date and time, kept as they are: nearly every line has one, and few are ever shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    bytes: [u8; MAX_BYTES],
    length: u8,
}

/// More than a date has in any language.
const MAX_BYTES: usize = 64;

/// How many characters of it are shown.
const MAX_CHARS: usize = 48;

impl Shown {
    /// Copies the bytes, cut at the maximum.
    #[must_use]
    pub fn new(text: &[u8]) -> Self {
        let length = text.len().min(MAX_BYTES);
        let mut bytes = [0; MAX_BYTES];
        bytes[..length].copy_from_slice(&text[..length]);
        Self { bytes, length: length as u8 }
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        oomguard_text::shown(self.bytes.get(..usize::from(self.length)).unwrap_or_default(), MAX_CHARS)
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text().fmt(f)
    }
}

impl Time {
    /// A time in microseconds since 1970, UTC.
    #[must_use]
    pub fn from_micros(micros: i64) -> Self {
        let shown = Timestamp::from_microsecond(micros).ok();
        let wall = shown.map(|time| {
            let second = time.as_second();
            let shown =
                Timestamp::from_second(second).map_or_else(|_| time.to_string(), |time| time.to_string());
            Wall { shown: Shown::new(shown.as_bytes()), seconds: Some(second), has_year: true }
        });
        Self { wall, uptime_us: None }
    }

    /// Whether the log says nothing.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.wall.is_none() && self.uptime_us.is_none()
    }

    /// For people: the date and time, else the time since boot.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        if let Some(wall) = &self.wall {
            return Some(wall.shown.text());
        }
        self.uptime_us.map(|us| format!("{}.{:06} s after boot", us / 1_000_000, us % 1_000_000))
    }

    /// Seconds from an earlier time to this one; `None` when they cannot be compared. The kernel's own clock goes
    /// before the wall clock: syslog's lags behind under load, and `dmesg -T` drifts.
    #[must_use]
    pub fn seconds_since(&self, earlier: &Self) -> Option<i64> {
        if let (Some(from), Some(to)) = (earlier.uptime_us, self.uptime_us)
            && to >= from
        {
            return i64::try_from((to - from) / 1_000_000).ok();
        }
        let (from, to) = (earlier.wall.as_ref()?, self.wall.as_ref()?);
        (from.has_year == to.has_year).then_some(to.seconds?.checked_sub(from.seconds?)?)
    }
}

/// Days from 1970-01-01 to a date of the proleptic Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// A leap year, used for logs without years.
const UNNAMED_YEAR: i64 = 1972;

/// Reads a date and time from the words around `HH:MM:SS`: month names of English or as a number with a sign after it
/// (`3月`), a day, a year.
#[must_use]
pub fn wall(before: &[u8], clock: [u8; 3], after: &[u8], shown: Shown) -> Wall {
    let mut found = Date::default();
    for word in before.split(|byte| byte.is_ascii_whitespace() || *byte == b'T').chain([after]) {
        found.take(word);
    }
    let [hour, minute, second] = clock.map(i64::from);
    let seconds = found.month.zip(found.day).map(|(month, day)| {
        days(found.year.unwrap_or(UNNAMED_YEAR), month, day) * 86_400 + hour * 3600 + minute * 60 + second
    });
    Wall { shown, seconds, has_year: found.year.is_some() && seconds.is_some() }
}

#[derive(Default)]
struct Date {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
}

impl Date {
    fn take(&mut self, word: &[u8]) {
        let word = word.trim_ascii().trim_suffix_bytes(b".,");
        if let Some([year, month, day]) = iso(word) {
            (self.year, self.month, self.day) = (Some(year), Some(month), Some(day));
        } else if let Some(number) = whole(word).and_then(|number| i64::try_from(number).ok()) {
            match number {
                1..=31 if word.len() <= 2 => self.day = Some(number),
                1970..=2200 => self.year = Some(number),
                _ => {}
            }
        } else if let Some(month) = month(word) {
            self.month = Some(month);
        }
    }
}

trait TrimSuffix {
    fn trim_suffix_bytes(&self, any: &[u8]) -> &[u8];
}

impl TrimSuffix for [u8] {
    fn trim_suffix_bytes(&self, any: &[u8]) -> &[u8] {
        match self.split_last() {
            Some((last, rest)) if any.contains(last) => rest,
            _ => self,
        }
    }
}

/// `2026-01-31`.
fn iso(word: &[u8]) -> Option<[i64; 3]> {
    let mut parts = word.splitn(3, |byte| *byte == b'-');
    let mut next = |length: usize| {
        let part = parts.next()?;
        if part.len() == length { i64::try_from(whole(part)?).ok() } else { None }
    };
    let date = [next(4)?, next(2)?, next(2)?];
    ((1..=12).contains(&date[1]) && (1..=31).contains(&date[2])).then_some(date)
}

fn month(word: &[u8]) -> Option<i64> {
    const NAMES: [&[u8]; 12] =
        [b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec"];
    if let Some(at) = NAMES.iter().position(|name| word.eq_ignore_ascii_case(name)) {
        return i64::try_from(at + 1).ok();
    }
    // Chinese, Japanese and Korean dates: the number, and the sign for "month".
    let digits = word.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number = whole(word.get(..digits)?).and_then(|number| i64::try_from(number).ok())?;
    let sign = word.get(digits..)?;
    let is_sign = [&"月".as_bytes(), &"월".as_bytes()].iter().any(|known| sign.starts_with(known));
    (is_sign && (1..=12).contains(&number)).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(before: &str, after: &str) -> (Option<i64>, bool) {
        let wall = wall(before.as_bytes(), [12, 30, 1], after.as_bytes(), Shown::new(b""));
        (wall.seconds, wall.has_year)
    }

    #[test]
    fn dates_of_many_logs() {
        let noon = 1_769_171_401; // 2026-01-23T12:30:01Z
        assert_eq!(seconds("2026-01-23T", ""), (Some(noon), true));
        assert_eq!(seconds("2026-01-23 ", ""), (Some(noon), true));
        assert_eq!(seconds("Fri Jan 23 ", " 2026"), (Some(noon), true));
        assert_eq!(seconds("五 1月 23 ", " 2026"), (Some(noon), true));
        let unnamed = days(1972, 1, 23) * 86_400 + 45_001;
        assert_eq!(seconds("Jan 23 ", ""), (Some(unnamed), false));
        assert_eq!(seconds("janv. 23 ", ""), (None, false));
        assert_eq!(seconds("", ""), (None, false));
    }

    #[test]
    fn kernel_clock_takes_precedence_over_the_calendar() {
        let at = |wall: i64, uptime: u64| Time {
            wall: Some(Wall { shown: Shown::new(b""), seconds: Some(wall), has_year: true }),
            uptime_us: Some(uptime * 1_000_000),
        };
        assert_eq!(at(1031, 1042).seconds_since(&at(1000, 1000)), Some(42));
        // After a reboot only the calendar goes on.
        assert_eq!(at(1600, 3).seconds_since(&at(1000, 1000)), Some(600));
    }
}
