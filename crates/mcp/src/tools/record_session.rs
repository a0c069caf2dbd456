use oomguard_fleet::job::NamedPolicy;
use oomguard_incident::saved;
use oomguard_report::record::{self, Occasion, Origin, Session};
use oomguard_spec::policy::Policy;
use schemars::JsonSchema;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::Tool;
use super::change::{self, ChangeResult, Output};
use crate::Config;
use crate::approval::PlanKind;
use crate::call::Call;
use crate::error::ToolError;
use crate::fit::{List, escaped};
use crate::hosts::SelectedHost;

/// The most sources of one document.
const MAX_SOURCES: usize = 20;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordSession {
    /// First call: the title of the document, in a few words.
    title: Option<String>,
    /// First call: the sources. Each is `history` (the last apply on the machine of this server; the default), the id of one of
    /// its applies, the id of a fleet run, or the path of a kernel log in an allowed folder.
    #[serde(default)]
    #[schemars(length(max = 20))]
    from: Vec<String>,
    /// Second call: the plan_id of the first.
    plan_id: Option<String>,
    /// Second call: the digest of the first.
    digest: Option<String>,
}

impl Tool for RecordSession {
    const NAME: &'static str = "record_session";
    const TITLE: &'static str = "Write a session document";
    const DESCRIPTION: &'static str = "Writes a session document: the hosts, the changes made, the results of the checks and the next steps, taken from the \
         history, from fleet runs or from a kernel log. Writes one new file to the first allowed folder and never overwrites one; \
         changes no host. Takes two calls. The first, with title and from, writes nothing and returns the document, a plan_id, a \
         digest and an approve_command. Ask the person to run approve_command in a shell, then call again with only plan_id and \
         digest.";
    const CHANGES: bool = true;
    const LIST: List = change::STEPS;
    type Output = Output;

    fn run(mut self, call: &Call) -> Result<Output, ToolError> {
        match change::second_call(self.plan_id.take(), self.digest.take())? {
            None => plan(call, &self),
            Some((plan_id, digest)) => write(call, &plan_id, &digest),
        }
    }
}

const NO_FOLDER: &str = "this server has no folder to write to; to add one, restart it with `--folder DIR`";

fn plan(call: &Call, arguments: &RecordSession) -> Result<Output, ToolError> {
    call.config.folders.0.first().ok_or_else(|| ToolError::new(NO_FOLDER))?;
    let session = session(&call.config, arguments)?;
    let document = session.document()?;
    let file = session.file_name();
    let digest: String = Sha256::digest(&document).iter().map(|byte| format!("{byte:02x}")).collect();
    let policy = NamedPolicy { name: format!("the document {file}"), policy: Policy::default() };
    let steps: Vec<String> = document.lines().map(str::to_owned).collect();
    let kind = PlanKind::Record { file: file.clone(), document };
    let pending = change::store(call, &SelectedHost::Local, kind, policy, digest, &steps)?;
    Ok(change::planned(&SelectedHost::Local, &format!("write {file}"), steps, pending))
}

fn write(call: &Call, plan_id: &str, digest: &str) -> Result<Output, ToolError> {
    let (host, plan) = change::take(call, plan_id, digest, RecordSession::NAME)?;
    let PlanKind::Record { file, document } = plan.kind else {
        return Err(ToolError::new("the plan is no session document"));
    };
    let folder = call.config.folders.0.first().ok_or_else(|| ToolError::new(NO_FOLDER))?;
    let path = folder.join(&file);
    record::save(&path, &document)?;
    let message = format!("Wrote {}.", path.display());
    let result = ChangeResult { done: true, message, ..ChangeResult::default() };
    Ok(Output { host: host.name(), result, pending: None })
}

fn session(config: &Config, arguments: &RecordSession) -> Result<Session, ToolError> {
    let title = arguments.title.clone();
    let title = title.ok_or_else(|| ToolError::new("pass a title for the document, in a few words"))?;
    let mut session =
        Session { title, now: (config.now)(), occasion: None, works: Vec::new(), trials: Vec::new() };
    let default = ["history".to_owned()];
    let sources = if arguments.from.is_empty() { &default[..] } else { arguments.from.as_slice() };
    if sources.len() > MAX_SOURCES {
        return Err(ToolError::new(format!("`from` takes at most {MAX_SOURCES} sources")));
    }
    for source in sources {
        add(&mut session, config, source)
            .map_err(|error| ToolError::new(format!("from {source}: {}", error.message())))?;
    }
    Ok(session)
}

fn add(session: &mut Session, config: &Config, source: &str) -> Result<(), ToolError> {
    match source.parse()? {
        Origin::Journal(id) => {
            session.works.push(record::of_host(&config.host, &host_name(config), id.as_deref())?);
        }
        Origin::Run(id) => session.works.extend(oomguard_fleet::record::of_run(&config.runs.open(&id)?)),
        Origin::Incident(_) => {
            let (incident, name) = saved::last(config.folders.open(source)?)?;
            let occasion = Occasion { incident, source: name.unwrap_or_else(|| source.to_owned()) };
            if session.occasion.replace(occasion).is_some() {
                return Err(ToolError::new("a document has at most one incident, and this is the second"));
            }
        }
    }
    Ok(())
}

fn host_name(config: &Config) -> String {
    let name = config.host.read("/proc/sys/kernel/hostname").or_else(|_| config.host.read("/etc/hostname"));
    let name = escaped(String::from_utf8_lossy(&name.unwrap_or_default()).trim());
    if name.is_empty() { "this host".to_owned() } else { name }
}
