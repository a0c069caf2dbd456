//! One line of a log, in any format: its time, its origin and its message.
//!
//! Known by shape: syslog, `dmesg` (raw, -T in any locale, -x, ISO), journalctl (short, monotonic, ISO), records of
//! /dev/kmsg (Documentation/ABI/testing/dev-kmsg), RFC 5424, and quotes of mails. JSON is in [`crate::json_line`].

use std::borrow::Cow;

use crate::bytes::{number, whole};
use crate::time::{self, Shown, Time, Wall};

/// The origin of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin<'a> {
    /// The kernel, as the log says.
    Kernel,
    /// A program, by the name that it logs under.
    Program(&'a [u8]),
    /// The log does not say.
    Unknown,
}

/// One line, taken apart.
#[derive(Clone, Debug)]
pub struct Line<'a> {
    /// When.
    pub time: Time,
    /// Who.
    pub origin: Origin<'a>,
    /// Whether it has a time, a sequence number or a name of its own. The rest of a wrapped line has none.
    pub prefixed: bool,
    /// The number of the record, in a log that numbers them.
    pub sequence: Option<u64>,
    /// What was said.
    pub text: Cow<'a, [u8]>,
}

/// How many prefixes one line can have; a glued or quoted one has more than two.
const MAX_PREFIXES: usize = 8;

impl<'a> Line<'a> {
    /// Splits a line. Never fails: everything after the known prefixes is the message.
    #[must_use]
    pub fn read(raw: &'a [u8]) -> Self {
        let mut line = Self {
            time: Time::default(),
            origin: Origin::Unknown,
            prefixed: false,
            sequence: None,
            text: Cow::Borrowed(&[]),
        };
        let mut rest = unquoted(raw);
        for _ in 0..MAX_PREFIXES {
            rest = rest.trim_ascii();
            let Some(next) = line.prefix(rest) else { break };
            line.prefixed = true;
            rest = next;
        }
        line.text = unescaped(rest);
        line
    }

    /// Strips one prefix.
    fn prefix(&mut self, text: &'a [u8]) -> Option<&'a [u8]> {
        match text.first()? {
            b'<' => self.priority(text),
            b'[' => self.bracket(text),
            b'0'..=b'9' => self.kmsg(text).or_else(|| self.wall(text)),
            _ => self.level(text).or_else(|| self.tag(text)).or_else(|| self.wall(text)),
        }
    }

    /// `<6>`, and the version of RFC 5424 after it.
    fn priority(&mut self, text: &'a [u8]) -> Option<&'a [u8]> {
        let (value, rest) = number(text.get(1..)?)?;
        let rest = rest.strip_prefix(b">").filter(|_| value < 1024)?;
        // Facility 0 is the kernel; user space cannot write it to /dev/kmsg.
        if value >= 8 && self.origin == Origin::Unknown {
            self.origin = Origin::Program(b"");
        }
        Some(rest.strip_prefix(b"1 ").unwrap_or(rest))
    }

    /// `6,30574067,3816544225424,-;`
    fn kmsg(&mut self, text: &'a [u8]) -> Option<&'a [u8]> {
        let (priority, rest) = number(text)?;
        let (sequence, rest) = number(rest.strip_prefix(b",")?)?;
        let (micros, rest) = number(rest.strip_prefix(b",")?)?;
        let rest = rest.strip_prefix(b",")?;
        let end = rest.iter().take(80).position(|byte| *byte == b';')?;
        self.sequence = Some(sequence);
        self.time.uptime_us = Some(micros);
        self.origin = if priority < 8 { Origin::Kernel } else { Origin::Program(b"") };
        rest.get(end + 1..)
    }

    /// `[  123.456789]`, `[Thu Dec  7 00:05:14 2017]`, `[2026-01-12T20:27:31.9Z]:`, `[  T123]`.
    fn bracket(&mut self, text: &'a [u8]) -> Option<&'a [u8]> {
        let end = text.iter().take(64).position(|byte| *byte == b']')?;
        let inside = text.get(1..end)?.trim_ascii();
        let rest = text.get(end + 1..)?;
        if let Some((seconds, fraction)) = number(inside)
            && let Some((digits, beyond)) = fraction.strip_prefix(b".").and_then(number)
            && (beyond.is_empty() || beyond.starts_with(b"@") || beyond.starts_with(b","))
        {
            let places = fraction.len() - beyond.len() - 1;
            self.time.uptime_us = micros(seconds, digits, places);
            return Some(rest);
        }
        // The caller (CONFIG_PRINTK_CALLER): a thread or a CPU.
        if let [b'T' | b'C', id @ ..] = inside
            && whole(id).is_some()
            && self.time.uptime_us.is_some()
        {
            return Some(rest);
        }
        self.take_wall(inside, true)?;
        Some(rest.strip_prefix(b":").unwrap_or(rest))
    }

    /// A date and time at the start.
    fn wall(&mut self, text: &'a [u8]) -> Option<&'a [u8]> {
        if self.time.wall.is_some() {
            return None;
        }
        let end = self.take_wall(text, false)?;
        let rest = text.get(end..)?;
        Some(rest.strip_prefix(b":").unwrap_or(rest))
    }

    /// Finds `HH:MM:SS` near the start; says where it ends, with its fraction and zone.
    fn take_wall(&mut self, text: &[u8], whole_text: bool) -> Option<usize> {
        let window = text.get(..text.len().min(36))?;
        let mut starts = memchr::memchr_iter(b':', window).filter_map(|colon| colon.checked_sub(2));
        let at = starts.find(|at| clock(text.get(*at..).unwrap_or_default()).is_some())?;
        let before = text.get(..at)?;
        // Only the words of a date may come before it.
        let date_like = |byte: &u8| byte.is_ascii_alphanumeric() || *byte >= 0x80 || b" -.,/T".contains(byte);
        if !before.iter().all(date_like) || before.split(|byte| *byte == b' ').count() > 6 {
            return None;
        }
        let hms = clock(text.get(at..)?)?;
        let mut end = at + 8;
        if let Some([b'.' | b',', digits @ ..]) = text.get(end..) {
            let fraction = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
            end += if fraction > 0 { 1 + fraction } else { 0 };
        }
        end += zone(text.get(end..)?);
        let after = if whole_text { text.get(end..)?.trim_ascii() } else { b"" };
        let shown = Shown::new(if whole_text { text } else { text.get(..end)? });
        self.time.wall = Some(time::wall(before, hms, after, shown));
        Some(end)
    }

    /// `kern  :err   :`, as `dmesg -x` and consoles print it.
    fn level(&mut self, text: &'a [u8]) -> Option<&'a [u8]> {
        const LEVELS: [&[u8]; 9] =
            [b"emerg", b"alert", b"crit", b"err", b"warn", b"warning", b"notice", b"info", b"debug"];
        let colon = text.iter().take(10).position(|byte| *byte == b':')?;
        let facility = text.get(..colon)?.trim_ascii();
        let rest = text.get(colon + 1..)?;
        let colon = rest.iter().take(12).position(|byte| *byte == b':')?;
        if !LEVELS.contains(&rest.get(..colon)?.trim_ascii()) {
            return None;
        }
        self.origin = match facility {
            b"kern" => Origin::Kernel,
            b"user" | b"daemon" | b"auth" | b"syslog" | b"authpriv" | b"mail" | b"cron" => {
                Origin::Program(b"")
            }
            _ => return None,
        };
        rest.get(colon + 1..)
    }

    /// `host kernel:`, `kernel:`, `host systemd[1]:`, `systemd[1837]:`.
    fn tag(&mut self, text: &'a [u8]) -> Option<&'a [u8]> {
        let named = matches!(self.origin, Origin::Program(name) if !name.is_empty());
        if named {
            return None;
        }
        // A host that is followed by the time since boot.
        if self.time.wall.is_some() && self.time.uptime_us.is_none() {
            let host = text.iter().position(|byte| byte.is_ascii_whitespace())?;
            let rest = text.get(host..)?.trim_ascii_start();
            if rest.starts_with(b"[") && Line::read_bracket_uptime(rest) {
                return Some(rest);
            }
        }
        let window = text.get(..text.len().min(160))?;
        let colon = memchr::memchr_iter(b':', window)
            .find(|at| window.get(at + 1) == Some(&b' '))
            .or_else(|| text.ends_with(b":").then(|| text.len() - 1).filter(|at| *at < window.len()))?;
        let head = text.get(..colon)?;
        let rest = text.get(colon + 1..)?;
        let (host, tag) = match head.iter().position(|byte| *byte == b' ') {
            None => (None, head),
            Some(at) => (head.get(..at), head.get(at + 1..)?),
        };
        let (name, has_pid) = program(tag)?;
        let known = name == b"kernel" || has_pid || KNOWN.contains(&name);
        // A single word before a colon is mostly the kernel's own: `memory: usage`, `oom_reaper: reaped`.
        let fits = match host {
            None => known,
            Some(_) => name == b"kernel" || has_pid || (known && self.prefixed),
        };
        if !fits {
            return None;
        }
        self.origin = if name == b"kernel" { Origin::Kernel } else { Origin::Program(name) };
        Some(rest)
    }

    fn read_bracket_uptime(text: &[u8]) -> bool {
        let Some(inside) = text.get(1..).map(<[u8]>::trim_ascii_start) else { return false };
        number(inside).and_then(|(_, rest)| number(rest.strip_prefix(b".")?)).is_some()
    }
}

/// Programs that log without a pid and are of interest here.
const KNOWN: [&[u8]; 7] =
    [b"systemd", b"systemd-oomd", b"earlyoom", b"nohang", b"rsyslogd", b"systemd-logind", b"kubelet"];

/// The name of `name[pid]` or `name`, and whether it has a pid.
fn program(tag: &[u8]) -> Option<(&[u8], bool)> {
    let name_like = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-./@()".contains(byte);
    let (name, has_pid) = match tag.iter().position(|byte| *byte == b'[') {
        None => (tag, false),
        Some(at) => {
            whole(tag.get(at + 1..)?.strip_suffix(b"]")?)?;
            (tag.get(..at)?, true)
        }
    };
    let fits = !name.is_empty() && name.len() <= 64 && name.iter().all(name_like);
    fits.then_some((name, has_pid))
}

/// `12:47:02` at the start.
fn clock(text: &[u8]) -> Option<[u8; 3]> {
    let digits = |at: usize| {
        let (tens, ones) = (*text.get(at)?, *text.get(at + 1)?);
        (tens.is_ascii_digit() && ones.is_ascii_digit()).then(|| (tens - b'0') * 10 + ones - b'0')
    };
    let (hour, minute, second) = (digits(0)?, digits(3)?, digits(6)?);
    let colons = text.get(2) == Some(&b':') && text.get(5) == Some(&b':');
    (colons && hour < 24 && minute < 60 && second <= 60).then_some([hour, minute, second])
}

/// The length of `Z`, `+02:00`, `+0200` or ` UTC` at the start.
fn zone(text: &[u8]) -> usize {
    match text {
        [b'Z', ..] => 1,
        [b' ', b'U', b'T', b'C', ..] => 4,
        [b'+' | b'-', rest @ ..] => {
            let length =
                rest.iter().take(5).take_while(|byte| byte.is_ascii_digit() || **byte == b':').count();
            if length >= 4 { 1 + length } else { 0 }
        }
        _ => 0,
    }
}

fn micros(seconds: u64, digits: u64, places: usize) -> Option<u64> {
    let scale = 10u64.checked_pow(u32::try_from(places).ok()?.min(18))?;
    let fraction = u128::from(digits) * 1_000_000 / u128::from(scale);
    seconds.checked_mul(1_000_000)?.checked_add(u64::try_from(fraction).ok()?)
}

/// A line without the marks of a mail or a terminal's frame around it.
fn unquoted(raw: &[u8]) -> &[u8] {
    let mut text = raw.trim_ascii();
    for _ in 0..MAX_PREFIXES {
        text = match text {
            [b'>' | b'|', rest @ ..] => rest.trim_ascii_start(),
            _ => break,
        };
    }
    text
}

/// The bytes that /dev/kmsg and rsyslog write as `\x0a` and `#012`: both stand for the end of a line within a record.
fn unescaped(text: &[u8]) -> Cow<'_, [u8]> {
    let escapes: [&[u8]; 3] = [b"#012", b"\\x0a", b"#011"];
    // Most lines have neither sign.
    if memchr::memchr2(b'#', b'\\', text).is_none() {
        return Cow::Borrowed(text);
    }
    if !escapes.iter().any(|escape| memchr::memmem::find(text, escape).is_some()) {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, others)) = rest.split_first() {
        if let Some(escape) = escapes.iter().find(|escape| rest.starts_with(escape)) {
            out.push(if *escape == b"#011" { b'\t' } else { b'\n' });
            rest = rest.get(escape.len()..).unwrap_or_default();
        } else {
            out.push(*first);
            rest = others;
        }
    }
    Cow::Owned(out)
}

/// A wall clock that a reader of JSON found.
#[must_use]
pub fn time_of(micros_since_1970: Option<i64>, uptime_us: Option<u64>) -> Time {
    let wall: Option<Wall> = micros_since_1970.and_then(|micros| Time::from_micros(micros).wall);
    Time { wall, uptime_us }
}

#[cfg(test)]
#[path = "line_tests.rs"]
mod tests;
