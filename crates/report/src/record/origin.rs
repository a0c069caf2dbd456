//! What a session is recorded from: a name that says what it is.

use std::path::PathBuf;
use std::str::FromStr;

/// What a session is recorded from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// This host's history: the last apply, or the one of that name.
    Journal(Option<String>),
    /// A run on other hosts.
    Run(String),
    /// A file with a kernel log, or with the report that `oomguard incident --format json` printed; `-` is standard input.
    Incident(PathBuf),
}

/// A text that names nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a run, an apply or a file: `{0}`; give a run (see `oomguard fleet runs`), `history` or an apply (see `oomguard history`), or the \
     path of a log or incident report"
)]
pub struct BadOrigin(String);

impl FromStr for Origin {
    type Err = BadOrigin;

    fn from_str(text: &str) -> Result<Self, BadOrigin> {
        if text == "history" {
            return Ok(Self::Journal(None));
        }
        // `0001-20260921T141320Z` and `20260921T141320Z-2`: as the journal and the runs name theirs.
        if let Some((number, time)) = text.split_once('-')
            && is_number(number)
            && is_time(time)
        {
            return Ok(Self::Journal(Some(text.to_owned())));
        }
        let (time, number) = text.split_once('-').unwrap_or((text, "1"));
        if is_time(time) && is_number(number) {
            return Ok(Self::Run(text.to_owned()));
        }
        if text == "-" || text.contains(['.', '/']) {
            return Ok(Self::Incident(PathBuf::from(text)));
        }
        Err(BadOrigin(oomguard_text::shown(text, 80)))
    }
}

fn is_number(text: &str) -> bool {
    (1..=9).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `20260921T141320Z`
fn is_time(text: &str) -> bool {
    let fits = |(at, byte): (usize, u8)| match at {
        8 => byte == b'T',
        15 => byte == b'Z',
        _ => byte.is_ascii_digit(),
    };
    text.len() == 16 && text.bytes().enumerate().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_field_matches_the_file_name() {
        for (text, origin) in [
            ("history", Some(Origin::Journal(None))),
            ("0001-20260921T141320Z", Some(Origin::Journal(Some("0001-20260921T141320Z".to_owned())))),
            ("20260921T141320Z", Some(Origin::Run("20260921T141320Z".to_owned()))),
            ("20260921T141320Z-2", Some(Origin::Run("20260921T141320Z-2".to_owned()))),
            ("kern.log", Some(Origin::Incident("kern.log".into()))),
            ("-", Some(Origin::Incident("-".into()))),
            ("journl", None),
            ("", None),
        ] {
            assert_eq!(text.parse().ok(), origin, "{text}");
        }
    }
}
