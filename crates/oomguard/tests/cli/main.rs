//! The command line as its users meet it: what it prints, what it exits with, and what it leaves alone.
//!
//! No test but `smoke` reads the machine that it runs on: hosts are folders. New snapshots: `SNAPSHOTS=overwrite`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by panicking, its helpers too"
)]

mod advise;
mod bad_input;
mod check;
mod docs;
mod drill;
mod events;
#[path = "../../../converge/tests/fixture/mod.rs"]
mod fixture;
mod fleet;
mod help;
mod history;
mod hosts;
mod incident;
mod mcp;
#[path = "../mcp_clients/mod.rs"]
mod mcp_clients;
mod mcp_conformance;
mod mcp_http;
mod mcp_many;
mod mcp_with_clients;
mod output;
mod plan;
mod rank;
mod record;
mod recorder;
mod rules;
mod run;
mod runbook;
mod schema;
mod secrets;
mod smoke;
mod spec;
mod status;
mod unsafe_text;
mod xml;
