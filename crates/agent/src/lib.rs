//! The agent: guard, flight recorder, kernel events, alerts, metrics.

pub mod alerts;
pub mod event;
pub mod event_log;
pub mod exposition;
pub mod guard;
pub mod http;
pub mod kills;
pub mod logfmt;
pub mod machine;
pub mod metrics;
pub mod notify;
pub mod policy_file;
pub mod protected;
pub mod recorder;
pub mod reporter;
pub mod rules;
pub mod run;
pub mod tally;
pub mod textfile;
