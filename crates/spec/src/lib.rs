//! cspec documents: read with locations, lint, write; policy and roles.
//!
//! This room knows no machine: bytes come in, values and located messages go out.
//!
//! ```
//! let document = oomguard_spec::read("ci.cspec", b"memory_config: {swap: {size: 32GB}, swappiness: 10}")?;
//! let policy = document.policy(None)?;
//! assert_eq!(policy.swappiness, Some(10));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod builtin;
pub mod diagnostic;
pub mod difference;
mod document;
mod format;
pub mod node;
pub mod policy;
mod policy_text;
mod reader;
mod render;
mod resolve;
mod roles;
pub mod score;
pub mod size;
mod text;
pub mod unit;
pub mod yaml;

pub use builtin::Builtin;
pub use diagnostic::{Diagnostic, Label, Severity, Span};
pub use document::{Document, PolicyError, Rejected};
pub use policy_text::policy_to_document;
pub use reader::{MAX_BYTES, MAX_DEPTH, read};
pub use render::{Style, render};
pub use roles::hosts::HostEntry;
pub use yaml::Yaml;
