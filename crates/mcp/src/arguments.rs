//! What tools take. A field that is not here is refused.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::safe::Window;

/// A host and its policy.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Look {
    /// `local` (the default: the machine that this server runs on), or a name of the inventory. `fleet_status` lists them.
    #[serde(default)]
    pub host: Option<String>,
    /// The role: workstation, ci or validator, or one of the document's. Left out: the inventory's, or workstation.
    #[serde(default)]
    pub role: Option<String>,
    /// A cspec document with the policy, beneath a folder of this server. Left out: the inventory's, or a built-in policy.
    #[serde(default)]
    pub document: Option<String>,
    /// Leave out so many entries of the list; the `next_offset` of the result before goes on from there.
    #[serde(default)]
    pub offset: u32,
    /// Give at most so many entries, 1 to 200.
    #[serde(default = "fifty")]
    #[schemars(range(min = 1, max = 200))]
    pub limit: u32,
}

/// `rank_victims`
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rank {
    /// `local` (the default), or a name of the inventory.
    #[serde(default)]
    pub host: Option<String>,
    /// Rank with the scores that this role means. Left out, with `document`: every score as it is now.
    #[serde(default)]
    pub role: Option<String>,
    /// Rank with the scores that this document means; beneath a folder of this server.
    #[serde(default)]
    pub document: Option<String>,
    /// Think of these loads as running too, each as NAME:SIZE*N, for example rustc:3.5GB*8.
    #[serde(default)]
    #[schemars(length(max = 20))]
    pub add: Vec<String>,
    /// Leave out so many entries of the list; the `next_offset` of the result before goes on from there.
    #[serde(default)]
    pub offset: u32,
    /// Give at most so many entries, 1 to 200.
    #[serde(default = "fifty")]
    #[schemars(range(min = 1, max = 200))]
    pub limit: u32,
}

/// `fleet_status`
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fleet {
    /// Look at every host of the inventory now, over ssh. Left out: what was last known, from earlier runs.
    #[serde(default)]
    pub refresh: bool,
    /// Leave out so many entries of the list; the `next_offset` of the result before goes on from there.
    #[serde(default)]
    pub offset: u32,
    /// Give at most so many entries, 1 to 200.
    #[serde(default = "fifty")]
    #[schemars(range(min = 1, max = 200))]
    pub limit: u32,
}

/// `list_incidents`
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Incidents {
    /// The host whose journal is read: `local` (the default), or a name of the inventory. Not with `log`.
    #[serde(default)]
    pub host: Option<String>,
    /// A log file beneath a folder of this server, instead of a journal.
    #[serde(default)]
    pub log: Option<String>,
    /// Leave out so many entries of the list; the `next_offset` of the result before goes on from there.
    #[serde(default)]
    pub offset: u32,
    /// Give at most so many entries, 1 to 200.
    #[serde(default = "fifty")]
    #[schemars(range(min = 1, max = 200))]
    pub limit: u32,
}

/// `explain_incident`
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Explain {
    /// The host whose journal is read: `local` (the default), or a name of the inventory. Not with `log`.
    #[serde(default)]
    pub host: Option<String>,
    /// A log file beneath a folder of this server, instead of a journal.
    #[serde(default)]
    pub log: Option<String>,
    /// Which one: its `number` in `list_incidents`, from 1. Left out: the last one.
    #[serde(default)]
    pub number: Option<u32>,
    /// Leave out so many of its kills; the `next_offset` of the result before goes on from there.
    #[serde(default)]
    pub offset: u32,
    /// Give at most so many of its kills, 1 to 200.
    #[serde(default = "fifty")]
    #[schemars(range(min = 1, max = 200))]
    pub limit: u32,
}

/// `check_spec`
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The document's path, beneath a folder of this server. This, or `text`.
    #[serde(default)]
    pub document: Option<String>,
    /// The document itself.
    #[serde(default)]
    pub text: Option<String>,
    /// Leave out so many entries of the list; the `next_offset` of the result before goes on from there.
    #[serde(default)]
    pub offset: u32,
    /// Give at most so many entries, 1 to 200.
    #[serde(default = "fifty")]
    #[schemars(range(min = 1, max = 200))]
    pub limit: u32,
}

/// `apply_plan`
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Apply {
    /// The `plan_id` that `plan_host` gave.
    pub plan_id: String,
    /// The `digest` of the same answer.
    pub digest: String,
}

/// `rollback`
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rollback {
    /// `local` (the default), or a name of the inventory; for the first call.
    #[serde(default)]
    pub host: Option<String>,
    /// Undo this apply and all after it, by the name that `apply_plan` gave. Left out: the last one.
    #[serde(default)]
    pub to: Option<String>,
    /// For the second call: the `plan_id` of the first.
    #[serde(default)]
    pub plan_id: Option<String>,
    /// For the second call: the `digest` of the first.
    #[serde(default)]
    pub digest: Option<String>,
}

/// `setup_testnet_server`
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Setup {
    /// `local` (the default), or a name of the inventory; for the first call.
    #[serde(default)]
    pub host: Option<String>,
    /// The role. Left out: the inventory's, or validator.
    #[serde(default)]
    pub role: Option<String>,
    /// A cspec document with the policy, beneath a folder of this server.
    #[serde(default)]
    pub document: Option<String>,
    /// For the second call: the `plan_id` of the first.
    #[serde(default)]
    pub plan_id: Option<String>,
    /// For the second call: the `digest` of the first.
    #[serde(default)]
    pub digest: Option<String>,
}

/// `show_runbook`
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Runbook {
    /// The name of a runbook, or of the alert that leads to it. Left out: the list of all.
    #[serde(default)]
    pub name: Option<String>,
}

/// `record_session`
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// What was done, in a few words; for the first call.
    #[serde(default)]
    pub title: Option<String>,
    /// What it is a record of: `journal` (the last apply of this server's own machine; the default), the name of one of its
    /// applies, the id of a run over the inventory, or the path of a kernel log beneath a folder of this server; for the
    /// first call.
    #[serde(default)]
    pub from: Vec<String>,
    /// For the second call: the `plan_id` of the first.
    #[serde(default)]
    pub plan_id: Option<String>,
    /// For the second call: the `digest` of the first.
    #[serde(default)]
    pub digest: Option<String>,
}

fn fifty() -> u32 {
    50
}

macro_rules! windows {
    ($($of:ty),*) => {$(
        impl $of {
            /// Which part of the list is meant.
            #[must_use]
            pub fn window(&self) -> Window {
                Window { offset: self.offset, limit: self.limit }
            }
        }
    )*};
}

windows!(Look, Rank, Fleet, Incidents, Explain, Spec);
