//! What a team lives with: records of sessions, runbooks, documents compared, swap sized from evidence.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

use super::TextFormat;

/// Write what was done and seen as a session document.
#[derive(Debug, Args)]
pub struct Record {
    /// What the session was about, in a few words
    #[arg(long, value_name = "TITLE")]
    pub title: String,
    /// From what: a run (see `fleet runs`), `journal` or an apply of it, a log, or a report of `incident` or `drill` with
    /// `--format json`; may be given several times [default: journal]
    #[arg(long, value_name = "RUN|JOURNAL|INCIDENT", value_hint = ValueHint::FilePath)]
    pub from: Vec<String>,
    /// Write it here; a file that is there is never overwritten
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
    /// The folder of runs; else $XDG_STATE_HOME/oomguard/runs, or for root /var/lib/oomguard/runs
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub runs: Option<PathBuf>,
}

/// Print what to do when an alert comes.
#[derive(Debug, Args)]
pub struct Runbook {
    /// Its name, or the alert that leads to it; without it, the list
    pub name: Option<String>,
}

/// How `spec check` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SpecCheckFormat {
    /// For people
    Text,
    /// For programs; `oomguard schema spec-check` describes it
    Json,
    /// SARIF 2.1.0, for code hosts
    Sarif,
    /// For CI systems
    Junit,
}

/// Say what two documents ask differently.
#[derive(Debug, Args)]
pub struct SpecDiff {
    /// The first document
    #[arg(value_hint = ValueHint::FilePath)]
    pub before: PathBuf,
    /// The second document
    #[arg(value_hint = ValueHint::FilePath)]
    pub after: PathBuf,
    /// Compare this role only; without it every role, or the only one of each
    #[arg(long, value_name = "ROLE")]
    pub role: Option<String>,
    /// How to print
    #[arg(long, default_value = "text")]
    pub format: TextFormat,
}

/// Say how much swap this host should have.
#[derive(Debug, Args)]
pub struct Advise {
    /// So many compilers run at a time [default: one for each processor]
    #[arg(long, value_name = "N")]
    pub compilers: Option<u32>,
    /// What each takes: 3GB, 3.5GB, 800MB [default: 4GB, what a large rustc takes]
    #[arg(long, value_name = "SIZE")]
    pub each: Option<String>,
    /// Another recorder's file than the host's
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub recorder: Option<PathBuf>,
    /// How to print
    #[arg(long, default_value = "text")]
    pub format: TextFormat,
}
