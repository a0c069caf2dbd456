//! Kernel log bytes to OOM kills, one explained incident for each episode, and its report in five forms.
//!
//! Bytes go through these layers, each with one idea: [`scan`] finds the lines that matter, [`line`](mod@line) strips what
//! whoever wrote the log put around a message, [`record`] knows a message by its shape, [`assemble`] puts messages to
//! reports, [`episode`] reports to episodes, [`explain`] says what happened, and [`render`] writes it down.

pub mod assemble;
mod bytes;
pub mod episode;
pub mod explain;
pub mod json_line;
pub mod line;
mod log;
pub mod minutes;
pub mod model;
pub mod reader;
pub mod record;
pub mod render;
pub mod saved;
pub mod scan;
mod shown;
pub mod time;

pub use log::{LogError, Options, Since, read, read_all, read_file};
pub use minutes::{Minutes, Sample, Sized};
pub use model::{Incident, Report, SCHEMA};
