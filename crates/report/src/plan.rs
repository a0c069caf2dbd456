//! What a host says about a plan of its own.

use oomguard_converge::{Plan, Refusal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A plan, with what the host knows beyond it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlanReport {
    /// What `oomguard plan --format json` prints.
    pub plan: Plan,
    /// The number of changes; a setup counts the program as one.
    pub changes: usize,
    /// Why none of them would be made, the preflight's reasons included.
    pub refusals: Vec<Refusal>,
    /// The journal id of an interrupted apply, which the next one finishes.
    pub unfinished: Option<String>,
}
