//! Runs: a task, its hosts and their results, stored in a directory.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use oomguard_converge::Plan;
use oomguard_report::{Report, StatusReport};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::inventory::Target;
use crate::job::{Job, NamedPolicy, Task};
use crate::outcome::{Outcome, State};
use crate::rollout::RolloutError;
use crate::session::Reply;
use crate::wave::{BadWaves, Waves};

/// The version of the form below.
pub const SCHEMA: &str = "oomguard.fleet-run/1";

/// A run as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// `oomguard.fleet-run/1`
    pub schema: String,
    /// The name of its folder. Later ones sort after earlier ones.
    pub id: String,
    /// The task.
    pub task: Task,
    /// Seconds since 1970.
    pub started: u64,
    /// The waves of a change: `1,25%,100%`.
    pub waves: String,
    /// After more failed hosts than this, no further ones are changed.
    pub max_failures: usize,
    /// Whether an ordinary user becomes root even to read.
    pub root: bool,
    /// The hosts, in order, each with its key in `policies`.
    pub hosts: Vec<Member>,
    /// The policies of the hosts.
    pub policies: BTreeMap<String, NamedPolicy>,
}

/// A host of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Member {
    /// The host.
    pub target: Target,
    /// The key of its policy.
    pub policy: String,
}

impl Run {
    /// The job of a host.
    #[must_use]
    pub fn job(&self, member: &Member, task: Task) -> Option<Job> {
        self.policies.get(&member.policy).map(|policy| Job::new(task, policy.clone()))
    }
}

/// Why a run cannot be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It does not exist.
    #[error("no run {id} in {folder}; `oomguard fleet runs` lists runs")]
    Unknown {
        /// The name.
        id: String,
        /// Where it was looked for.
        folder: String,
    },
    /// A file cannot be read or written.
    #[error("cannot {doing} {path}: {source}")]
    File {
        /// What was tried.
        doing: &'static str,
        /// Where.
        path: String,
        /// Why not.
        source: io::Error,
    },
    /// Somebody edited it, or it has another version.
    #[error("{path} does not have the form {SCHEMA}: {why}")]
    Damaged {
        /// The file.
        path: String,
        /// What is wrong.
        why: String,
    },
}

/// The folder of all runs.
#[derive(Clone, Debug)]
pub struct Runs {
    folder: PathBuf,
}

impl Runs {
    /// Runs are kept in this folder, which need not be there yet.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Begins a run at `now` (seconds since 1970): gives it a name and a folder of its own, 0700.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn begin(&self, mut run: Run, now: u64) -> Result<StoredRun, RunError> {
        make_folder(&self.folder, true)?;
        let time = i64::try_from(now).ok().and_then(|now| jiff::Timestamp::from_second(now).ok());
        let time = time.unwrap_or_default().strftime("%Y%m%dT%H%M%SZ").to_string();
        for number in 1.. {
            run.id = if number == 1 { time.clone() } else { format!("{time}-{number}") };
            let folder = self.folder.join(&run.id);
            match make_folder(&folder, false) {
                Err(RunError::File { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => {}
                made => {
                    made?;
                    break;
                }
            }
        }
        run.started = now;
        let kept = StoredRun { folder: self.folder.join(&run.id), run };
        make_folder(&kept.folder.join("hosts"), false)?;
        kept.write(&kept.folder.join("run.json"), &kept.run)?;
        Ok(kept)
    }

    /// A run of that name.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn open(&self, id: &str) -> Result<StoredRun, RunError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let folder = self.folder.join(id);
        if id.is_empty() || !id.chars().all(plain) || !folder.join("run.json").is_file() {
            let folder = self.folder.display().to_string();
            return Err(RunError::Unknown { id: crate::host_name::shown(id), folder });
        }
        let run: Run = read(&folder.join("run.json"))?;
        if run.schema != SCHEMA || run.id != id {
            let path = folder.join("run.json").display().to_string();
            return Err(RunError::Damaged {
                path,
                why: "it has another version or belongs to another run".to_owned(),
            });
        }
        Ok(StoredRun { folder, run })
    }

    /// The names of all runs, the earliest first.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn ids(&self) -> Result<Vec<String>, RunError> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed("read", &self.folder))?,
        };
        let is_run = |entry: &fs::DirEntry| entry.path().join("run.json").is_file();
        let names = entries.flatten().filter(is_run).filter_map(|entry| entry.file_name().into_string().ok());
        // `...Z-10` comes after `...Z-2`.
        let key = |id: &String| {
            let (time, number) = id.split_once("Z-").unwrap_or((id, "1"));
            (time.trim_end_matches('Z').to_owned(), number.parse::<u32>().unwrap_or(0))
        };
        let mut ids: Vec<String> = names.collect();
        ids.sort_by_key(key);
        Ok(ids)
    }
}

/// A run with its directory.
#[derive(Clone, Debug)]
pub struct StoredRun {
    folder: PathBuf,
    /// The run.
    pub run: Run,
}

impl StoredRun {
    /// The waves of its change.
    ///
    /// # Errors
    /// When somebody edited them.
    pub fn waves(&self) -> Result<Waves, RolloutError> {
        let damaged = |error: BadWaves| RunError::Damaged {
            path: self.folder.join("run.json").display().to_string(),
            why: error.to_string(),
        };
        Ok(self.run.waves.parse().map_err(damaged)?)
    }

    /// Its directory.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Stores the answer of a host: `status.json`, `plan.json`, `report.json`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn reply(&self, target: &Target, reply: &Reply) -> Result<(), RunError> {
        let folder = self.host(target)?;
        if let Some(status) = &reply.status {
            self.write(&folder.join("status.json"), status)?;
        }
        if let Some(plan) = &reply.plan {
            self.write(&folder.join("plan.json"), &plan.plan)?;
        }
        if let Some(report) = &reply.report {
            self.write(&folder.join("report.json"), report)?;
        }
        Ok(())
    }

    /// Stores the result of a host: `result.json`, and a text file `error` if it failed.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn outcome(&self, outcome: &Outcome) -> Result<(), RunError> {
        let folder = self.host(&outcome.target)?;
        self.write(&folder.join("result.json"), outcome)?;
        let error = folder.join("error");
        match &outcome.failure {
            Some(failure) => {
                let text = format!("{}\n{}\n", failure.message, failure.advice);
                put(&error, text.as_bytes()).map_err(failed("write", &error))
            }
            None => match fs::remove_file(&error) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => Err(failed("remove", &error)(e)),
                _ => Ok(()),
            },
        }
    }

    /// The result of every host, in the order of the run. A host without a readable result counts as not reached, so that
    /// `resume` includes it.
    #[must_use]
    pub fn outcomes(&self) -> Vec<Outcome> {
        let of = |member: &Member| {
            let path = self.folder.join("hosts").join(member.target.name.as_str()).join("result.json");
            read::<Outcome>(&path).unwrap_or_else(|_| Outcome::not_reached(member.target.clone()))
        };
        self.run.hosts.iter().map(of).collect()
    }

    /// The status that a host sent.
    #[must_use]
    pub fn status(&self, target: &Target) -> Option<StatusReport> {
        self.document(target, "status.json")
    }

    /// The plan that a host sent.
    #[must_use]
    pub fn plan(&self, target: &Target) -> Option<Plan> {
        self.document(target, "plan.json")
    }

    /// The report that a host sent.
    #[must_use]
    pub fn report(&self, target: &Target) -> Option<Report> {
        self.document(target, "report.json")
    }

    /// A file that is missing, damaged or from another version is no document.
    fn document<T: DeserializeOwned>(&self, target: &Target, file: &str) -> Option<T> {
        read(&self.folder.join("hosts").join(target.name.as_str()).join(file)).ok()
    }

    /// The hosts that failed or were not reached.
    #[must_use]
    pub fn unfinished(&self) -> Vec<Member> {
        let outcomes = self.outcomes();
        let open = |outcome: &Outcome| matches!(outcome.state, State::Failed | State::NotReached);
        let pairs = self.run.hosts.iter().zip(&outcomes);
        pairs.filter(|(_, outcome)| open(outcome)).map(|(member, _)| member.clone()).collect()
    }

    fn host(&self, target: &Target) -> Result<PathBuf, RunError> {
        let folder = self.folder.join("hosts").join(target.name.as_str());
        make_folder(&folder, true)?;
        Ok(folder)
    }

    fn write(&self, path: &Path, value: &impl Serialize) -> Result<(), RunError> {
        let bytes =
            serde_json::to_vec_pretty(value).map_err(io::Error::other).map_err(failed("write", path))?;
        put(path, &bytes).map_err(failed("write", path))
    }
}

/// Writes a file, 0600, that is whole whenever it is there.
///
/// It is not synced: a result that a power cut takes away makes its host one that `resume` asks again.
fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.persist(path)?;
    Ok(())
}

fn make_folder(path: &Path, with_parents: bool) -> Result<(), RunError> {
    DirBuilder::new().mode(0o700).recursive(with_parents).create(path).map_err(failed("create", path))
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RunError {
    let path = path.display().to_string();
    move |source| RunError::File { doing, path, source }
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, RunError> {
    let bytes = fs::read(path).map_err(failed("read", path))?;
    serde_json::from_slice(&bytes)
        .map_err(|e| RunError::Damaged { path: path.display().to_string(), why: e.to_string() })
}
