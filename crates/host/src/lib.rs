//! The only room that touches a machine: files under a root, commands, clock, syscalls.
//!
//! It knows no policy. Readers take bytes and never fail without saying where; changes are made so that power may be
//! cut after every call.

pub mod command;
pub mod error;
pub mod files;
pub mod fstab;
pub mod host;
pub mod kernel_log;
mod octal;
pub mod parse_error;
pub mod proc;
pub mod processes;
pub mod swap_header;
pub mod swapfile;
pub mod sysctl;
pub mod unit_file;

pub use error::{HostError, Result};
pub use host::Host;
pub use parse_error::ParseError;
