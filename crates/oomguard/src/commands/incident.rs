//! `oomguard incident`: explains OOM kills.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use oomguard_agent::recorder;
#[cfg(feature = "fleet")]
use oomguard_fleet::job::Task;
use oomguard_host::Host;
use oomguard_incident::render::{cspec, html, markdown, text};
use oomguard_incident::{Incident as Explained, LogError, Minutes, Options, SCHEMA, Since, read, read_file};
#[cfg(feature = "fleet")]
use oomguard_report::IncidentReport;

#[cfg(feature = "fleet")]
use super::fleet_run::{self, Order};
#[cfg(feature = "fleet")]
use crate::args::{FleetArgs, PolicyArgs};
use crate::args::{Format, formats};
use crate::failure::{Failure, code};
use crate::output::{Terminal, minutes};

/// Programs besides the kernel whose journal entries explain an OOM kill.
const PROGRAMS: [&str; 6] = ["systemd", "systemd-logind", "systemd-oomd", "earlyoom", "nohang", "kubelet"];

impl From<LogError> for Failure {
    fn from(error: LogError) -> Self {
        Self::error(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::error(format!("cannot read the log: {error}"))
    }
}

const FORMATS: &[Format] = &[Format::Human, Format::Json, Format::Html, Format::Markdown, Format::Cspec];

/// Explain OOM kills from a kernel log
///
/// Shows which processes were killed and what ended with them, what used the memory, which limit was reached, the cause
/// with the log lines that prove it, and what to change. Reads logs in any common form (syslog, dmesg, journalctl,
/// /dev/kmsg, e-mail).
#[derive(Debug, Args)]
pub struct Incident {
    /// Log file; `-` is standard input [default: the journal, or /dev/kmsg]
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: Option<PathBuf>,
    /// Only incidents since a time (2026-01-23T14:00Z) or age (15m, 2h, 7d)
    ///
    /// A time without a zone is in UTC for the journal, and in the log's own zone for a file.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    since: Option<String>,
    /// Only this boot of the journal: 0 is the current one, -1 the previous
    #[arg(long, value_name = "N", allow_hyphen_values = true, conflicts_with = "file")]
    boot: Option<i32>,
    /// Recorder file with the minutes before the last incident
    ///
    /// Default for the journal: the host's own recorder file.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    recorder: Option<PathBuf>,
    /// Output format; json has all incidents, the others the last one
    #[arg(long, default_value = "human", value_parser = formats(FORMATS))]
    format: Format,
    #[cfg(feature = "fleet")]
    #[command(flatten)]
    fleet: FleetArgs,
}

impl Incident {
    pub fn run(&self, terminal: &mut Terminal) -> Result<u8, Failure> {
        run(self, &Host::live(), terminal)
    }
}

fn run(args: &Incident, host: &Host, terminal: &mut Terminal) -> Result<u8, Failure> {
    #[cfg(feature = "fleet")]
    if fleet_run::asked(&args.fleet)? {
        let is_known = matches!(args.format, Format::Human | Format::Json);
        if !is_known || args.file.is_some() || args.recorder.is_some() {
            return Err(fleet_run::only_here(
                "a log file, --recorder, or a format other than human and json",
            ));
        }
        let task = Task::Incident { since: args.since.clone(), boot: args.boot };
        let order = Order {
            task,
            fleet: &args.fleet,
            policy: &PolicyArgs::default(),
            waves: None,
            yes: true,
            json: args.format == Format::Json,
        };
        return fleet_run::run(&order, host, terminal);
    }

    let since = args.since.as_deref().map(|text| since(text, host)).transpose()?;
    let minutes = match (&args.recorder, &args.file) {
        (Some(path), _) => {
            let failed = |error| Failure::error(format!("cannot read {}: {error}", path.display()));
            recorded(&std::fs::read(path).map_err(failed)?, args.boot, host)
        }
        (None, None) => own_minutes(args.boot, host),
        (None, Some(_)) => None,
    };
    let options = Options { since, minutes: minutes.as_ref() };
    let mut to = Printer { format: args.format, options, terminal };
    match &args.file {
        Some(path) if path == Path::new("-") => to.take("-", Log::Stream(io::stdin().lock()))?,
        Some(path) => {
            let shown = path.display().to_string();
            let failed = |error| Failure::error(format!("cannot read {shown}: {error}"));
            let file = File::open(path).map_err(failed)?;
            if file.metadata().map_err(failed)?.is_dir() {
                return Err(Failure::usage(format!(
                    "{shown} is a directory; give a log file, or `-` for standard input"
                )));
            }
            to.take(&shown, Log::<io::Empty>::File(file))?;
        }
        None => machine(args.boot, since, host, &mut to)?,
    }
    Ok(code::SUCCESS)
}

/// All incidents in this machine's log, as `oomguard incident --format json` has them.
#[cfg(feature = "fleet")]
pub fn report(since: Option<&str>, boot: Option<i32>, host: &Host) -> Result<IncidentReport, Failure> {
    let since = since.map(|text| self::since(text, host)).transpose()?;
    let minutes = own_minutes(boot, host);
    let options = Options { since, minutes: minutes.as_ref() };
    let report = IncidentReport {
        schema: SCHEMA.to_owned(),
        source: String::new(),
        lost_records: 0,
        incidents: Vec::new(),
    };
    let mut to = Collector { options, report };
    machine(boot, since, host, &mut to)?;
    Ok(to.report)
}

/// The minutes before the last kill, from this machine's recorder file.
fn own_minutes(boot: Option<i32>, host: &Host) -> Option<Minutes> {
    if !matches!(boot, None | Some(0)) {
        return None;
    }
    // Only root may read it, and the report is complete without it.
    recorded(&host.read(recorder::PATH).unwrap_or_default(), boot, host)
}

fn recorded(bytes: &[u8], boot: Option<i32>, host: &Host) -> Option<Minutes> {
    let mut recording = recorder::read(bytes);
    if boot == Some(0) {
        let id = host.read("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        recording.boots.retain(|boot| boot.id.as_bytes() == id.trim_ascii());
    }
    recording.before_last_kill().map(minutes::of)
}

fn since(text: &str, host: &Host) -> Result<Since, Failure> {
    let ms = crate::since::parse(text, host.now_ms())?;
    Ok(Since(i64::try_from(ms / 1000).unwrap_or(i64::MAX)))
}

/// This machine: its journal, or the kernel's own log where there is none.
fn machine(
    boot: Option<i32>,
    since: Option<Since>,
    host: &Host,
    to: &mut impl TakesLog,
) -> Result<(), Failure> {
    let host = super::live(host)?;
    let mut words = vec!["-o".to_owned(), "json".to_owned(), "--no-pager".to_owned(), "--quiet".to_owned()];
    words.push(
        "--output-fields=MESSAGE,_TRANSPORT,SYSLOG_IDENTIFIER,_BOOT_ID,_SOURCE_MONOTONIC_TIMESTAMP"
            .to_owned(),
    );
    words.extend(boot.map(|boot| format!("--boot={boot}")));
    words.extend(since.map(|Since(seconds)| format!("--since=@{seconds}")));
    words.push("_TRANSPORT=kernel".to_owned());
    for program in PROGRAMS {
        words.extend(["+".to_owned(), format!("SYSLOG_IDENTIFIER={program}")]);
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let failed = match host.stream("journalctl", &words) {
        Ok(mut journal) => {
            // Read before anything is printed, so that a missing journal can fall back to /dev/kmsg.
            let mut first = [0; 4096];
            let count = journal.read(&mut first)?;
            if count > 0 {
                let all = first.get(..count).unwrap_or_default().chain(&mut journal);
                to.take("journal", Log::Stream(all))?;
                return Ok(journal.finish()?);
            }
            match journal.finish() {
                Ok(()) => return to.take("journal", Log::Stream(io::empty())),
                Err(error) => error,
            }
        }
        Err(error) => error,
    };
    if boot.is_some() {
        return Err(Failure::error(format!("--boot needs the systemd journal: {failed}")));
    }
    to.take("/dev/kmsg", Log::Stream(host.kernel_log()?))
}

/// Where a log comes from.
enum Log<R> {
    /// A file, which several threads can scan.
    File(File),
    /// Anything else.
    Stream(R),
}

impl<R: Read> Log<R> {
    fn read(
        self,
        options: &Options<'_>,
        each: impl FnMut(Explained) -> Result<(), Failure>,
    ) -> Result<u64, Failure> {
        match self {
            Self::Stream(log) => read(log, options, each),
            Self::File(file) => {
                let threads = std::thread::available_parallelism().map_or(1, |count| count.get().min(8));
                read_file(file, threads, options, each)
            }
        }
    }
}

/// What becomes of a log once it is open.
trait TakesLog {
    fn take(&mut self, source: &str, log: Log<impl Read>) -> Result<(), Failure>;
}

/// Puts all incidents into a report.
#[cfg(feature = "fleet")]
struct Collector<'a> {
    options: Options<'a>,
    report: IncidentReport,
}

#[cfg(feature = "fleet")]
impl TakesLog for Collector<'_> {
    fn take(&mut self, source: &str, log: Log<impl Read>) -> Result<(), Failure> {
        self.report.source = source.to_owned();
        let incidents = &mut self.report.incidents;
        self.report.lost_records = log.read(&self.options, |incident| {
            incidents.push(incident);
            Ok(())
        })?;
        Ok(())
    }
}

/// Prints a report: all incidents as JSON, or the last one in another format.
struct Printer<'a, 't> {
    format: Format,
    options: Options<'a>,
    terminal: &'t mut Terminal,
}

impl TakesLog for Printer<'_, '_> {
    fn take(&mut self, source: &str, log: Log<impl Read>) -> Result<(), Failure> {
        let (options, terminal) = (&self.options, &mut *self.terminal);
        if self.format == Format::Json {
            return json(source, options, log, terminal);
        }
        let mut last = None;
        let lost = log.read(options, |incident| {
            last = Some(incident);
            Ok(())
        })?;
        let Some(incident) = last else {
            if self.format == Format::Human {
                return terminal.print(&format!("no OOM kill in {source}\n"));
            }
            return Err(Failure::error(format!("no OOM kill in {source}")));
        };
        terminal.print(&match self.format {
            Format::Markdown => markdown::markdown(&incident, source, lost),
            Format::Html => html::html(&incident, source, lost, options.minutes),
            Format::Cspec => cspec::cspec(&incident, source),
            _ => text::fitted(&incident, source, lost, terminal.width()),
        })
    }
}

/// Printed one by one as they are read, so that memory does not grow with the log.
fn json(
    source: &str,
    options: &Options<'_>,
    log: Log<impl Read>,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let text = |value: &str| serde_json::Value::from(value).to_string();
    terminal.print(&format!(
        "{{\n  \"schema\": {},\n  \"source\": {},\n  \"incidents\": [",
        text(SCHEMA),
        text(source)
    ))?;
    let mut first = true;
    // Both buffers are reused: a log may have thousands of incidents.
    let (mut bytes, mut shown) = (Vec::new(), String::new());
    let lost = log.read(options, |incident| {
        bytes.clear();
        shown.clear();
        let written = serde_json::to_writer_pretty(&mut bytes, &incident);
        written.map_err(|error| Failure::error(format!("cannot write the output: {error}")))?;
        shown.push_str(if first { "" } else { "," });
        for line in String::from_utf8_lossy(&bytes).lines() {
            shown.push_str("\n    ");
            shown.push_str(line);
        }
        terminal.print(&shown)?;
        first = false;
        Ok(())
    })?;
    let end = if first { "" } else { "\n  " };
    terminal.print(&format!("{end}],\n  \"lost_records\": {lost}\n}}\n"))
}
