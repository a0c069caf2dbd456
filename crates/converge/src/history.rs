//! The durable record of an apply: what rollback and crash recovery read.
//!
//! One folder for each apply under /var/lib/oomguard/journal, with `record.json` (the plans, and everything as it was
//! before), `state` and `progress`. A folder without `state` is an apply that was cut.

use std::collections::BTreeMap;

use oomguard_host::files::{Access, sha256, temp_sibling};
use oomguard_host::{Host, HostError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::blob::Blob;
use crate::layout;
use crate::plan::Plan;

/// The version of the form below.
pub const SCHEMA: &str = "oomguard.history/2";
const PRIVATE: Access = Access { mode: 0o600, owner: None };

/// Everything that is remembered of one apply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Record {
    /// `oomguard.history/2`
    pub schema: String,
    /// The name of its folder. Later ones sort after earlier ones.
    pub id: String,
    /// Seconds since 1970.
    pub started: u64,
    /// The version of oomguard.
    pub version: String,
    /// What was done: one plan, or several when an interrupted apply was finished later.
    pub plans: Vec<Plan>,
    /// How everything was that the plans touch.
    pub before: Before,
}

/// How everything was before an apply touched it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Before {
    /// Files, by path; `None`: there was none.
    pub files: BTreeMap<String, Option<FileBefore>>,
    /// Symbolic links and what they pointed to; `None`: there was none.
    #[serde(default)]
    pub links: BTreeMap<String, Option<String>>,
    /// Folders that were not there, the deepest last.
    pub missing_dirs: Vec<String>,
    /// Swap files of oomguard's, by path.
    pub own_swaps: BTreeMap<String, SwapBefore>,
    /// Swaps that were off and that the plans switch on.
    pub swaps_off: Vec<String>,
    /// Kernel parameters, by key.
    pub sysctl: BTreeMap<String, String>,
    /// Scores of live processes.
    pub scores: Vec<ScoreBefore>,
}

/// A file as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileBefore {
    /// Its bytes.
    pub bytes: Blob,
    /// Their SHA-256, in hexadecimal.
    pub sha256: String,
    /// Its permission bits.
    pub mode: u32,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
}

/// A swap file of oomguard's as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SwapBefore {
    /// Its length in bytes.
    pub size: u64,
    /// Its priority, when it was on.
    pub priority: Option<i32>,
    /// Whether it was on.
    pub active: bool,
}

/// A score as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScoreBefore {
    /// The process.
    pub pid: i32,
    /// When it started, in clock ticks since boot.
    pub start_time: u64,
    /// Its name.
    pub comm: String,
    /// Its oom_score_adj.
    pub score: i32,
    /// Which boot it belongs to: a process number means nothing after the next.
    pub boot_id: String,
}

impl ScoreBefore {
    pub(crate) fn is_of_same_process(&self, other: &Self) -> bool {
        (self.pid, self.start_time, &self.boot_id) == (other.pid, other.start_time, &other.boot_id)
    }
}

/// How far an apply is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Begun and not finished: it runs now, or was cut.
    Open,
    /// Done.
    Applied,
    /// Being undone, or cut while it was.
    RollingBack,
    /// Undone.
    RolledBack,
}

/// One apply as the journal has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Entry {
    /// How far it is.
    pub state: State,
    /// What is remembered of it.
    pub record: Record,
    /// The steps that were done, one a line.
    pub progress: Vec<String>,
    /// Who asked for it to be applied or undone, one a line, when it was not the person who ran the command.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asked: Vec<String>,
}

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The machine said no.
    #[error(transparent)]
    Host(#[from] HostError),
    /// A record that nobody can read.
    #[error(
        "cannot read {path}: {why}; another version of oomguard may have written it, or the disk is damaged"
    )]
    Damaged {
        /// The file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// There is no such apply.
    #[error("no apply {id} in the history; `oomguard history list` shows all of them")]
    Unknown {
        /// The name that was asked for.
        id: String,
    },
}

/// All applies, the earliest first.
///
/// # Errors
/// When a record cannot be read.
pub fn list(host: &Host) -> Result<Vec<Entry>, HistoryError> {
    let mut entries = Vec::new();
    for id in host.list_dir(layout::HISTORY_DIR)? {
        // Cut before anything was recorded, and so before anything was changed.
        if host.lstat(&file(&id, "record.json"))?.is_some() {
            entries.push(read(host, &id)?);
        }
    }
    let number =
        |entry: &Entry| entry.record.id.split_once('-').and_then(|(number, _)| number.parse::<u32>().ok());
    entries.sort_by_key(number);
    Ok(entries)
}

/// One apply.
///
/// # Errors
/// When there is none of that name, or its record cannot be read.
pub fn read(host: &Host, id: &str) -> Result<Entry, HistoryError> {
    let unknown = || HistoryError::Unknown { id: id.chars().take(80).collect() };
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if id.is_empty() || !id.chars().all(plain) {
        return Err(unknown());
    }
    let path = file(id, "record.json");
    let bytes = host.read_optional(&path)?.ok_or_else(unknown)?;
    let damaged = |why: String| HistoryError::Damaged { path: path.clone(), why };
    let record: Record = serde_json::from_slice(&bytes).map_err(|e| damaged(e.to_string()))?;
    if record.schema != SCHEMA {
        return Err(damaged(format!("its schema is {}, and this version reads {SCHEMA}", record.schema)));
    }
    for (path, before) in &record.before.files {
        if before.as_ref().is_some_and(|before| sha256(&before.bytes.0) != before.sha256) {
            return Err(damaged(format!("the saved contents of {path} do not match their hash")));
        }
    }
    let lines = |name: &str| -> Result<Vec<String>, HistoryError> {
        let bytes = host.read_optional(&file(id, name))?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect())
    };
    Ok(Entry { state: state(host, id)?, record, progress: lines("progress")?, asked: lines("asked")? })
}

fn state(host: &Host, id: &str) -> Result<State, HistoryError> {
    let path = file(id, "state");
    match host.read_optional(&path)?.as_deref() {
        None => Ok(State::Open),
        Some(b"applied\n") => Ok(State::Applied),
        Some(b"rolling-back\n") => Ok(State::RollingBack),
        Some(b"rolled-back\n") => Ok(State::RolledBack),
        Some(_) => Err(HistoryError::Damaged { path, why: "unknown state".to_owned() }),
    }
}

impl State {
    /// The state as it is written.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Applied => "applied",
            Self::RollingBack => "rolling-back",
            Self::RolledBack => "rolled-back",
        }
    }
}

/// Writes a record so that it is there as a whole or not at all.
pub(crate) fn write(host: &Host, record: &Record) -> Result<(), HistoryError> {
    let dir = format!("{}/{}", layout::HISTORY_DIR, record.id);
    host.create_dirs(&dir)?;
    let json = serde_json::to_string_pretty(record).unwrap_or_default() + "\n";
    replace(host, &file(&record.id, "record.json"), json.as_bytes())
}

pub(crate) fn set_state(host: &Host, id: &str, state: State) -> Result<(), HistoryError> {
    replace(host, &file(id, "state"), format!("{}\n", state.word()).as_bytes())
}

pub(crate) fn step_done(host: &Host, id: &str, step: &str) -> Result<(), HistoryError> {
    Ok(host.append(&file(id, "progress"), format!("{step}\n").as_bytes(), 0o600)?)
}

/// Keeps who asked for a change, before it begins.
pub(crate) fn asked(host: &Host, id: &str, what: &str, who: Option<&str>) -> Result<(), HistoryError> {
    let Some(who) = who else { return Ok(()) };
    let line = oomguard_text::shown(who, 200);
    Ok(host.append(&file(id, "asked"), format!("{what}, by {line}\n").as_bytes(), 0o600)?)
}

fn replace(host: &Host, path: &str, bytes: &[u8]) -> Result<(), HistoryError> {
    let new = temp_sibling(path);
    host.remove_file(&new)?;
    host.write_new(&new, bytes, PRIVATE)?;
    Ok(host.rename_over(&new, path)?)
}

/// A name for an apply that begins now. The number, not the clock, puts them in order: a clock may be set back.
pub(crate) fn new_id(host: &Host) -> Result<String, HistoryError> {
    let seconds = i64::try_from(host.now()).unwrap_or(0);
    let time = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    let number = |id: &String| id.split_once('-')?.0.parse::<u32>().ok();
    let last = host.list_dir(layout::HISTORY_DIR)?.iter().filter_map(number).max().unwrap_or(0);
    Ok(format!("{:04}-{}", last + 1, time.strftime("%Y%m%dT%H%M%SZ")))
}

/// Which boot this is.
pub(crate) fn boot_id(host: &Host) -> String {
    let bytes = host.read("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    String::from_utf8_lossy(&bytes).trim().to_owned()
}

fn file(id: &str, name: &str) -> String {
    format!("{}/{id}/{name}", layout::HISTORY_DIR)
}
