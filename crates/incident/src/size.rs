//! Amounts of memory for people.

/// KiB in GiB or MiB, with at most one decimal: `1.5 GiB`, `512 MiB`, `0.9 MiB`.
#[must_use]
pub fn size(kib: u64) -> String {
    let (unit, name) = if kib >= 1 << 20 { (1u64 << 20, "GiB") } else { (1 << 10, "MiB") };
    let tenths = (u128::from(kib) * 10 + u128::from(unit / 2)) / u128::from(unit);
    let (whole, tenth) = (tenths / 10, tenths % 10);
    if tenth == 0 { format!("{whole} {name}") } else { format!("{whole}.{tenth} {name}") }
}

/// The same, or a dash where the log does not show it.
#[must_use]
pub fn size_or_dash(kib: Option<u64>) -> String {
    kib.map_or_else(|| "-".to_owned(), size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts() {
        for (kib, text) in
            [(0, "0 MiB"), (512, "0.5 MiB"), (524_288, "512 MiB"), (1 << 20, "1 GiB"), (1_572_864, "1.5 GiB")]
        {
            assert_eq!(size(kib), text);
        }
        assert!(size(u64::MAX).ends_with(" GiB"));
    }
}
