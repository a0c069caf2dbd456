//! The record of a session: what was done on which hosts and what was seen, as the document that a team keeps of it.
//!
//! [`Work`] is the result of one host, from a host's own history ([`of_host`]) or from the
//! directory of a run (`fleet::record`);
//! [`Session::document`] writes it down. Nothing stands there that was not done or seen.

mod host;
mod origin;
mod parts;
mod trial;
mod verification;
mod words;

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use oomguard_converge::change::Change;
use oomguard_converge::history::HistoryError;
use oomguard_converge::{Finding, Refusal};
use oomguard_host::HostError;
use oomguard_incident::Incident;
use oomguard_incident::render::cspec;
use oomguard_spec::{Yaml, policy_to_document};

use crate::NamedPolicy;

pub use host::of_host;
pub use origin::{BadOrigin, Origin};
pub use trial::Trial;
pub use verification::{FactsSeen, HostSeen, kinds, verification};

/// A title is no longer than this.
pub const MAX_TITLE_CHARS: usize = 200;

/// How a host stands at the end of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It was changed, and the change is in force.
    Applied,
    /// Nothing had to be changed.
    AlreadySo,
    /// It is still to be changed: it was only looked at, was not reached, refused, or failed.
    NotYet,
    /// It was changed, and the change was taken back.
    Undone,
    /// A change was begun there and was cut.
    Cut,
}

/// What came of one host.
#[derive(Clone, Debug, PartialEq)]
pub struct Work {
    /// The host as it was last seen.
    pub seen: HostSeen,
    /// How it stands.
    pub state: State,
    /// What it was to be like.
    pub policy: Option<NamedPolicy>,
    /// What was changed, in order; with [`State::NotYet`], what is to be.
    pub changes: Vec<Change>,
    /// The journal's names of what was done there.
    pub ids: Vec<String>,
    /// What a check found after it. `None`: nobody looked.
    pub checked: Option<Vec<Finding>>,
    /// What could not be looked at, a line each.
    pub not_known: Vec<String>,
    /// What speaks against the change.
    pub refusals: Vec<Refusal>,
    /// The run that `fleet resume` goes on with.
    pub run: Option<String>,
}

/// An incident and where its log was read.
#[derive(Clone, Debug)]
pub struct Occasion {
    /// What happened.
    pub incident: Incident,
    /// The log: a file, `journal`.
    pub source: String,
}

/// Everything that a record is made of.
#[derive(Clone, Debug)]
pub struct Session {
    /// In a person's words.
    pub title: String,
    /// Seconds since 1970.
    pub now: u64,
    /// Why it was done, when there was an incident.
    pub occasion: Option<Occasion>,
    /// The hosts, in order.
    pub works: Vec<Work>,
    /// The drills that were run.
    pub trials: Vec<Trial>,
}

/// Why there is no record.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The title says nothing, or too much.
    #[error("--title: {0}")]
    Title(String),
    /// Nothing was done and nothing was seen.
    #[error("there is nothing to record: no run, no apply, no incident and no drill was given")]
    Nothing,
    /// The host's journal is empty.
    #[error("nothing was applied on this host yet, so there is nothing to record of it")]
    NothingApplied,
    /// The machine said no.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] HistoryError),
    /// There is a file already: a record is never overwritten.
    #[error("{0} is there already, and a record is never overwritten; give another name")]
    Exists(String),
    /// The file cannot be written.
    #[error("cannot write {path}: {source}")]
    File {
        /// Where.
        path: String,
        /// Why not.
        source: io::Error,
    },
}

impl Session {
    /// The record as a cspec document: strict YAML, the same text for the same session.
    ///
    /// # Errors
    /// When the title is empty or too long, or when there is nothing to record.
    pub fn document(&self) -> Result<String, RecordError> {
        let title = self.title.split_whitespace().collect::<Vec<_>>().join(" ");
        if title.is_empty() {
            return Err(RecordError::Title("give the session a name in a few words".to_owned()));
        }
        if title.chars().count() > MAX_TITLE_CHARS {
            return Err(RecordError::Title(format!("it is longer than {MAX_TITLE_CHARS} characters")));
        }
        if self.works.is_empty() && self.occasion.is_none() && self.trials.is_empty() {
            return Err(RecordError::Nothing);
        }
        let seen: Vec<HostSeen> = self.works.iter().map(|work| work.seen.clone()).collect();
        let day = parts::day(self.now);
        let document = Yaml::map([
            ("id", Yaml::word(format!("{day}-{}", parts::slug(&title)))),
            ("type", Yaml::word("session")),
            ("date", Yaml::Day(day)),
            ("status", Yaml::word(self.status())),
            ("priority", Yaml::word(self.priority())),
            ("title", Yaml::text(title)),
            ("summary", Yaml::Prose(parts::summary(self))),
            ("context", parts::context(self)),
            ("objectives", Yaml::texts(parts::objectives(self))),
            ("deliverables", parts::deliverables(self)),
            ("verification", verification(&seen)),
            ("files_modified", Yaml::List(parts::files(self).into_iter().map(Yaml::Word).collect())),
            ("testing", parts::testing(self)),
            ("next_steps", Yaml::texts(parts::next_steps(self))),
        ]);
        Ok(document.document() + &self.policy())
    }

    /// The name of a file for it: its id.
    #[must_use]
    pub fn file_name(&self) -> String {
        format!("{}-{}.cspec", parts::day(self.now), parts::slug(&self.title))
    }

    /// `completed`: there is nothing left to do; `in_progress`: there is; `open`: nothing was done yet.
    fn status(&self) -> &'static str {
        let done = |work: &Work| {
            matches!(work.state, State::Applied | State::AlreadySo)
                && work.checked.as_ref().is_some_and(|found| found.iter().all(|one| !one.severity.differs()))
        };
        let proved = self.trials.iter().all(|trial| trial.proved);
        match self.works.as_slice() {
            [] if self.trials.is_empty() => "open",
            [] if self.occasion.is_some() => "in_progress",
            works if proved && works.iter().all(done) => "completed",
            _ => "in_progress",
        }
    }

    fn priority(&self) -> &'static str {
        let critical = |finding: &Finding| finding.severity == oomguard_converge::Severity::Critical;
        let any = self.works.iter().filter_map(|work| work.checked.as_ref()).flatten().any(critical);
        if any || self.occasion.is_some() { "high" } else { "normal" }
    }

    /// The policy that all hosts were to be like, or else what the incident advises, as a `memory_config`.
    fn policy(&self) -> String {
        let mut policies = self.works.iter().filter_map(|work| work.policy.as_ref());
        let first = policies.next();
        if let Some(first) = first
            && policies.all(|other| other.policy == first.policy)
        {
            let text = policy_to_document(&first.policy, "all");
            let config = text.split_once("\n\n").map_or(text.as_str(), |(_, config)| config);
            return format!("\n# What was asked for. See it: oomguard plan --spec THIS_FILE\n{config}");
        }
        let advised = self.occasion.as_ref().filter(|_| first.is_none());
        let change = advised.and_then(|at| cspec::change(&at.incident, "oomguard plan --spec THIS_FILE"));
        // A report may come from anywhere; what is no policy does not become one.
        let is_policy = |text: &String| {
            oomguard_spec::read("change", text.as_bytes()).is_ok_and(|document| document.policy(None).is_ok())
        };
        change.filter(is_policy).unwrap_or_default()
    }
}

/// Puts a record into a new file, and never over one that is there.
///
/// # Errors
/// When there is something of that name, or it cannot be written; then nothing of it is left.
pub fn save(path: &Path, document: &str) -> Result<(), RecordError> {
    let shown = || path.display().to_string();
    let mut file =
        OpenOptions::new().write(true).create_new(true).open(path).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => RecordError::Exists(shown()),
            _ => RecordError::File { path: shown(), source },
        })?;
    file.write_all(document.as_bytes()).and_then(|()| file.sync_all()).map_err(|source| {
        // It is ours, made just now; half a record would only mislead.
        let _ = std::fs::remove_file(path);
        RecordError::File { path: shown(), source }
    })
}

/// A moment in UTC, or `never`.
#[must_use]
pub fn moment(seconds: Option<u64>) -> String {
    let time = seconds.and_then(|seconds| i64::try_from(seconds).ok());
    let time = time.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    time.map_or_else(|| "never".to_owned(), |time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// Text of a host or a person on one line.
fn safe(text: &str) -> String {
    oomguard_text::shown(text.trim(), 300)
}
