//! The report of `oomguard rank`.

use oomguard_converge::Facts;
use oomguard_converge::rank::{Load, Ranking, rank};
use oomguard_host::{Host, HostError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{NamedPolicy, host_name};

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
    /// Ranks the processes of a host and `loads`, with current scores or `as_policy` sets them.
    ///
    /// # Errors
    /// When the host cannot be read.
    pub fn read(
        host: &Host,
        policy: &NamedPolicy,
        as_policy: bool,
        loads: &[Load],
    ) -> Result<Self, HostError> {
        // The facts about units tell who set the current scores, so they are read without `as_policy`, too.
        let facts = Facts::read(host, &policy.policy)?;
        let ranking = rank(host, &facts, as_policy.then_some(&policy.policy), loads)?;
        Ok(Self {
            schema: RANK_SCHEMA.to_owned(),
            host: host_name(host),
            policy: as_policy.then(|| policy.name.clone()),
            ranking,
        })
    }
}
