//! `oomguard recorder`: memory use in the minutes before an incident.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand, ValueHint};
use jiff::SignedDuration;
use oomguard_agent::recorder::{self, Opened, PATH, Recorder};
use oomguard_converge::layout;
use oomguard_host::Host;
use oomguard_host::wait::Bell;

use crate::args::{Format, HUMAN_JSON, RootArgs, formats};
use crate::failure::{Failure, code};
use crate::output::recorder::{Report, table};
use crate::output::{Terminal, counted};

/// Show or record memory use over the last minutes
///
/// The agent records all the time; `run` records without it.
#[derive(Debug, Subcommand)]
pub enum RecorderCommand {
    Show(Show),
    Run(Run),
}

/// Show memory, swap, pressure and the largest processes over time
///
/// Works while something records, and after a crash.
#[derive(Debug, Args)]
pub struct Show {
    /// Only records since a time (2026-01-23T14:00Z) or age (15m, 2h, 7d)
    ///
    /// A time without a zone is in UTC.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Read this file instead of the host's
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: Option<PathBuf>,
    /// Output format
    #[arg(long, default_value = "human", value_parser = formats(HUMAN_JSON))]
    format: Format,
    #[command(flatten)]
    root: RootArgs,
}

/// Record without the agent, for example during a load test
///
/// Records until it is interrupted, or for a given time. Needs root.
#[derive(Debug, Args)]
pub struct Run {
    /// Stop after this time: 90s, 10m, 2h
    #[arg(long = "for", value_name = "DURATION")]
    length: Option<String>,
    /// Record to this file instead of the host's
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: Option<PathBuf>,
}

impl RecorderCommand {
    pub fn run(&self, terminal: &mut Terminal) -> Result<u8, Failure> {
        match self {
            Self::Show(args) => show(args, &args.root.host()?, terminal),
            Self::Run(args) => record(&Host::live(), args.length.as_deref(), args.file.as_deref(), terminal),
        }
    }
}

fn show(args: &Show, host: &Host, terminal: &mut Terminal) -> Result<u8, Failure> {
    let file = args.file.as_deref();
    let since = args.since.as_deref().map(|text| crate::since::parse(text, host.now_ms())).transpose()?;
    let bytes = match file {
        Some(path) => std::fs::read(path)
            .map_err(|error| Failure::error(format!("cannot read {}: {error}", path.display())))?,
        None => host.read(PATH).map_err(|error| match error.is_not_found() {
            true => Failure::error(format!("no recording: {PATH} does not exist"))
                .hint("`oomguard recorder run` records without the agent"),
            false => Failure::error(error),
        })?,
    };
    let mut recording = recorder::read(&bytes);
    if let (true, Some(why)) = (recording.is_empty(), &recording.damaged) {
        let path = file.map_or(PATH.into(), |path| path.display().to_string());
        return Err(Failure::error(format!("{path} is not a recording: {why}")));
    }
    if let Some(since) = since {
        recording = recording.since(since.saturating_mul(1000));
    }
    let text = match args.format {
        Format::Json => Report::new(recording).to_json(),
        _ => table(&recording, terminal),
    };
    terminal.print(&text)?;
    Ok(code::SUCCESS)
}

fn record(
    host: &Host,
    length: Option<&str>,
    file: Option<&Path>,
    terminal: &mut Terminal,
) -> Result<u8, Failure> {
    let length = length.map(duration).transpose()?;
    let path = match file {
        None => {
            host.create_dirs(layout::STATE_DIR)?;
            PATH.to_owned()
        }
        Some(path) => absolute(path)?,
    };
    let boot = host.read("/proc/sys/kernel/random/boot_id")?;
    let (mut recorder, opened) =
        Recorder::open(host, &path, &String::from_utf8_lossy(&boot)).map_err(Failure::error)?;
    if let Opened::SetAside { to, why } = opened {
        terminal.note(&format!("{path} was not a usable recording ({why}); renamed to {to}\n"));
    }
    let never = Bell::new().map_err(Failure::error)?;
    // A failed record does not stop the recording; the last reason is printed at the end.
    let mut last = None;
    let mut told = |told: recorder::Told<'_>| {
        if let recorder::Told::Failed(error) = told {
            last = Some(error.to_string());
        }
    };
    let ran = recorder::run(host, &mut recorder, length, &never, &mut told).map_err(Failure::error)?;
    terminal.print(&format!("{path}: {}\n", counted(usize::try_from(ran.records).unwrap_or(0), "record")))?;
    if let Some(last) = last {
        return Err(Failure::error(format!("{} records failed; the last one: {last}", ran.failed)));
    }
    Ok(code::SUCCESS)
}

fn absolute(path: &Path) -> Result<String, Failure> {
    let path = std::path::absolute(path).map_err(|error| Failure::error(format!("--file: {error}")))?;
    path.to_str().map(str::to_owned).ok_or_else(|| Failure::usage("--file: the path is not valid UTF-8"))
}

pub fn duration(text: &str) -> Result<Duration, Failure> {
    let parsed = text.parse::<SignedDuration>().ok().and_then(|length| Duration::try_from(length).ok());
    parsed.filter(|length| !length.is_zero()).ok_or_else(|| {
        Failure::usage(format!("--for: `{text}` is not a duration"))
            .hint("write a duration such as 90s, 10m or 2h")
    })
}
