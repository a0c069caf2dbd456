//! A load that is thought of: `rustc:3.5GB*8`.

use std::fmt;
use std::str::FromStr;

use oomguard_spec::size::Bytes;

/// More processes than this are a slip.
const MAX_PROCESSES: u32 = 10_000;
/// The kernel keeps 15 bytes of a process's name.
const MAX_NAME_BYTES: usize = 15;

/// So many processes of a name and size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    /// Their name.
    pub name: String,
    /// What each has in memory.
    pub size: Bytes,
    /// How many.
    pub count: u32,
}

/// A text that is no load: what is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct LoadError {
    text: String,
    /// Which characters it is about.
    at: usize,
    len: usize,
    what: String,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let marks = "^".repeat(self.len.max(1));
        write!(f, "{}\n  {}\n  {}{marks}\n", self.what, self.text, " ".repeat(self.at))?;
        write!(f, "write NAME:SIZE or NAME:SIZE*NUMBER, for example rustc:3.5GB*8")
    }
}

impl FromStr for Load {
    type Err = LoadError;

    fn from_str(text: &str) -> Result<Self, LoadError> {
        let shown =
            text.chars().map(|c| if oomguard_text::is_unsafe(c) { '?' } else { c }).collect::<String>();
        let fail = |from: usize, part: &str, what: String| {
            let at = text.get(..from).unwrap_or_default().chars().count();
            Err(LoadError { text: shown.clone(), at, len: part.chars().count(), what })
        };
        let Some(colon) = text.rfind(':') else {
            return fail(text.len(), "", "the size is missing: write it after a `:`".to_owned());
        };
        let (name, rest) = (&text[..colon], &text[colon + 1..]);
        if name.is_empty() {
            return fail(0, ":", "the name is missing".to_owned());
        }
        if name.len() > MAX_NAME_BYTES || name.contains(oomguard_text::is_unsafe) {
            return fail(0, name, format!("a name is one line of at most {MAX_NAME_BYTES} bytes"));
        }
        let (size, count) = rest.split_once('*').map_or((rest, None), |(size, count)| (size, Some(count)));
        let size_bytes = match size.parse::<Bytes>() {
            Ok(bytes) => bytes,
            Err(error) => return fail(colon + 1, size, error.to_string()),
        };
        let count = match count.map(|count| (count, count.parse::<u32>())) {
            None => 1,
            Some((_, Ok(count @ 1..=MAX_PROCESSES))) => count,
            Some((count, _)) => {
                let from = colon + 1 + size.len() + 1;
                return fail(
                    from,
                    count,
                    format!("the count after `*` must be a whole number from 1 to {MAX_PROCESSES}"),
                );
            }
        };
        Ok(Self { name: name.to_owned(), size: size_bytes, count })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_load() {
        let load = |name: &str, size, count| Ok(Load { name: name.to_owned(), size: Bytes(size), count });
        assert_eq!("rustc:3.5GB*8".parse(), load("rustc", 7 << 29, 8));
        assert_eq!("ld:512M".parse(), load("ld", 512 << 20, 1));
        assert_eq!("a:b:1G".parse(), load("a:b", 1 << 30, 1));
    }

    #[test]
    fn what_is_none_says_where() {
        for (text, mark, says) in [
            ("rustc", "       ^", "the size is missing"),
            (":3GB", "  ^", "the name is missing"),
            ("rustc:", "        ^", "is not a valid size"),
            ("rustc:3XB*8", "        ^^^", "use B, KB, MB, GB or TB"),
            ("rustc:3GB*", "            ^", "a whole number from 1 to 10000"),
            ("rustc:3GB*eight", "            ^^^^^", "a whole number from 1 to 10000"),
            ("rustc:3GB*0", "            ^", "a whole number from 1 to 10000"),
            ("a-name-that-is-long:1G", "  ^^^^^^^^^^^^^^^^^^^", "at most 15 bytes"),
        ] {
            let error = text.parse::<Load>().unwrap_err().to_string();
            let lines: Vec<&str> = error.lines().collect();
            assert!(lines[0].contains(says), "{error}");
            assert_eq!((lines[1], lines[2]), (format!("  {text}").as_str(), mark), "{error}");
        }
    }
}
