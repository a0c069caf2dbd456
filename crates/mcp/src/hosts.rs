//! The hosts that a call may name.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use oomguard_fleet::failure::Failure;
use oomguard_fleet::inventory::Target;
use oomguard_fleet::job::{Job, NamedPolicy};
use oomguard_fleet::session::{self, Event, Means, Reply};
use oomguard_fleet::ssh::Connection;
use oomguard_spec::{Builtin, Document, PolicyError, Style, builtin};
use oomguard_text::shown;

/// The name of the machine that the server runs on.
pub const LOCAL: &str = "local";
/// The most names of the inventory that an error lists.
const MAX_LISTED: usize = 20;

/// This machine and the hosts of the inventory.
#[derive(Debug)]
pub struct Hosts {
    /// The oomguard that does jobs on this machine, and the arguments after `remote`.
    pub program: (PathBuf, Vec<OsString>),
    /// The hosts of the inventory.
    pub inventory: Vec<Target>,
    /// The inventory itself, if it is a document with policies.
    pub document: Option<Document>,
    /// How the hosts of the inventory are reached.
    pub means: Arc<Means>,
}

/// The host of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SelectedHost {
    /// The machine that the server runs on.
    Local,
    /// A host of the inventory.
    Remote(Box<Target>),
}

impl SelectedHost {
    /// Its name in calls and results.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Local => LOCAL.to_owned(),
            Self::Remote(target) => target.name.as_str().to_owned(),
        }
    }
}

/// Why there is no host or policy for a call.
#[derive(Debug, thiserror::Error)]
pub enum SelectError {
    /// The inventory has no such host.
    #[error("`{name}` is not in the inventory of this server. Known hosts: {known}")]
    UnknownHost {
        /// The name as it was given.
        name: String,
        /// The first known names.
        known: String,
    },
    /// There is no such policy.
    #[error("{0}")]
    Policy(String),
}

impl Hosts {
    /// Selects a host by its name; without a name, this machine.
    ///
    /// # Errors
    /// If the inventory has no such name. Names are not resolved in any other way.
    pub fn select(&self, name: Option<&str>) -> Result<SelectedHost, SelectError> {
        let Some(name) = name.filter(|name| *name != LOCAL) else { return Ok(SelectedHost::Local) };
        if let Some(target) = self.inventory.iter().find(|target| target.name.as_str() == name) {
            return Ok(SelectedHost::Remote(Box::new(target.clone())));
        }
        let mut known = vec![LOCAL];
        known.extend(self.inventory.iter().take(MAX_LISTED).map(|target| target.name.as_str()));
        let mut known = known.join(", ");
        if self.inventory.len() > MAX_LISTED {
            known.push_str(", ...");
        }
        Err(SelectError::UnknownHost { name: shown(name, 80), known })
    }

    /// The policy of a host, from `document`, else from the inventory, else a built-in role.
    ///
    /// # Errors
    /// If the role does not exist, or its policy is not valid.
    pub fn policy(
        &self,
        host: &SelectedHost,
        role: Option<&str>,
        document: Option<&Document>,
        default: Builtin,
    ) -> Result<NamedPolicy, SelectError> {
        let (of_inventory, role_of_host) = match host {
            SelectedHost::Local => (None, None),
            SelectedHost::Remote(target) => (self.document.as_ref(), target.role.as_deref()),
        };
        let role = role.or(role_of_host);
        let Some(document) = document.or(of_inventory) else {
            let role = role.map_or(Ok(default), str::parse);
            let role = role.map_err(|error| SelectError::Policy(error.to_string()))?;
            let name = format!("built-in role {}", role.name());
            return Ok(NamedPolicy { name, policy: builtin::policy(role) });
        };
        let policy = document.policy(role).map_err(|error| {
            SelectError::Policy(match &error {
                PolicyError::Invalid { diagnostics, .. } => {
                    format!("{}error: {error}", document.render(diagnostics, Style::Plain))
                }
                _ => error.to_string(),
            })
        })?;
        let role = role.map(str::to_owned).or_else(|| document.default_role());
        let name = match role {
            Some(role) => format!("{}, role {role}", document.name()),
            None => document.name().to_owned(),
        };
        Ok(NamedPolicy { name, policy })
    }

    /// Runs a job on a host.
    pub async fn ask(
        &self,
        host: &SelectedHost,
        job: &Job,
        connection: Connection,
        progress: &(dyn Fn(Event) + Send + Sync),
    ) -> (Reply, Option<Failure>) {
        match host {
            SelectedHost::Local => {
                let (program, args) = &self.program;
                session::ask_here(&self.means, program, args, job, progress).await
            }
            SelectedHost::Remote(target) => {
                session::ask(&self.means, target, job, connection, progress).await
            }
        }
    }
}
