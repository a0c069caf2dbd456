//! Facts and policy to findings and plan; apply, journal, rollback, recovery.
//!
//! Data flows one way: (policy, facts) -> findings -> plan -> journal -> facts again.

pub mod advise;
mod agent;
pub mod apply;
pub mod blob;
pub mod change;
pub mod diff;
pub mod execute;
pub mod expected;
pub mod facts;
pub mod finding;
mod findings;
mod fstab_edit;
pub mod journal;
pub mod layout;
pub mod own_command;
mod own_files;
pub mod plan;
mod preflight;
pub mod pushed;
pub mod rank;
pub mod rollback;
pub mod server;
pub mod step;
pub mod swap_decision;

pub use facts::Facts;
pub use finding::{Finding, Refusal, Severity};
pub use findings::findings;
pub use plan::Plan;
pub use preflight::refusals;
