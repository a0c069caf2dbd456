//! The built-in roles: documents that a user could have written.

use std::str::FromStr;

use crate::policy::Policy;

/// A role that needs no document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Builtin {
    /// A machine that people work on.
    Workstation,
    /// A CI runner.
    Ci,
    /// A host of validators.
    Validator,
}

impl Builtin {
    /// Every built-in role.
    pub const ALL: [Self; 3] = [Self::Workstation, Self::Ci, Self::Validator];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Workstation => "workstation",
            Self::Ci => "ci",
            Self::Validator => "validator",
        }
    }
}

/// The name of no built-in role.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a built-in role; built-in roles: workstation, ci, validator")]
pub struct UnknownBuiltin(pub String);

impl FromStr for Builtin {
    type Err = UnknownBuiltin;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "workstation" | "workstations" | "development" => Ok(Self::Workstation),
            "ci" | "ci_server" | "ci_servers" | "ci_runner" | "ci_runners" | "ci-runner" => Ok(Self::Ci),
            "validator"
            | "validators"
            | "testnet"
            | "testnet_server"
            | "testnet_servers"
            | "testnet_validator"
            | "testnet_validators"
            | "minimum_server_spec" => Ok(Self::Validator),
            _ => Err(UnknownBuiltin(oomguard_text::shown(name, 60))),
        }
    }
}

/// The document of a built-in role.
#[must_use]
pub const fn source(role: Builtin) -> &'static str {
    match role {
        Builtin::Workstation => include_str!("builtin/workstation.cspec"),
        Builtin::Ci => include_str!("builtin/ci.cspec"),
        Builtin::Validator => include_str!("builtin/validator.cspec"),
    }
}

/// The policy of a built-in role.
#[must_use]
pub fn policy(role: Builtin) -> Policy {
    let document = crate::read(role.name(), source(role).as_bytes()).ok();
    // A test reads all three, so this is never the empty policy in a build that passed.
    document.and_then(|document| document.policy(None).ok()).unwrap_or_default()
}
