//! The hosts that may be named, and asking one of them.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use oomguard_fleet::contact::{self, Event, Means, Reply};
use oomguard_fleet::failure::Failure;
use oomguard_fleet::inventory::Target;
use oomguard_fleet::job::{Job, NamedPolicy};
use oomguard_fleet::ssh::Connection;
use oomguard_spec::{Builtin, Document, PolicyError, Style, builtin};

/// The name of the machine that the server runs on.
pub const LOCAL: &str = "local";

/// The hosts that may be named: this machine, and those of the inventory.
#[derive(Debug)]
pub struct Hosts {
    /// The program that does a job on this machine, and what is given to it before `remote`.
    pub program: (PathBuf, Vec<OsString>),
    /// The hosts of the inventory.
    pub inventory: Vec<Target>,
    /// The inventory, when it is a document with policies.
    pub document: Option<Document>,
    /// How they are reached.
    pub means: Arc<Means>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// This machine.
    Local,
    /// Another one.
    Other(Box<Target>),
}

impl Chosen {
    /// As it is named.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Local => LOCAL.to_owned(),
            Self::Other(target) => target.name.as_str().to_owned(),
        }
    }
}

impl Hosts {
    /// The host of that name; without a name, this machine.
    ///
    /// # Errors
    /// When the inventory has no such name. Nothing is looked up anywhere else.
    pub fn choose(&self, name: Option<&str>) -> Result<Chosen, String> {
        let Some(name) = name.filter(|name| *name != LOCAL) else { return Ok(Chosen::Local) };
        if let Some(target) = self.inventory.iter().find(|target| target.name.as_str() == name) {
            return Ok(Chosen::Other(Box::new(target.clone())));
        }
        let name: String = crate::safe::text(name).chars().take(80).collect();
        let known: Vec<&str> = self.inventory.iter().take(20).map(|target| target.name.as_str()).collect();
        Err(format!(
            "`{name}` is no host of the inventory that this server was started with. It knows: {}",
            [vec![LOCAL], known].concat().join(", ")
        ))
    }

    /// The policy of a host: of a document, or a built-in role.
    ///
    /// # Errors
    /// When there is no such role, or the document has no such policy.
    pub fn policy(
        &self,
        host: &Chosen,
        role: Option<&str>,
        document: Option<&Document>,
        otherwise: Builtin,
    ) -> Result<NamedPolicy, String> {
        let (of_inventory, of_host) = match host {
            Chosen::Local => (None, None),
            Chosen::Other(target) => (self.document.as_ref(), target.role.as_deref()),
        };
        let role = role.or(of_host);
        let Some(document) = document.or(of_inventory) else {
            let role = role.map_or(Ok(otherwise), str::parse).map_err(|error| error.to_string())?;
            return Ok(NamedPolicy {
                name: format!("built-in role {}", role.name()),
                policy: builtin::policy(role),
            });
        };
        let policy = document.policy(role).map_err(|error| match &error {
            PolicyError::Invalid { diagnostics, .. } => {
                format!("{}error: {error}", document.render(diagnostics, Style::Plain))
            }
            _ => error.to_string(),
        })?;
        let role = role.map(str::to_owned).or_else(|| document.default_role());
        let name = match role {
            Some(role) => format!("{}, role {role}", document.name()),
            None => document.name().to_owned(),
        };
        Ok(NamedPolicy { name, policy })
    }

    /// Asks a host to do a job.
    pub async fn ask(
        &self,
        host: &Chosen,
        job: &Job,
        connection: Connection,
        tell: &(dyn Fn(Event) + Send + Sync),
    ) -> (Reply, Option<Failure>) {
        match host {
            Chosen::Local => {
                let (program, args) = &self.program;
                contact::ask_here(&self.means, program, args, job, tell).await
            }
            Chosen::Other(target) => contact::ask(&self.means, target, job, connection, tell).await,
        }
    }
}
