//! The report of `oomguard rank`.

use oomguard_converge::rank::Ranking;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The version of the form below.
pub const RANK_SCHEMA: &str = "oomguard.rank/1";

/// What `oomguard rank` reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RankReport {
    /// `oomguard.rank/1`
    pub schema: String,
    /// The hostname.
    pub host: String,
    /// The policy whose scores are used; absent if every score is the current one.
    pub policy: Option<String>,
    /// The order.
    #[serde(flatten)]
    pub ranking: Ranking,
}

impl RankReport {
    /// The order on a host, with the scores of a policy if there is one.
    #[must_use]
    pub fn new(host: String, policy: Option<String>, ranking: Ranking) -> Self {
        Self { schema: RANK_SCHEMA.to_owned(), host, policy, ranking }
    }
}
