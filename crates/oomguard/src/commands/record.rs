//! `oomguard record`: a session document of what was done and seen.

use std::fs::File;
use std::io;
use std::path::Path;

use oomguard_fleet::record::{self, Occasion, Origin, RecordError, Session};
use oomguard_host::Host;
use oomguard_incident::saved;

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
    let mut session =
        Session { title: args.title.clone(), now: host.now(), occasion: None, works: Vec::new() };
    let default = ["journal".to_owned()];
    let from = if args.from.is_empty() { &default[..] } else { &args.from };
    for text in from {
        match text.parse().map_err(|error| Failure::usage(format!("--from: {error}")))? {
            Origin::Journal(id) => {
                session.works.push(record::of_host(host, &super::host_name(host), id.as_deref())?);
            }
            Origin::Run(id) => {
                session.works.extend(record::of_run(&many::runs(args.runs.as_deref())?.open(&id)?));
            }
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
