//! The daemon: what `oomguard agent` runs.

pub mod guard;
pub mod run;
