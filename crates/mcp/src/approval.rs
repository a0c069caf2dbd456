//! Plans that wait for approval, and the approvals that a person gives outside of the protocol.
//!
//! An approval is a file. It is consumed by a rename before anything is done, so that only one of two calls gets it.

use std::fs;
use std::io;

use oomguard_fleet::job::NamedPolicy;
use oomguard_text::shown;
use serde::{Deserialize, Serialize};

use crate::state::{APPROVALS, PLANS, StateDir, StateError, USED, failed};

/// How long an approval is valid, in seconds.
pub const VALID_SECONDS: u64 = 15 * 60;
/// How long a plan is kept, in seconds.
const PLAN_SECONDS: u64 = 24 * 3600;
/// The most plans that are kept; the oldest is deleted first.
const MAX_PLANS: usize = 200;

/// What a plan does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanKind {
    /// `apply_plan`
    Apply,
    /// `rollback`
    Rollback {
        /// The journal entry to roll back to.
        to: Option<String>,
    },
    /// `setup_testnet_server`
    Setup,
    /// `record_session`
    Record {
        /// The name of the new file in the first folder.
        file: String,
        /// Its content.
        document: String,
    },
}

impl PlanKind {
    /// The tool that executes it.
    #[must_use]
    pub fn tool(&self) -> &'static str {
        match self {
            Self::Apply => "apply_plan",
            Self::Rollback { .. } => "rollback",
            Self::Setup => "setup_testnet_server",
            Self::Record { .. } => "record_session",
        }
    }
}

/// A plan that waits for approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredPlan {
    /// A random id.
    pub id: String,
    /// The digest of the changes.
    pub digest: String,
    /// The host, as in the inventory, or `local`.
    pub host: String,
    /// What it does.
    pub kind: PlanKind,
    /// The policy that it is made from.
    pub policy: NamedPolicy,
    /// When it was made, in seconds since 1970.
    pub made: u64,
    /// What it does, step by step, for the person.
    pub steps: Vec<String>,
}

/// A person's approval of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// The plan's id.
    pub plan_id: String,
    /// The plan's digest.
    pub digest: String,
    /// The plan's host.
    pub host: String,
    /// When it was given, in seconds since 1970.
    pub given: u64,
}

/// Why a plan is not executed.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The plan does not exist.
    #[error("plan `{0}` does not exist or is older than 24 hours. Nothing was changed. Make a new plan")]
    UnknownPlan(String),
    /// The plan is not the one that the call describes.
    #[error(
        "plan `{id}` {what}. Nothing was changed. Pass the plan_id and digest of one result to the tool named there"
    )]
    Mismatch {
        /// The plan's id.
        id: String,
        /// What differs.
        what: String,
    },
    /// Approval is missing.
    #[error(
        "this plan is not approved. Nothing was changed. Ask the person to review the plan and to run `{command}` in a shell \
         on the machine of this server, then repeat this call with the same plan_id and digest. An approval is valid once, \
         for 15 minutes"
    )]
    NotApproved {
        /// The command that approves it.
        command: String,
    },
    /// The approval has been used before.
    #[error(
        "the approval of this plan has already been used. Nothing was changed. To do it again, make a new plan and have it \
         approved"
    )]
    Used,
    /// The approval is not valid for this plan, or not any more.
    #[error(
        "the approval of this plan {what} and has been discarded. Nothing was changed. A person can approve the plan again \
         with `{command}`"
    )]
    Invalid {
        /// What is wrong with it.
        what: &'static str,
        /// The command that approves it.
        command: String,
    },
    /// The state folder cannot be used.
    #[error("{0}. Nothing was changed")]
    State(#[from] StateError),
}

/// Whether this is an id that [`store`] could have written; anything else never becomes a file name.
fn is_id(id: &str) -> bool {
    id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase())
}

/// Stores a plan.
///
/// # Errors
/// If the state folder cannot be written.
pub fn store(state: &StateDir, plan: &StoredPlan) -> Result<(), StateError> {
    let plans = state.path().join(PLANS);
    let mut old: Vec<(std::time::SystemTime, std::path::PathBuf)> = fs::read_dir(&plans)
        .map_err(failed("read", &plans))?
        .flatten()
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    old.sort();
    let excess = (old.len() + 1).saturating_sub(MAX_PLANS);
    for (_, path) in old.into_iter().take(excess) {
        // A plan that stays expires anyway.
        let _ = fs::remove_file(path);
    }
    state.write(&state.file(PLANS, &plan.id), plan)
}

/// Loads the plan with this id.
///
/// # Errors
/// If it does not exist or has expired.
pub fn load(state: &StateDir, id: &str, now: u64) -> Result<StoredPlan, Refused> {
    let unknown = || Refused::UnknownPlan(shown(id, 60));
    if !is_id(id) {
        return Err(unknown());
    }
    let plan: StoredPlan = state.read(&state.file(PLANS, id))?.ok_or_else(unknown)?;
    if plan.id != id || now > plan.made.saturating_add(PLAN_SECONDS) {
        return Err(unknown());
    }
    Ok(plan)
}

/// Approves a plan, for `oomguard mcp approve`.
///
/// # Errors
/// If its approval was used before, or the state folder cannot be written.
pub fn approve(state: &StateDir, plan: &StoredPlan, now: u64) -> Result<(), Refused> {
    let approval = Approval {
        plan_id: plan.id.clone(),
        digest: plan.digest.clone(),
        host: plan.host.clone(),
        given: now,
    };
    if state.file(USED, &plan.id).exists() {
        return Err(Refused::Used);
    }
    Ok(state.write(&state.file(APPROVALS, &plan.id), &approval)?)
}

/// Whether a plan has an approval, used or not. Only [`consume`] tells whether it is valid.
#[must_use]
pub fn exists(state: &StateDir, id: &str) -> bool {
    [APPROVALS, USED].iter().any(|folder| state.file(folder, id).exists())
}

/// The command that approves a plan.
#[must_use]
pub fn command(state: &StateDir, id: &str) -> String {
    format!("oomguard mcp approve --state {} {id}", state.path().display())
}

/// Uses up the approval of a plan.
///
/// # Errors
/// If there is no approval that is valid now for exactly this plan.
pub fn consume(state: &StateDir, plan: &StoredPlan, digest: &str, now: u64) -> Result<(), Refused> {
    if plan.digest != digest {
        return Err(Refused::Mismatch { id: plan.id.clone(), what: "has a different digest".to_owned() });
    }
    let (from, to) = (state.file(APPROVALS, &plan.id), state.file(USED, &plan.id));
    let command = command(state, &plan.id);
    if to.exists() {
        return Err(Refused::Used);
    }
    match fs::rename(&from, &to) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Refused::NotApproved { command });
        }
        Err(error) => return Err(failed("rename", &from)(error).into()),
    }
    for path in [APPROVALS, USED].map(|folder| state.path().join(folder)) {
        // It must still be used up after a power cut.
        fs::File::open(&path).and_then(|file| file.sync_all()).map_err(failed("sync", &path))?;
    }
    let Some(what) = fault(state.read::<Approval>(&to).ok().flatten(), plan, now) else { return Ok(()) };
    // It approved nothing, so a valid one may follow.
    let _ = fs::remove_file(&to);
    Err(Refused::Invalid { what, command })
}

/// What is wrong with an approval.
fn fault(approval: Option<Approval>, plan: &StoredPlan, now: u64) -> Option<&'static str> {
    let Some(approval) = approval else { return Some("cannot be read, or is accessible to other users") };
    if approval.plan_id != plan.id || approval.digest != plan.digest || approval.host != plan.host {
        return Some("is for a different plan or host");
    }
    if approval.given > now || now - approval.given > VALID_SECONDS {
        return Some("is older than 15 minutes");
    }
    None
}
