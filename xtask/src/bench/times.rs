//! Durations of repeated runs of one command.

use std::fmt;
use std::time::Duration;

/// Durations of repeated runs of one command; never empty.
#[derive(Clone, Debug)]
pub struct Times(Vec<Duration>);

impl Times {
    /// Runs `once` the given number of times; it returns its duration.
    ///
    /// # Errors
    /// The first error of a run.
    pub fn of<E>(runs: u32, mut once: impl FnMut() -> Result<Duration, E>) -> Result<Self, E> {
        let mut times = (0..runs.max(1)).map(|_| once()).collect::<Result<Vec<_>, E>>()?;
        times.sort_unstable();
        Ok(Self(times))
    }

    /// For an even number, the slower of the two in the middle.
    #[must_use]
    pub fn median(&self) -> Duration {
        self.0.get(self.0.len() / 2).copied().unwrap_or_default()
    }

    /// The slowest run.
    #[must_use]
    pub fn max(&self) -> Duration {
        self.0.last().copied().unwrap_or_default()
    }

    /// How many times faster this is than the peer, by the medians.
    #[must_use]
    pub fn faster_than(&self, peer: &Self) -> f64 {
        peer.median().as_secs_f64() / self.median().as_secs_f64()
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (min, max) = (self.0.first().copied().unwrap_or_default(), self.max());
        let (median, unit, factor) = match self.median().as_secs_f64() {
            median if median < 1.0 => (median * 1e3, "ms", 1e3),
            median => (median, "s", 1.0),
        };
        let other = |time: Duration| time.as_secs_f64() * factor;
        write!(f, "{median:.1} {unit} ({:.1}-{:.1})", other(min), other(max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(millis: &[u64]) -> Times {
        let mut left = millis.iter();
        let once = || Ok::<_, ()>(Duration::from_millis(*left.next().unwrap()));
        Times::of(u32::try_from(millis.len()).unwrap(), once).unwrap()
    }

    #[test]
    fn median_is_shown_with_the_range() {
        assert_eq!(times(&[30, 10, 20]).to_string(), "20.0 ms (10.0-30.0)");
        assert_eq!(times(&[1500, 900, 2000]).to_string(), "1.5 s (0.9-2.0)");
    }

    #[test]
    fn ratio_uses_medians() {
        let ratio = times(&[10, 20, 1000]).faster_than(&times(&[400, 1, 500]));
        assert!((ratio - 20.0).abs() < 1e-9, "{ratio}");
    }
}
