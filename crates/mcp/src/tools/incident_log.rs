//! Where the incident tools read from: the kernel log of a host, or a log file.

use oomguard_fleet::job::{Job, Task};
use oomguard_incident::{Incident, LogError, Options};
use oomguard_report::Report;
use oomguard_spec::Builtin;

use crate::call::Call;
use crate::error::ToolError;

/// Passes each incident to `each`, oldest first, and returns a name for the source.
pub(super) fn read(
    call: &Call,
    host: Option<&str>,
    log: Option<&str>,
    mut each: impl FnMut(Incident),
) -> Result<String, ToolError> {
    if let Some(path) = log {
        if host.is_some() {
            return Err(ToolError::new("pass either `host` or `log`, not both"));
        }
        let file = call.config.folders.open(path)?;
        let options = Options { since: None, minutes: None };
        oomguard_incident::read_file::<LogError>(file, 1, &options, |incident| {
            each(incident);
            Ok(())
        })
        .map_err(|error| ToolError::new(format!("cannot read `{path}`: {error}")))?;
        return Ok(path.to_owned());
    }
    let host = call.config.hosts.select(host)?;
    let policy = call.config.hosts.policy(&host, None, None, Builtin::Workstation)?;
    let reply = call.ask(&host, &Job::new(Task::Incident { since: None, boot: None }, policy))?;
    let report = reply.report.and_then(Report::into_incident);
    let report = report.ok_or_else(|| ToolError::new("the host sent no report"))?;
    report.incidents.into_iter().for_each(each);
    Ok(format!("{} of {}", report.source, host.name()))
}
