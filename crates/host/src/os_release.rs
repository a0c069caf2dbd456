//! /etc/os-release (os-release(5)): the distribution.

/// The distribution. A missing key is empty, as os-release(5) defines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OsRelease {
    /// `ID`: `debian`
    pub id: String,
    /// `VERSION_ID`: `12`; Debian's unstable has none.
    pub version: String,
}

/// Longer than any real name or version, in characters.
const MAX_CHARS: usize = 60;

/// Reads the file. Lines that are not assignments are skipped; of a repeated key the last one counts, as in a shell.
#[must_use]
pub fn parse(bytes: &[u8]) -> OsRelease {
    let mut found = OsRelease::default();
    for line in String::from_utf8_lossy(bytes).lines() {
        match line.trim().split_once('=') {
            Some(("ID", value)) => found.id = plain(value),
            Some(("VERSION_ID", value)) => found.version = plain(value),
            _ => {}
        }
    }
    found
}

fn plain(value: &str) -> String {
    let quoted = |quote| value.strip_prefix(quote).and_then(|value| value.strip_suffix(quote));
    let value = quoted('"').or_else(|| quoted('\'')).unwrap_or(value);
    oomguard_text::shown(value, MAX_CHARS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quotes_are_optional_and_the_last_assignment_counts() {
        let of = |id: &str, version: &str| OsRelease { id: id.to_owned(), version: version.to_owned() };
        let debian = b"PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID=\"12\"\nID=debian\n";
        assert_eq!(parse(debian), of("debian", "12"));
        assert_eq!(
            parse(b"ID='ubuntu'\nVERSION_ID=22.04\nID=debian\n#ID=x\nID_LIKE=y\n"),
            of("debian", "22.04")
        );
        assert_eq!(parse(b"NAME=Debian\nID=debian"), of("debian", ""));
        assert_eq!(parse(b"\xff\n=\nID\n\""), of("", ""));
    }

    proptest! {
        #[test]
        fn parse_takes_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let found = parse(&bytes);
            prop_assert!(!found.id.contains(oomguard_text::is_unsafe) && found.version.chars().count() <= MAX_CHARS);
        }
    }
}
