//! Many hosts over ssh: inventories, one connection a host, rollout in waves, runs that can be resumed.
//!
//! It decides nothing about a host: the same program runs there and does what it does on one machine.

pub mod failure;
pub mod fleet_run;
pub mod host_name;
pub mod installed_command;
pub mod inventory;
pub mod job;
pub mod limit;
pub mod lines;
pub mod outcome;
pub mod program;
pub mod pushed_programs;
pub mod record;
pub mod remote;
pub mod render;
pub mod rollout;
pub mod run;
pub mod script;
pub mod server;
pub mod session;
pub mod setup;
pub mod ssh;
pub mod status;
pub mod wave;
