//! Counts and sizes in words.

/// A count with its noun: `1 process`, `2 processes`.
#[must_use]
pub fn counted(number: impl TryInto<i128>, one: &str, many: &str) -> String {
    let number = number.try_into().unwrap_or(i128::MAX);
    format!("{number} {}", if number == 1 { one } else { many })
}

/// A number of bytes in the largest unit that fits: `32 GiB`, `1.5 GiB`, `512 MiB`. It has at most one decimal, and
/// none when that would be zero.
#[must_use]
pub fn size(bytes: u64) -> String {
    const UNITS: [(&str, u32); 5] = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10), ("B", 0)];
    let (unit, shift) = UNITS.into_iter().find(|(_, shift)| bytes >> shift > 0).unwrap_or(("B", 0));
    let tenths = (u128::from(bytes) * 10 + (1u128 << shift) / 2) >> shift;
    match (tenths / 10, tenths % 10) {
        (whole, 0) => format!("{whole} {unit}"),
        (whole, tenth) => format!("{whole}.{tenth} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_is_singular() {
        assert_eq!(counted(1u64, "process", "processes"), "1 process");
        assert_eq!(counted(0usize, "process", "processes"), "0 processes");
        assert_eq!(counted(2, "host", "hosts"), "2 hosts");
        assert_eq!(counted(u64::MAX, "host", "hosts"), format!("{} hosts", u64::MAX));
    }

    #[test]
    fn sizes_have_the_largest_unit_and_at_most_one_decimal() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1 KiB"),
            (512 << 20, "512 MiB"),
            (1 << 30, "1 GiB"),
            (3 << 29, "1.5 GiB"),
            ((1 << 30) + (1 << 20), "1 GiB"),
            (1 << 45, "32 TiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
        assert!(size(u64::MAX).ends_with(" TiB"));
    }
}
