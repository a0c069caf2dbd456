//! An incident from a saved file: a log, or a JSON report.

use std::io::{self, BufRead, BufReader, Read};

use crate::log::{LogError, Options, read};
use crate::model::{Incident, Report, SCHEMA};

/// The maximum size of a report.
const MAX_REPORT_BYTES: u64 = 64 << 20;
/// The schema name must be within this many bytes of the start.
const HEAD: usize = 256;

/// Why there is no incident.
#[derive(Debug, thiserror::Error)]
pub enum SavedError {
    /// It cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The system says so.
    #[error("cannot read it: {0}")]
    Read(#[from] io::Error),
    /// A malformed report, or one of another version.
    #[error("it is not a report with schema {SCHEMA}: {0}")]
    Report(String),
    /// There was no OOM kill.
    #[error("it contains no OOM kill")]
    None,
}

/// The last incident of a log in any form, or of a report as `oomguard incident --format json` prints it; with the name of the log
/// where a report says one.
///
/// # Errors
/// When it cannot be read, or when there is no incident in it.
pub fn last(from: impl Read) -> Result<(Incident, Option<String>), SavedError> {
    let mut from = BufReader::new(from);
    let head = from.fill_buf()?;
    let head = head.get(..HEAD).unwrap_or(head);
    let is_report = head.trim_ascii_start().starts_with(b"{")
        && head.windows(b"oomguard.incident/".len()).any(|part| part == b"oomguard.incident/");
    if is_report {
        let report: Report = serde_json::from_reader(from.take(MAX_REPORT_BYTES))
            .map_err(|error| SavedError::Report(error.to_string()))?;
        if report.schema != SCHEMA {
            return Err(SavedError::Report("another version".to_owned()));
        }
        let incident = report.incidents.into_iter().next_back().ok_or(SavedError::None)?;
        return Ok((incident, Some(report.source)));
    }
    let mut last = None;
    read::<LogError>(from, &Options::default(), |incident| {
        last = Some(incident);
        Ok(())
    })?;
    Ok((last.ok_or(SavedError::None)?, None))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::read_all;

    const LOG: &str = include_str!("../tests/data/6.1-global-swap.iso.log");

    #[test]
    fn a_report_gives_the_incident_of_its_log() {
        let (of_log, none) = last(LOG.as_bytes()).unwrap();
        assert_eq!(none, None);
        let report = read_all(LOG.as_bytes(), "kern.log", &Options::default()).unwrap();
        let json = serde_json::to_string_pretty(&report).unwrap();
        let (of_report, source) = last(json.as_bytes()).unwrap();
        assert_eq!(source.as_deref(), Some("kern.log"));
        assert_eq!(serde_json::to_value(&of_report).unwrap(), serde_json::to_value(&of_log).unwrap());
        assert!(matches!(last(&json.as_bytes()[..json.len() / 2]), Err(SavedError::Report(_))));
        assert!(matches!(
            last(json.replace("incident/1", "incident/9").as_bytes()),
            Err(SavedError::Report(_))
        ));
        assert!(matches!(last(&b"nothing\n"[..]), Err(SavedError::None)));
    }
}
