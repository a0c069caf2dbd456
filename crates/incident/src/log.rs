//! A whole log to explained incidents, one at a time.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use crate::episode::Episode;
use crate::explain::{History, explain};
use crate::minutes::Minutes;
use crate::model::{Incident, Report, SCHEMA};
use crate::reader::Reader;
use crate::scan::Scanner;

/// Why a log was not read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// An I/O error.
    #[error("cannot read the log: {0}")]
    Read(#[from] io::Error),
    /// The search for words could not be built: a fault of this program.
    #[error("cannot prepare the search for OOM kills")]
    Search,
}

/// How a log is read.
#[derive(Clone, Debug, Default)]
pub struct Options<'a> {
    /// Only incidents that began at this time or later. Those of a log without dates are all reported.
    pub since: Option<Since>,
    /// What a recorder kept of the minutes before. It is for the last incident.
    pub minutes: Option<&'a Minutes>,
}

/// A point in time, in seconds since 1970, by the clock and zone of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Since(pub i64);

impl Since {
    /// Whether an episode is from then or later; a log that does not say is believed to be.
    fn admits(self, episode: &Episode) -> bool {
        let known = episode.end.wall.as_ref().filter(|wall| wall.has_year).and_then(|wall| wall.seconds);
        known.is_none_or(|seconds| seconds >= self.0)
    }
}

/// Reads a log as a stream; `each` gets the incidents in order, one at a time, so that a log of any size needs the
/// memory of one. The number of lost records, when the end is reached.
///
/// # Errors
/// Those of reading, and those of `each`.
pub fn read<E: From<LogError> + From<io::Error>>(
    log: impl Read,
    options: &Options<'_>,
    each: impl FnMut(Incident) -> Result<(), E>,
) -> Result<u64, E> {
    let mut explainer = Explainer { options, history: History::default(), kept: None, each };
    let mut scanner = Scanner::new().ok_or(LogError::Search)?;
    let mut reader = Reader::default();
    scanner.read(log, &mut reader, |reader| explainer.take(reader))?;
    explainer.finish()?;
    Ok(reader.lost())
}

/// The same for a file, scanned by several threads.
///
/// # Errors
/// Those of reading, and those of `each`.
pub fn read_file<E: From<LogError> + From<io::Error>>(
    mut file: File,
    threads: usize,
    options: &Options<'_>,
    each: impl FnMut(Incident) -> Result<(), E>,
) -> Result<u64, E> {
    let about = file.metadata()?;
    // Only a regular file has a length, and a small one needs one thread.
    if !about.is_file() || about.len() < SMALL {
        return read(file, options, each);
    }
    let mut explainer = Explainer { options, history: History::default(), kept: None, each };
    let mut scanner = Scanner::new().ok_or(LogError::Search)?;
    let mut reader = Reader::default();
    let rest =
        scanner.read_file(&file, about.len(), threads, &mut reader, |reader| explainer.take(reader))?;
    // The last line, and what was written meanwhile.
    file.seek(SeekFrom::Start(rest))?;
    scanner.read(file, &mut reader, |reader| explainer.take(reader))?;
    explainer.finish()?;
    Ok(reader.lost())
}

/// A file smaller than this is read by one thread.
const SMALL: u64 = 4 * 1024 * 1024;

/// Explains episodes as they end.
struct Explainer<'a, F> {
    options: &'a Options<'a>,
    history: History,
    /// One is kept back, because the minutes before are of the last.
    kept: Option<Episode>,
    each: F,
}

impl<F> Explainer<'_, F> {
    fn take<E>(&mut self, reader: &mut Reader) -> Result<(), E>
    where
        F: FnMut(Incident) -> Result<(), E>,
    {
        for episode in reader.take_done() {
            if self.options.since.is_some_and(|since| !since.admits(&episode)) {
                continue;
            }
            if let Some(before) = self.kept.replace(episode) {
                (self.each)(explain(&before, &mut self.history, None))?;
            }
        }
        Ok(())
    }

    fn finish<E>(&mut self) -> Result<(), E>
    where
        F: FnMut(Incident) -> Result<(), E>,
    {
        match self.kept.take() {
            Some(last) => (self.each)(explain(&last, &mut self.history, self.options.minutes)),
            None => Ok(()),
        }
    }
}

/// Reads a log into one report, with all of its incidents.
///
/// # Errors
/// Those of reading.
pub fn read_all(log: impl Read, source: &str, options: &Options<'_>) -> Result<Report, LogError> {
    let mut incidents = Vec::new();
    let lost_records = read::<LogError>(log, options, |incident| {
        incidents.push(incident);
        Ok(())
    })?;
    Ok(Report { schema: SCHEMA.to_owned(), source: source.to_owned(), lost_records, incidents })
}
