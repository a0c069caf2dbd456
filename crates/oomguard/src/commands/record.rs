//! `oomguard record`: a session document of what was done and seen.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use oomguard_host::Host;
use oomguard_incident::saved;
use oomguard_report::record::{self, Occasion, Origin, RecordError, Session, Trial};

use super::many;
use crate::args::Record;
use crate::failure::{Failure, code};
use crate::output::Terminal;

impl From<RecordError> for Failure {
    fn from(error: RecordError) -> Self {
        match error {
            RecordError::Title(_) | RecordError::Nothing => Self::usage(error),
            RecordError::Journal(error) => error.into(),
            RecordError::NothingApplied => Self::error(error)
                .hint("give a run or an incident with --from; `oomguard fleet runs` lists runs"),
            error => Self::error(error),
        }
    }
}

pub fn run(args: &Record, host: &Host, terminal: &mut Terminal) -> Result<u8, Failure> {
    let mut session = Session {
        title: args.title.clone(),
        now: host.now(),
        occasion: None,
        works: Vec::new(),
        trials: Vec::new(),
    };
    let default = ["journal".to_owned()];
    let from = if args.from.is_empty() { &default[..] } else { &args.from };
    for text in from {
        match text.parse().map_err(|error| Failure::usage(format!("--from: {error}")))? {
            Origin::Journal(id) => {
                session.works.push(record::of_host(host, &super::host_name(host), id.as_deref())?);
            }
            Origin::Run(id) => {
                session
                    .works
                    .extend(oomguard_fleet::record::of_run(&many::runs(args.runs.as_deref())?.open(&id)?));
            }
            Origin::Incident(path) if is_drill(&path) => session.trials.push(drill(&path)?),
            Origin::Incident(path) => {
                if session.occasion.replace(incident(&path)?).is_some() {
                    return Err(Failure::usage("--from: a session has one incident, and two were given"));
                }
            }
        }
    }
    let document = session.document()?;
    match &args.output {
        Some(path) => {
            record::save(path, &document)?;
            terminal.note(&format!("{}: the record of {}\n", path.display(), session.title));
        }
        None => terminal.print(&document)?,
    }
    Ok(code::AS_IT_SHOULD_BE)
}

/// Whether a file has the report of a drill: its first line says so. A log may be large, and is not read for this.
fn is_drill(path: &Path) -> bool {
    let mut beginning = Vec::new();
    let read = File::open(path).and_then(|file| file.take(200).read_to_end(&mut beginning));
    let schema = format!("\"{}\"", oomguard_drill::SCHEMA);
    path != Path::new("-") && read.is_ok() && String::from_utf8_lossy(&beginning).contains(&schema)
}

fn drill(path: &Path) -> Result<Trial, Failure> {
    let failed = |error: String| Failure::error(format!("--from {}: {error}", path.display()));
    let bytes = std::fs::read(path).map_err(|error| failed(format!("cannot read it: {error}")))?;
    let report: oomguard_drill::Report = serde_json::from_slice(&bytes)
        .map_err(|error| failed(format!("it is no whole report of a drill: {error}")))?;
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
        saved::last(File::open(path).map_err(|error| failed(format!("cannot read it: {error}")))?)
    };
    let (incident, source) = read.map_err(|error| failed(error.to_string()))?;
    Ok(Occasion { incident, source: source.unwrap_or(shown) })
}
