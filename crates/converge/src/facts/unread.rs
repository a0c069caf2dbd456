//! What this user could not read.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Something that could not be read, and what that means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Unread {
    /// The path, or what it is about.
    pub what: String,
    /// The reason.
    pub why: String,
    /// What is not known because of it.
    pub unknown: String,
}

impl Unread {
    pub(super) fn new(what: impl Into<String>, why: impl ToString, unknown: impl Into<String>) -> Self {
        Self { what: what.into(), why: why.to_string(), unknown: unknown.into() }
    }
}
