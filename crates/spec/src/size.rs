//! Amounts of memory and disk.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const MIB: u64 = 1 << 20;

/// A number of bytes. `32GB`, `32G` and `32GiB` in a document all mean 32 x 2^30, as fallocate and systemd take them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Bytes(pub u64);

impl Bytes {
    /// A number of gibibytes.
    #[must_use]
    pub const fn gib(n: u64) -> Self {
        Self(n << 30)
    }

    /// A share of this amount, in thousandths.
    #[must_use]
    pub const fn permille(self, permille: u32) -> Self {
        Self((self.0 / 1000).saturating_mul(permille as u64) + (self.0 % 1000) * permille as u64 / 1000)
    }

    /// The next whole number of mebibytes.
    #[must_use]
    pub const fn round_up_to_mib(self) -> Self {
        Self(self.0.div_ceil(MIB).saturating_mul(MIB))
    }

    /// The last whole number of mebibytes.
    #[must_use]
    pub const fn round_down_to_mib(self) -> Self {
        Self(self.0 / MIB * MIB)
    }
}

/// Text that is not a valid size, and the reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a valid size: {why}")]
pub struct SizeError {
    text: String,
    why: String,
}

impl FromStr for Bytes {
    type Err = SizeError;

    /// Reads a size as documents have it: `32GB`, `32G`, `32GiB`, `1.5GB`.
    fn from_str(text: &str) -> Result<Self, SizeError> {
        crate::roles::values::parse_size(text)
            .map_err(|why| SizeError { text: oomguard_text::shown(text, 40), why })
    }
}

impl fmt::Display for Bytes {
    /// As [`oomguard_text::size`]: `32 GiB`, `1.5 GiB`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&oomguard_text::size(self.0))
    }
}
