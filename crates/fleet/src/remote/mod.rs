//! Runs a job on this host and answers in [`lines`](crate::lines): the far end of a session.

mod setup;
mod tasks;
mod worker;

use std::io::{Read, Write};

use oomguard_converge::Facts;
use oomguard_converge::apply::ApplyError;
use oomguard_converge::change::Change;
use oomguard_converge::history::HistoryError;
use oomguard_converge::rank::LoadError;
use oomguard_host::{Host, HostError};
use oomguard_report::{CheckReport, IncidentReport};

use crate::job::{BadJob, Job};
use worker::{Answer, Worker};

/// A job is a policy and a few words, so a longer one is none.
const MAX_JOB_BYTES: u64 = 4 << 20;

/// What a job needs from the program that runs it.
pub trait Program {
    /// The version of oomguard.
    fn version(&self) -> &str;

    /// The incidents in this host's log.
    ///
    /// # Errors
    /// When the log cannot be read.
    fn incidents(&self, since: Option<&str>, boot: Option<i32>) -> Result<IncidentReport, JobError>;

    /// A change in one line.
    fn change_line(&self, change: &Change) -> String;

    /// A check for a person, without the commands to type next.
    fn check_lines(&self, report: &CheckReport, facts: &Facts) -> Vec<String>;

    /// The swap of this host for a person.
    fn swap_lines(&self) -> Vec<String>;
}

/// Why a job was not done.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The apply or rollback was refused, or failed.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// The host cannot be read.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The history cannot be read.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// A load of a ranking is not valid.
    #[error("--add: {0}")]
    Load(#[from] LoadError),
    /// Only a running machine can be changed.
    #[error("a directory given with --root can only be read, not changed")]
    Folder,
    /// The program could not do its part.
    #[error("{0}")]
    Program(String),
}

/// Reads a job, runs it, and writes its answer; a job that fails has an answer, too.
///
/// A change that has begun runs to its end even if the reader of the answer is gone.
///
/// # Errors
/// When the input has no job.
pub fn run(
    host: &Host,
    program: &dyn Program,
    input: impl Read,
    output: &mut dyn Write,
) -> Result<(), BadJob> {
    let mut bytes = Vec::new();
    input.take(MAX_JOB_BYTES).read_to_end(&mut bytes).map_err(|error| BadJob::new(&error))?;
    let job = Job::from_line(&bytes)?;
    let mut worker = Worker { job: &job, host, program, answer: Answer::new(output) };
    worker.header();
    worker.note("started");
    let result = tasks::run(&mut worker);
    worker.finish(result);
    Ok(())
}
