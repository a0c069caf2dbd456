//! The waves of a rollout: `1,25%,100%`.

use std::fmt;
use std::str::FromStr;

/// The number or share of hosts that are changed after each wave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waves(Vec<Reach>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    Hosts(usize),
    Percent(usize),
}

/// A text that is not a list of waves.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("--wave {0}: not valid; give numbers or percentages of hosts, comma-separated, such as `1,25%,100%`")]
pub struct BadWaves(String);

impl Default for Waves {
    /// One host, a quarter of them, all.
    fn default() -> Self {
        Self(vec![Reach::Hosts(1), Reach::Percent(25), Reach::Percent(100)])
    }
}

impl Waves {
    /// The waves of `hosts` hosts as consecutive ranges. The last one always ends with the last host.
    #[must_use]
    pub fn of(&self, hosts: usize) -> Vec<std::ops::Range<usize>> {
        let mut waves = Vec::new();
        let mut from = 0;
        for reach in self.0.iter().copied().chain([Reach::Percent(100)]) {
            let to = match reach {
                Reach::Hosts(count) => count,
                Reach::Percent(share) => hosts.saturating_mul(share).div_ceil(100),
            };
            let to = to.min(hosts);
            if to > from {
                waves.push(from..to);
                from = to;
            }
        }
        waves
    }
}

impl FromStr for Waves {
    type Err = BadWaves;

    fn from_str(text: &str) -> Result<Self, BadWaves> {
        let bad = || BadWaves(crate::host_name::shown(text));
        let number = |digits: &str| {
            let plain = !digits.is_empty() && digits.len() <= 6 && digits.bytes().all(|b| b.is_ascii_digit());
            digits.parse::<usize>().ok().filter(|number| plain && *number > 0)
        };
        let reach = |word: &str| match word.strip_suffix('%') {
            Some(digits) => number(digits).filter(|share| *share <= 100).map(Reach::Percent),
            None => number(word).map(Reach::Hosts),
        };
        let waves: Option<Vec<Reach>> = text.split(',').map(|word| reach(word.trim())).collect();
        waves.filter(|waves| waves.len() <= 100).map(Self).ok_or_else(bad)
    }
}

impl fmt::Display for Waves {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.0.iter().map(|reach| match reach {
            Reach::Hosts(count) => count.to_string(),
            Reach::Percent(share) => format!("{share}%"),
        });
        f.write_str(&words.collect::<Vec<_>>().join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_canary_a_quarter_and_the_rest() {
        assert_eq!(Waves::default().of(500), [0..1, 1..125, 125..500]);
        assert_eq!(Waves::default().of(5), [0..1, 1..2, 2..5]);
        assert_eq!(Waves::default().of(1).first(), Some(&(0..1)));
        assert!(Waves::default().of(0).is_empty());
        assert_eq!("100%".parse::<Waves>().unwrap().of(3).last(), Some(&(0..3)));
        assert_eq!("2".parse::<Waves>().unwrap().of(5), [0..2, 2..5]);
        for bad in ["", "0", "1,,2", "101%", "-1", "+1", "a", "1;2", "%"] {
            assert!(bad.parse::<Waves>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_host_is_in_one_wave(text in "[1-9][0-9]?%?(,[1-9][0-9]?%?){0,5}", hosts in 0usize..700) {
            let waves = text.parse::<Waves>().unwrap().of(hosts);
            let all: Vec<usize> = waves.into_iter().flatten().collect();
            prop_assert!(all.into_iter().eq(0..hosts));
        }

        #[test]
        fn no_text_breaks_it(text in "\\PC{0,20}") {
            let _ = text.parse::<Waves>();
        }
    }
}
