//! `oomguard record`: writes a session document.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use oomguard_host::Host;
use oomguard_incident::saved;
use oomguard_report::record::{self, Occasion, Origin, RecordError, Session, Trial};

#[cfg(feature = "fleet")]
use super::fleet_run;
use crate::args::RootArgs;
#[cfg(feature = "fleet")]
use crate::args::RunsArgs;
use crate::failure::{Failure, code};
use crate::output::Terminal;

impl From<RecordError> for Failure {
    fn from(error: RecordError) -> Self {
        match error {
            RecordError::Title(_) | RecordError::Nothing => Self::usage(error),
            RecordError::Journal(error) => error.into(),
            RecordError::NothingApplied => Self::error(error)
                .hint("give a run or an incident with --from (`oomguard fleet runs` lists runs)"),
            error => Self::error(error),
        }
    }
}

/// Write a session document of what was done and seen
///
/// A session document is cspec: goal, incident, changes on each host, files, checks with their results, next steps. Run
/// it as root, so that the check of this host is complete.
#[derive(Debug, Args)]
pub struct Record {
    /// Title of the session
    #[arg(long, value_name = "TITLE")]
    title: String,
    /// Source: a run, `history`, an apply, or an incident or drill file
    ///
    /// A run (see `fleet runs`), `history` for the last apply on this host, the ID of an apply, a kernel log, or the
    /// output of `incident` or `drill` with --format json. May be given several times. [default: history]
    #[arg(long, value_name = "SOURCE", value_hint = ValueHint::FilePath)]
    from: Vec<String>,
    /// Write to a new file; existing files are never overwritten
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,
    #[cfg(feature = "fleet")]
    #[command(flatten)]
    place: RunsArgs,
    #[command(flatten)]
    root: RootArgs,
}

impl Record {
    pub fn run(&self, terminal: &mut Terminal) -> Result<u8, Failure> {
        run(self, &self.root.host()?, terminal)
    }
}

fn run(args: &Record, host: &Host, terminal: &mut Terminal) -> Result<u8, Failure> {
    let mut session = Session {
        title: args.title.clone(),
        now: host.now(),
        occasion: None,
        works: Vec::new(),
        trials: Vec::new(),
    };
    let default = ["history".to_owned()];
    let from = if args.from.is_empty() { &default[..] } else { &args.from };
    for text in from {
        match text.parse().map_err(|error| Failure::usage(format!("--from: {error}")))? {
            Origin::Journal(id) => {
                session.works.push(record::of_host(host, &super::host_name(host), id.as_deref())?);
            }
            #[cfg(not(feature = "fleet"))]
            Origin::Run(_) => {
                return Err(Failure::usage("--from: this oomguard was built without runs on other hosts"));
            }
            #[cfg(feature = "fleet")]
            Origin::Run(id) => {
                let run = fleet_run::runs(args.place.runs.as_deref())?.open(&id)?;
                session.works.extend(oomguard_fleet::record::of_run(&run));
            }
            Origin::Incident(path) if is_drill(&path) => session.trials.push(drill(&path)?),
            Origin::Incident(path) => {
                if session.occasion.replace(incident(&path)?).is_some() {
                    return Err(Failure::usage("--from: only one incident may be given"));
                }
            }
        }
    }
    let document = session.document()?;
    match &args.output {
        Some(path) => {
            record::save(path, &document)?;
            terminal.note(&format!("wrote {}\n", path.display()));
        }
        None => terminal.print(&document)?,
    }
    Ok(code::SUCCESS)
}

/// Whether a file is the report of a drill. Only its beginning is read: a log may be large.
fn is_drill(path: &Path) -> bool {
    let mut beginning = Vec::new();
    let read = File::open(path).and_then(|file| file.take(200).read_to_end(&mut beginning));
    let schema = format!("\"{}\"", oomguard_drill::SCHEMA);
    path != Path::new("-") && read.is_ok() && String::from_utf8_lossy(&beginning).contains(&schema)
}

fn drill(path: &Path) -> Result<Trial, Failure> {
    let failed = |error: String| Failure::error(format!("--from {}: {error}", path.display()));
    let bytes = std::fs::read(path).map_err(|error| failed(format!("cannot read the file: {error}")))?;
    let report: oomguard_drill::Report = serde_json::from_slice(&bytes)
        .map_err(|error| failed(format!("not a complete drill report: {error}")))?;
    let scene = report.scene.map_or("", oomguard_drill::Scene::name);
    Ok(Trial {
        hostname: report.host,
        command: match report.command {
            Some(line) => format!("oomguard drill --command '{line}'"),
            None => format!("oomguard drill --scene {scene}"),
        },
        policy: report.policy,
        proved: report.proved,
        tried: report.tried.into_iter().map(|tried| (tried.good, tried.what)).collect(),
    })
}

fn incident(path: &Path) -> Result<Occasion, Failure> {
    let shown = path.display().to_string();
    let failed = |error: String| Failure::error(format!("--from {shown}: {error}"));
    let read = if path == Path::new("-") {
        saved::last(io::stdin().lock())
    } else {
        saved::last(File::open(path).map_err(|error| failed(format!("cannot read the file: {error}")))?)
    };
    let (incident, source) = read.map_err(|error| failed(error.to_string()))?;
    Ok(Occasion { incident, source: source.unwrap_or(shown) })
}
