//! What oomguard reports about a host, as types.
//!
//! Each report is the JSON of one command, and what a host sends to another oomguard. Commands print them, `fleet` stores
//! them and `mcp` passes them on, all as types.

mod check;
mod host;
mod plan;
mod rank;
pub mod record;
pub mod runbook;
mod status;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use check::{CHECK_SCHEMA, CheckReport};
pub use host::{NamedPolicy, host_name};
pub use oomguard_incident::Report as IncidentReport;
pub use plan::PlanReport;
pub use rank::{RANK_SCHEMA, RankReport};
pub use status::{ProcessStatus, STATUS_SCHEMA, StatusReport, SwapOrigin, SwapStatus};

/// The report of a command. The `schema` of each says which it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Report {
    /// Of `oomguard check`.
    Check(CheckReport),
    /// Of `oomguard rank`.
    Rank(RankReport),
    /// Of `oomguard incident`.
    Incident(IncidentReport),
}

impl Report {
    /// The report of `oomguard check`, if this is one.
    #[must_use]
    pub fn check(&self) -> Option<&CheckReport> {
        match self {
            Self::Check(report) => Some(report),
            Self::Rank(_) | Self::Incident(_) => None,
        }
    }

    /// The report of `oomguard rank`, if this is one.
    #[must_use]
    pub fn into_rank(self) -> Option<RankReport> {
        match self {
            Self::Rank(report) => Some(report),
            Self::Check(_) | Self::Incident(_) => None,
        }
    }

    /// The report of `oomguard check`, if this is one.
    #[must_use]
    pub fn into_check(self) -> Option<CheckReport> {
        match self {
            Self::Check(report) => Some(report),
            Self::Rank(_) | Self::Incident(_) => None,
        }
    }

    /// The report of `oomguard incident`, if this is one.
    #[must_use]
    pub fn into_incident(self) -> Option<IncidentReport> {
        match self {
            Self::Incident(report) => Some(report),
            Self::Check(_) | Self::Rank(_) => None,
        }
    }
}

/// A report as a command prints it.
#[must_use]
pub fn to_json(report: &impl Serialize) -> String {
    // A report is made of strings, numbers and lists of them, which are always written.
    oomguard_text::json_pretty(report).unwrap_or_default() + "\n"
}
