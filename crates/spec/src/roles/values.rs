//! Single values of a policy: sizes, scores, percentages, times, paths.

use crate::diagnostic::Sink;
use crate::node::{Node, Value, Written};
use crate::policy::SwapSize;
use crate::score::Score;
use crate::size::Bytes;
use crate::text::quoted;
use crate::unit::UnitPattern;

/// No machine has more swap; a larger size is a typo in the unit.
const LARGEST: Bytes = Bytes(64 << 40);
/// mkswap needs ten pages; a smaller size is a typo.
const SMALLEST: Bytes = Bytes(1 << 20);
/// The largest share of memory: 16x.
const LARGEST_PERMILLE: u32 = 16_000;

/// The text of a value, or an error that says what should stand there.
fn text<'n>(node: &'n Node, what: &str, example: &str, sink: &mut Sink<'_>) -> Option<&'n str> {
    match node.text().filter(|_| !node.is_null()) {
        Some(text) => Some(text),
        None => {
            let message = format!("expected {what}, found {}", node.kind());
            sink.error("wrong-kind", &node.range, message, &format!("write for example `{example}`"));
            None
        }
    }
}

/// An amount of memory or disk.
pub(crate) fn size(node: &Node, sink: &mut Sink<'_>) -> Option<Bytes> {
    let text = text(node, "a size", "32GB", sink)?;
    parse_size(text).map_err(|problem| report_size(node, text, &problem, sink)).ok()
}

/// An amount of swap, or a share of the memory.
pub(crate) fn swap_size(node: &Node, sink: &mut Sink<'_>) -> Option<SwapSize> {
    let text = text(node, "a size", "32GB` or `0.5x", sink)?;
    parse_swap_size(text).map_err(|problem| report_size(node, text, &problem, sink)).ok()
}

fn report_size(node: &Node, text: &str, problem: &str, sink: &mut Sink<'_>) {
    let squeezed: String =
        text.chars().filter(|c| !c.is_whitespace() && *c != '_').collect::<String>().to_uppercase();
    let candidates =
        [squeezed.clone(), squeezed.replace("IB", "iB"), squeezed.to_lowercase(), format!("{squeezed}GB")];
    let meant = candidates.iter().find(|text| parse_swap_size(text).is_ok());
    let help = match meant {
        Some(meant) => format!("write `{meant}`"),
        None => {
            "write a whole number and a unit, such as `32GB`, or `0.5x` for half of the memory".to_owned()
        }
    };
    sink.error("size", &node.range, format!("{} is not a valid size: {problem}", quoted(text)), &help);
}

pub(crate) fn parse_swap_size(text: &str) -> Result<SwapSize, String> {
    let Some(share) = text.strip_suffix('x') else { return parse_size(text).map(SwapSize::Bytes) };
    let permille = thousandths(share).ok_or("expected a number before `x`, such as 0.5 or 1")?;
    match u32::try_from(permille) {
        Ok(permille @ 1..=LARGEST_PERMILLE) => Ok(SwapSize::RamPermille(permille)),
        Ok(0) => Err("the size is zero".to_owned()),
        _ => Err("the maximum is 16x of memory".to_owned()),
    }
}

/// Reads `32GB`, `32G`, `32GiB`, `1.5GB`, or a plain number of bytes.
pub(crate) fn parse_size(text: &str) -> Result<Bytes, String> {
    let digits_end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits_end);
    if text.starts_with('-') {
        return Err("it is negative".to_owned());
    }
    let shift = match unit {
        "" | "B" => 0,
        "K" | "KB" | "KiB" => 10,
        "M" | "MB" | "MiB" => 20,
        "G" | "GB" | "GiB" => 30,
        "T" | "TB" | "TiB" => 40,
        _ if unit.starts_with(char::is_whitespace) => return Err("it contains a space".to_owned()),
        _ => return Err(format!("unknown unit {}; use B, KB, MB, GB or TB", quoted(unit))),
    };
    if shift == 0 && number.contains('.') {
        return Err("a number of bytes must be whole".to_owned());
    }
    let too_much = || format!("the maximum is {LARGEST}");
    let whole = number.split('.').next().unwrap_or_default();
    if whole.trim_start_matches('0').len() > 18 {
        return Err(too_much());
    }
    let thousandths = thousandths(number).ok_or("expected a number without leading zeros")?;
    let bytes = (u128::from(thousandths) << shift) / 1000;
    match u64::try_from(bytes).map(Bytes) {
        Ok(Bytes(0)) => Err("the size is zero".to_owned()),
        Ok(bytes) if bytes < SMALLEST => {
            Err(format!("{bytes} is less than {SMALLEST}; is the unit missing?"))
        }
        Ok(bytes) if bytes <= LARGEST => Ok(bytes),
        _ => Err(too_much()),
    }
}

/// A number with at most three decimals, in thousandths. No leading zeros: YAML 1.1 reads those as octal.
fn thousandths(text: &str) -> Option<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    if !digits(whole) || !digits(part) || part.len() > 3 || (whole.len() > 1 && whole.starts_with('0')) {
        return None;
    }
    let part: u64 = format!("{part:0<3}").parse().ok()?;
    whole.parse::<u64>().ok()?.checked_mul(1000)?.checked_add(part)
}

/// How a size is written so that it reads back as the same number of bytes.
pub(crate) fn size_text(bytes: Bytes) -> String {
    for (shift, unit) in [(40, "TB"), (30, "GB"), (20, "MB"), (10, "KB")] {
        if bytes.0 > 0 && bytes.0.is_multiple_of(1 << shift) {
            return format!("{}{unit}", bytes.0 >> shift);
        }
    }
    bytes.0.to_string()
}

/// How a share of memory is written.
pub(crate) fn share_text(permille: u32) -> String {
    let text = format!("{}.{:03}", permille / 1000, permille % 1000);
    format!("{}x", text.trim_end_matches('0').trim_end_matches('.'))
}

/// A whole number that is written as one.
fn whole(
    node: &Node,
    what: &str,
    range: std::ops::RangeInclusive<i64>,
    example: &str,
    sink: &mut Sink<'_>,
) -> Option<i64> {
    let text = text(node, what, example, sink)?;
    let plain = !matches!(&node.value, Value::Scalar(scalar) if scalar.written == Written::Block);
    let number = text.parse::<i64>().ok().filter(|_| plain && !crate::resolve::is_ambiguous(text));
    if let Some(number) = number.filter(|number| range.contains(number)) {
        return Some(number);
    }
    let (low, high) = (*range.start(), *range.end());
    let message = format!("{what} must be a whole number from {low} to {high}, not {}", quoted(text));
    let help = match number {
        Some(number) => format!(
            "write `{}`, the nearest allowed value, or for example `{example}`",
            number.clamp(low, high)
        ),
        None => format!("write for example `{example}`"),
    };
    sink.error("out-of-range", &node.range, message, &help);
    None
}

pub(crate) fn score(node: &Node, sink: &mut Sink<'_>) -> Option<Score> {
    let number = whole(node, "an oom_score_adj", -1000..=1000, "-900", sink)?;
    i32::try_from(number).ok().and_then(Score::new)
}

pub(crate) fn swappiness(node: &Node, sink: &mut Sink<'_>) -> Option<u8> {
    whole(node, "the swappiness", 0..=200, "10", sink).and_then(|number| u8::try_from(number).ok())
}

pub(crate) fn priority(node: &Node, sink: &mut Sink<'_>) -> Option<i16> {
    whole(node, "the priority of a swap", 0..=32767, "10", sink).and_then(|number| i16::try_from(number).ok())
}

pub(crate) fn percent(node: &Node, sink: &mut Sink<'_>) -> Option<u8> {
    let text = text(node, "a percentage", "50%", sink)?;
    let number = |text: &str| {
        let digits = text.chars().all(|c| c.is_ascii_digit()) && (text.len() == 1 || !text.starts_with('0'));
        text.parse::<u8>().ok().filter(|number| digits && *number <= 100)
    };
    let found = text.strip_suffix('%').and_then(number);
    if found.is_none() {
        let meant = number(text.trim_start_matches('>').trim_end_matches('%').trim()).unwrap_or(50);
        let message = format!("{} is not a percentage from 0% to 100%", quoted(text));
        sink.error("percentage", &node.range, message, &format!("write `{meant}%`"));
    }
    found
}

pub(crate) fn seconds(node: &Node, sink: &mut Sink<'_>) -> Option<u32> {
    let text = text(node, "a duration", "5m", sink)?;
    let found = parse_seconds(text);
    if found.is_none() {
        let message = format!("{} is not a valid duration", quoted(text));
        sink.error("time", &node.range, message, "write a whole number and `s`, `m` or `h`, such as `5m`");
    }
    found
}

pub(crate) fn parse_seconds(text: &str) -> Option<u32> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim() {
        "s" | "sec" | "second" | "seconds" => 1,
        "m" | "min" | "minute" | "minutes" => 60,
        "h" | "hour" | "hours" => 3600,
        _ => return None,
    };
    number.parse::<u32>().ok()?.checked_mul(factor)
}

/// `true` or `false`.
pub(crate) fn yes_or_no(node: &Node, sink: &mut Sink<'_>) -> Option<bool> {
    match node.to_json() {
        serde_json::Value::Bool(value) => Some(value),
        _ => {
            sink.error(
                "true-or-false",
                &node.range,
                "expected `true` or `false`".to_owned(),
                "write `false`",
            );
            None
        }
    }
}

/// A path that fstab can hold and that is what it looks like.
pub(crate) fn swap_file(node: &Node, sink: &mut Sink<'_>) -> Option<String> {
    let text = text(node, "the path of a swap file", "/swapfile", sink)?;
    let problem = if !text.starts_with('/') {
        "is not absolute"
    } else if text.chars().any(|c| c.is_whitespace() || oomguard_text::is_unsafe(c) || "\\\"#".contains(c)) {
        "contains a character that /etc/fstab cannot hold"
    } else if text.split('/').skip(1).any(|part| matches!(part, "" | "." | "..")) {
        "is not normalized: remove `..`, `//` and trailing slashes"
    } else if text.len() > 1024 || text.split('/').any(|part| part.len() > 200) {
        "is too long"
    } else if ["/dev/", "/proc/", "/sys/", "/run/"].iter().any(|folder| text.starts_with(folder)) {
        "is not on a disk"
    } else {
        return Some(text.to_owned());
    };
    sink.error(
        "swap-file",
        &node.range,
        format!("the path {} {problem}", quoted(text)),
        "write for example `/swapfile`",
    );
    None
}

/// The program that is run for each event.
pub(crate) fn hook(node: &Node, sink: &mut Sink<'_>) -> Option<String> {
    let text = text(node, "the path of a program", "/usr/local/bin/tell-us", sink)?;
    let problem = if !text.starts_with('/') {
        "is not absolute"
    } else if text.chars().any(|c| c.is_whitespace() || oomguard_text::is_unsafe(c)) {
        "contains a space or an unprintable character; arguments are not supported"
    } else if text.split('/').skip(1).any(|part| matches!(part, "" | "." | "..")) {
        "is not normalized: remove `..`, `//` and trailing slashes"
    } else if text.len() > 1024 {
        "is too long"
    } else {
        return Some(text.to_owned());
    };
    let help = "write the absolute path of one program, such as `/usr/local/bin/tell-us`; it receives the event on stdin";
    sink.error("hook", &node.range, format!("the path {} {problem}", quoted(text)), help);
    None
}

/// The address that events are posted to.
pub(crate) fn webhook(node: &Node, sink: &mut Sink<'_>) -> Option<String> {
    let text = text(node, "an address", "https://alerts.example.net/oomguard", sink)?;
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let problem = match rest {
        None => "does not start with `https://` or `http://`",
        Some(rest) if rest.is_empty() || rest.starts_with(['/', '?', '#', ':']) => "has no host",
        Some(_) if !text.chars().all(|c| c.is_ascii_graphic() && !"\"\\<>^`{|}".contains(c)) => {
            "contains a character that must be percent-encoded"
        }
        Some(_) if text.len() > 2048 => "is too long",
        Some(_) => return Some(text.to_owned()),
    };
    let help = "write for example `https://alerts.example.net/oomguard`";
    sink.error("webhook", &node.range, format!("the address {} {problem}", quoted(text)), help);
    None
}

/// The name of a service that stands as a key or in a list.
pub(crate) fn unit(text: &str, range: &std::ops::Range<usize>, sink: &mut Sink<'_>) -> Option<UnitPattern> {
    match UnitPattern::parse(text) {
        Ok(unit) => Some(unit),
        Err(problem) => {
            let with = format!("{text}.service");
            let help = if UnitPattern::parse(&with).is_ok() && !text.contains('.') {
                format!("write `{with}`")
            } else {
                "write the name as `systemctl list-units` shows it, such as `adnet.service`".to_owned()
            };
            sink.error("unit", range, crate::text::visible(&problem.to_string()), &help);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_size_accepts_common_spellings() {
        for text in ["32GB", "32G", "32GiB", "34359738368", "32768MB", "33554432KiB"] {
            assert_eq!(parse_size(text), Ok(Bytes::gib(32)), "{text}");
        }
        assert_eq!(parse_size("1.5GB"), Ok(Bytes(3 << 29)));
        assert_eq!(parse_swap_size("0.5x"), Ok(SwapSize::RamPermille(500)));
        assert_eq!(parse_swap_size("1x"), Ok(SwapSize::RamPermille(1000)));
    }

    #[test]
    fn parse_swap_size_rejects_malformed_sizes() {
        let long = format!("{}GB", "9".repeat(5000));
        for text in [
            "32 GB",
            "-1GB",
            "1e99GB",
            "0.5y",
            "0GB",
            "",
            "GB",
            "65TB",
            "18446744073709551616",
            "010GB",
            "0x",
            "x",
            "17x",
            "5",
            "1.GB",
            "32gb",
            &long,
        ] {
            assert!(parse_swap_size(text).is_err(), "{text}");
        }
    }
}
