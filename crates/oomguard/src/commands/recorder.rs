//! `oomguard recorder`: the minutes before an incident.

use std::path::Path;
use std::time::Duration;

use jiff::SignedDuration;
use oomguard_agent::recorder::{self, Opened, PATH, Recorder};
use oomguard_converge::layout;
use oomguard_host::Host;
use oomguard_host::wait::Bell;

use crate::args::{self, TableFormat};
use crate::failure::{Failure, code};
use crate::output::recorder::{Report, table};
use crate::output::{Terminal, counted};

pub fn run(command: &args::Recorder, host: &Host, terminal: &mut Terminal) -> Result<u8, Failure> {
    match command {
        args::Recorder::Show { since, file, format } => {
            show(host, since.as_deref(), file.as_deref(), *format, terminal)
        }
        args::Recorder::Run { length, file } => {
            record(super::live(host)?, length.as_deref(), file.as_deref(), terminal)
        }
    }
}

fn show(
    host: &Host,
    since: Option<&str>,
    file: Option<&Path>,
    format: TableFormat,
    terminal: &mut Terminal,
) -> Result<u8, Failure> {
    let since = since.map(|text| crate::since::parse(text, host.now_ms())).transpose()?;
    let bytes = match file {
        Some(path) => std::fs::read(path)
            .map_err(|error| Failure::error(format!("cannot read {}: {error}", path.display())))?,
        None => host.read(PATH).map_err(|error| match error.is_not_found() {
            true => Failure::error(format!("nothing was recorded: there is no {PATH}"))
                .hint("`oomguard recorder run` records without the agent"),
            false => Failure::error(error),
        })?,
    };
    let mut recording = recorder::read(&bytes);
    if let (true, Some(why)) = (recording.is_empty(), &recording.damaged) {
        let path = file.map_or(PATH.into(), |path| path.display().to_string());
        return Err(Failure::error(format!("{path} is no recording: {why}")));
    }
    if let Some(since) = since {
        recording = recording.since(since.saturating_mul(1000));
    }
    let text = match format {
        TableFormat::Json => Report::new(recording).to_json(),
        TableFormat::Table => table(&recording, terminal),
    };
    terminal.print(&text)?;
    Ok(code::AS_IT_SHOULD_BE)
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
        terminal.note(&format!("{path} was another file ({why}); it is now {to}\n"));
    }
    let never = Bell::new().map_err(Failure::error)?;
    // The next record is tried all the same; the last reason is said at the end.
    let mut last = None;
    let mut told = |told: recorder::Told<'_>| {
        if let recorder::Told::Failed(error) = told {
            last = Some(error.to_string());
        }
    };
    let ran = recorder::run(host, &mut recorder, length, &never, &mut told).map_err(Failure::error)?;
    terminal.print(&format!("{path}: {}\n", counted(usize::try_from(ran.records).unwrap_or(0), "record")))?;
    if let Some(last) = last {
        return Err(Failure::error(format!(
            "{} records could not be taken; the last one: {last}",
            ran.failed
        )));
    }
    Ok(code::AS_IT_SHOULD_BE)
}

fn absolute(path: &Path) -> Result<String, Failure> {
    let path = std::path::absolute(path).map_err(|error| Failure::error(format!("--file: {error}")))?;
    path.to_str().map(str::to_owned).ok_or_else(|| Failure::usage("--file: the path is no UTF-8"))
}

pub fn duration(text: &str) -> Result<Duration, Failure> {
    let parsed = text.parse::<SignedDuration>().ok().and_then(|length| Duration::try_from(length).ok());
    parsed.filter(|length| !length.is_zero()).ok_or_else(|| {
        Failure::usage(format!("--for: `{text}` is no length of time"))
            .hint("write for example 90s, 10m or 2h")
    })
}
