//! Facts and policy to findings and plan; apply, journal, rollback, recovery.
//!
//! Data flows one way: (policy, facts) -> findings -> plan -> journal -> facts again.

pub mod advise;
mod agent;
pub mod apply;
pub mod basis;
pub mod blob;
pub mod change;
pub mod decisions;
pub mod diff;
pub mod execute;
pub mod facts;
pub mod finding;
mod findings;
mod fstab_edit;
pub mod history;
pub mod layout;
mod managed_files;
pub mod plan;
mod preflight;
pub mod rank;
pub mod rollback;
mod run;
pub mod step;
pub mod swap_decision;
pub mod target_score;

pub use decisions::Decisions;
pub use facts::Facts;
pub use finding::{Finding, FindingKind, Refusal, Severity};
pub use findings::{findings, findings_of};
pub use plan::Plan;
pub use preflight::refusals;
