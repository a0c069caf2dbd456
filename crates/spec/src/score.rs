//! `oom_score_adj`, the number that the OOM killer adds to a process's badness.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An `oom_score_adj` value: -1000 (never killed) to 1000 (killed first). See proc_pid_oom_score_adj(5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "i32", into = "i32")]
#[schemars(with = "i32", extend("minimum" = -1000, "maximum" = 1000))]
pub struct Score(i16);

impl Score {
    /// Never killed, not even when nothing else is left.
    pub const NEVER: Self = Self(-1000);
    /// The default: neither protected nor expendable.
    pub const NORMAL: Self = Self(0);

    /// A score within the kernel's range.
    #[must_use]
    pub const fn new(value: i32) -> Option<Self> {
        if value >= -1000 && value <= 1000 { Some(Self(value as i16)) } else { None }
    }

    /// The number as the kernel takes it.
    #[must_use]
    pub const fn get(self) -> i32 {
        self.0 as i32
    }
}

/// A number outside -1000 to 1000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("oom_score_adj must be from -1000 to 1000, not {0}")]
pub struct OutOfRange(pub i32);

impl TryFrom<i32> for Score {
    type Error = OutOfRange;

    fn try_from(value: i32) -> Result<Self, Self::Error> {
        Self::new(value).ok_or(OutOfRange(value))
    }
}

impl From<Score> for i32 {
    fn from(score: Score) -> Self {
        score.get()
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
