//! What an unquoted word means: the same for readers of YAML 1.1 and 1.2, or else it is text.

use serde_json::Value;

/// The value of a plain word.
///
/// Where YAML 1.1 (PyYAML, older Ansible) and YAML 1.2 disagree, as for `yes`, `010`, `1:30` or `1e3`, it is text.
pub(crate) fn plain(text: &str) -> Value {
    let new = core_1_2(text);
    if new == yaml_1_1(text) { new } else { Value::String(text.to_owned()) }
}

/// Whether some reader of YAML would take this unquoted text for something else than text that others read.
///
/// Dates are left out: every reader keeps what was written, and some make a date of it.
pub(crate) fn is_ambiguous(text: &str) -> bool {
    matches!(text, "=" | "<<") || core_1_2(text) != yaml_1_1(text)
}

fn core_1_2(text: &str) -> Value {
    if let Some(value) = word(text) {
        return value;
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let based = |digits: &str, base| i64::from_str_radix(digits, base).map_or(Value::Null, Value::from);
    if let Some(digits) = text.strip_prefix("0x").filter(|d| only(d, |c| c.is_ascii_hexdigit())) {
        return based(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o").filter(|d| only(d, |c| matches!(c, '0'..='7'))) {
        return based(digits, 8);
    }
    if only(unsigned, |c| c.is_ascii_digit()) {
        return decimal(text);
    }
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    if is_mantissa(mantissa)
        && only(exponent.strip_prefix(['+', '-']).unwrap_or(exponent), |c| c.is_ascii_digit())
    {
        return float(text);
    }
    Value::String(text.to_owned())
}

fn yaml_1_1(text: &str) -> Value {
    if let Some(value) = word(text) {
        return value;
    }
    if let "yes" | "on" | "no" | "off" | "y" | "n" = text.to_lowercase().as_str() {
        return Value::Bool(false);
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let starts_with_digit = unsigned.starts_with(|c: char| c.is_ascii_digit());
    let has = |c| unsigned.contains(c);
    if starts_with_digit && has('_') && only(unsigned, |c| c.is_ascii_hexdigit() || "_.xb:eE+-".contains(c)) {
        return Value::Null;
    }
    if let Some(digits) = unsigned.strip_prefix("0x").filter(|d| only(d, |c| c.is_ascii_hexdigit())) {
        // A sign before 0x is a number in 1.1 only.
        let number = i64::from_str_radix(digits, 16).map_or(Value::Null, Value::from);
        return if unsigned == text { number } else { Value::Null };
    }
    if unsigned.strip_prefix("0b").is_some_and(|d| only(d, |c| matches!(c, '0' | '1'))) {
        return Value::Null;
    }
    if only(unsigned, |c| c.is_ascii_digit()) {
        return if unsigned.len() > 1 && unsigned.starts_with('0') { Value::Null } else { decimal(text) };
    }
    if starts_with_digit && has(':') && only(unsigned, |c| c.is_ascii_digit() || c == ':' || c == '.') {
        return Value::Null;
    }
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "+0"));
    // Without a digit before the dot there is no sign in 1.1.
    let signed = unsigned.len() < text.len() && mantissa.starts_with('.');
    if is_mantissa(mantissa)
        && !signed
        && mantissa.contains('.')
        && exponent.strip_prefix(['+', '-']).is_some_and(|d| only(d, |c| c.is_ascii_digit()))
    {
        return float(text);
    }
    Value::String(text.to_owned())
}

/// The words that both versions share.
fn word(text: &str) -> Option<Value> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Some(Value::Null),
        "true" | "True" | "TRUE" => Some(Value::Bool(true)),
        "false" | "False" | "FALSE" => Some(Value::Bool(false)),
        _ => None,
    }
}

fn only(text: &str, allowed: impl Fn(char) -> bool) -> bool {
    !text.is_empty() && text.chars().all(allowed)
}

fn is_mantissa(text: &str) -> bool {
    let digits = |part: &str| part.chars().all(|c| c.is_ascii_digit());
    match text.split_once('.') {
        Some((whole, part)) => digits(whole) && digits(part) && whole.len() + part.len() > 0,
        None => only(text, |c| c.is_ascii_digit()),
    }
}

fn decimal(text: &str) -> Value {
    let digits = text.strip_prefix('+').unwrap_or(text);
    digits.parse::<i64>().map(Value::from).or_else(|_| digits.parse::<u64>().map(Value::from)).unwrap_or_else(
        // Too large for a number: kept as text, as PyYAML does.
        |_| Value::String(text.to_owned()),
    )
}

fn float(text: &str) -> Value {
    text.parse::<f64>()
        .ok()
        .and_then(serde_json::Number::from_f64)
        .map_or_else(|| Value::String(text.to_owned()), Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_yaml_versions_read_differently_become_text() {
        let split = [
            "yes",
            "Off",
            "n",
            "010",
            "1:30",
            "1_000",
            "0b11",
            "0o14",
            "1e3",
            "1.5e3",
            "+0x1",
            "=",
            "<<",
            "190:20:30.15",
        ];
        for text in split {
            assert!(is_ambiguous(text), "{text}");
            assert_eq!(plain(text), Value::String(text.to_owned()), "{text}");
        }
    }

    #[test]
    fn words_that_yaml_versions_agree_on_keep_their_type() {
        assert_eq!(plain("10"), 10);
        assert_eq!(plain("-900"), -900);
        assert_eq!(plain("+100"), 100);
        assert_eq!(plain("0x1f"), 31);
        assert_eq!(plain("0.5"), 0.5);
        assert_eq!(plain("true"), true);
        assert_eq!(plain("~"), Value::Null);
        for text in ["2026-01-23", "32GB", "13:38 UTC", "a:b", "1.1.0", "0.5x", "50%", "0"] {
            assert!(!is_ambiguous(text), "{text}");
        }
        assert_eq!(plain("2026-01-23"), "2026-01-23");
    }
}
