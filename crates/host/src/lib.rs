//! Access to one machine: files below a root, programs, clock, system calls, and parsers of kernel and configuration files.
//!
//! It does not know about policies. Parsers report the line of an error. Every call that changes the machine is atomic, so
//! that power may be cut after any of them.

mod background_sync;
pub mod clock;
pub mod command;
pub mod connector;
pub mod cpus;
pub mod error;
pub mod files;
pub mod fstab;
pub mod host;
pub mod journald;
pub mod kernel_log;
pub mod kmsg;
pub mod limits;
pub mod memory_events;
pub mod mlock;
pub mod notify;
mod octal;
pub mod openat2;
pub mod os_release;
pub mod parse_error;
pub mod passwd;
pub mod pidfd;
pub mod proc;
pub mod proc_event;
pub mod processes;
pub mod program_file;
pub mod psi;
pub mod reexec;
pub mod ring_file;
pub mod scan;
pub mod signals;
pub mod start;
pub mod swap_header;
pub mod swapfile;
pub mod sysctl;
pub mod unit_file;
pub mod volatile;
pub mod wait;

pub use error::{HostError, Result};
pub use host::Host;
pub use parse_error::ParseError;
