//! Plans that wait for a person, and the grants that a person gives outside the protocol.
//!
//! A grant is a file: it is taken by a rename, before anything is done, so that of two calls one has it.

use std::fs;
use std::io;

use oomguard_fleet::job::NamedPolicy;
use serde::{Deserialize, Serialize};

use crate::state::{Folder, StateError, failed};

/// A grant is good for so long, in seconds.
pub const GOOD_FOR: u64 = 15 * 60;
/// A plan is kept for so long, in seconds.
const PLAN_KEPT_FOR: u64 = 24 * 3600;
/// Plans that wait at a time; the oldest goes.
const MOST_PLANS: usize = 200;

/// What a plan is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// `apply_plan`
    Apply,
    /// `rollback`
    Rollback {
        /// The journal's name of an apply.
        to: Option<String>,
    },
    /// `setup_testnet_server`
    Setup,
    /// `record_session`
    Record {
        /// The file's name in the first folder.
        file: String,
        /// What is written into it.
        document: String,
    },
}

impl Kind {
    /// The tool that carries it out.
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

/// A plan that waits for a grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// A random name.
    pub id: String,
    /// The digest of what would be done.
    pub digest: String,
    /// The host, as the inventory names it, or `local`.
    pub host: String,
    /// What it is for.
    pub kind: Kind,
    /// The policy that it is for.
    pub policy: NamedPolicy,
    /// When it was made, in seconds since 1970.
    pub made: u64,
    /// What would be done, in words.
    pub steps: Vec<String>,
}

/// What a person has said yes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The plan.
    pub plan_id: String,
    /// Its digest.
    pub digest: String,
    /// Its host.
    pub host: String,
    /// When, in seconds since 1970.
    pub given: u64,
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// There is no such plan.
    #[error(
        "there is no plan `{0}` here, or it is older than a day; nothing was done. `plan_host` makes one"
    )]
    NoPlan(String),
    /// The plan is another one.
    #[error(
        "the plan `{id}` {what}; nothing was done. Give the plan_id and digest of one and the same answer"
    )]
    Other {
        /// Its name.
        id: String,
        /// What differs.
        what: String,
    },
    /// Nobody has said yes.
    #[error(
        "nobody has granted this plan; nothing was done. A person must look at it and run `{command}` in a shell on \
         the machine of this server; a grant is good once, for 15 minutes. Ask the person, then call again with the same \
         plan_id and digest"
    )]
    NoGrant {
        /// What the person types.
        command: String,
    },
    /// The grant was used before.
    #[error(
        "the grant of this plan has been used, and is good once; nothing was done. For another go, make a new plan and have \
         it granted"
    )]
    Used,
    /// The grant is not for this, or not any more.
    #[error(
        "the grant of this plan {what}; it is void now, and nothing was done. A person can give another with `{command}`"
    )]
    Void {
        /// What is wrong with it.
        what: &'static str,
        /// What the person types.
        command: String,
    },
    /// The state folder says no.
    #[error("{0}; nothing was done")]
    State(#[from] StateError),
}

/// A name of a plan: what is no such name names no file.
fn is_id(id: &str) -> bool {
    id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase())
}

/// Keeps a plan.
///
/// # Errors
/// When the state folder cannot be written.
pub fn keep(folder: &Folder, plan: &Waiting) -> Result<(), StateError> {
    let plans = folder.path().join("plans");
    let mut old: Vec<(std::time::SystemTime, std::path::PathBuf)> = fs::read_dir(&plans)
        .map_err(failed("read", &plans))?
        .flatten()
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    old.sort();
    let over = (old.len() + 1).saturating_sub(MOST_PLANS);
    for (_, path) in old.into_iter().take(over) {
        // A plan too many is no harm.
        let _ = fs::remove_file(path);
    }
    folder.write(&folder.file("plans", &plan.id), plan)
}

/// The plan of that name.
///
/// # Errors
/// When there is none, or none any more.
pub fn plan(folder: &Folder, id: &str, now: u64) -> Result<Waiting, Refused> {
    let none = || Refused::NoPlan(crate::safe::text(id).chars().take(60).collect());
    if !is_id(id) {
        return Err(none());
    }
    let plan: Waiting = folder.read(&folder.file("plans", id))?.ok_or_else(none)?;
    if plan.id != id || now > plan.made.saturating_add(PLAN_KEPT_FOR) {
        return Err(none());
    }
    Ok(plan)
}

/// Says yes to a plan: what `oomguard grant` does.
///
/// # Errors
/// When there is no such plan, or the state folder cannot be written.
pub fn give(folder: &Folder, plan: &Waiting, now: u64) -> Result<(), Refused> {
    let grant =
        Grant { plan_id: plan.id.clone(), digest: plan.digest.clone(), host: plan.host.clone(), given: now };
    if folder.file("used", &plan.id).exists() {
        return Err(Refused::Used);
    }
    Ok(folder.write(&folder.file("grants", &plan.id), &grant)?)
}

/// Whether somebody has said yes to a plan, now or before. Only [`take`] says whether that is good.
#[must_use]
pub fn is_given(folder: &Folder, id: &str) -> bool {
    ["grants", "used"].iter().any(|name| folder.file(name, id).exists())
}

/// What a person types to grant a plan.
#[must_use]
pub fn command(folder: &Folder, id: &str) -> String {
    format!("oomguard grant --state {} {id}", folder.path().display())
}

/// Takes the grant of a plan: afterwards it is gone, whatever comes of it.
///
/// # Errors
/// When there is none that is good for exactly this plan, now.
pub fn take(folder: &Folder, plan: &Waiting, digest: &str, now: u64) -> Result<(), Refused> {
    if plan.digest != digest {
        return Err(Refused::Other { id: plan.id.clone(), what: "has another digest".to_owned() });
    }
    let (from, to) = (folder.file("grants", &plan.id), folder.file("used", &plan.id));
    let command = command(folder, &plan.id);
    if to.exists() {
        return Err(Refused::Used);
    }
    match fs::rename(&from, &to) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Refused::NoGrant { command }),
        Err(error) => return Err(failed("take", &from)(error).into()),
    }
    for path in ["grants", "used"].map(|name| folder.path().join(name)) {
        // After a power cut it must still be used.
        fs::File::open(&path).and_then(|file| file.sync_all()).map_err(failed("sync", &path))?;
    }
    let wrong = |what| -> Refused {
        // It was good for nothing, so a good one may follow.
        let _ = fs::remove_file(&to);
        Refused::Void { what, command: command.clone() }
    };
    let grant = match folder.read::<Grant>(&to) {
        Ok(Some(grant)) => grant,
        _ => return Err(wrong("cannot be read, or is open to others")),
    };
    if grant.plan_id != plan.id || grant.digest != plan.digest || grant.host != plan.host {
        return Err(wrong("was given for another plan or host"));
    }
    if grant.given > now || now - grant.given > GOOD_FOR {
        return Err(wrong("is older than 15 minutes"));
    }
    Ok(())
}
