//! `record_session`: what was done and seen, as a document in a folder of this server.

use oomguard_fleet::job::NamedPolicy;
use oomguard_fleet::record::{self, Occasion, Origin, Session};
use oomguard_incident::saved;
use oomguard_spec::policy::Policy;
use sha2::{Digest, Sha256};

use crate::Shared;
use crate::act::{given, planned};
use crate::arguments::Record;
use crate::grant::Kind;
use crate::hosts::Chosen;
use crate::look::Given;
use crate::safe::text;
use crate::tools::Act;

impl Shared {
    pub(crate) fn record_session(&self, asked: Record) -> Given {
        match (&asked.plan_id, &asked.digest) {
            (Some(id), Some(digest)) => self.write_record(id, digest),
            (None, None) => self.plan_record(&asked),
            _ => Err("give plan_id and digest together; without both, a record is only shown".to_owned()),
        }
    }

    fn plan_record(&self, asked: &Record) -> Given {
        self.folders.0.first().ok_or(
            "this server has no folder to write into; a person gives one at start, with `--folder DIR`",
        )?;
        let session = self.session(asked)?;
        let document = session.document().map_err(|error| text(&error.to_string()))?;
        let file = session.file_name();
        let digest: String = Sha256::digest(&document).iter().map(|byte| format!("{byte:02x}")).collect();
        let policy = NamedPolicy { name: format!("the record {file}"), policy: Policy::default() };
        let steps: Vec<String> = document.lines().map(str::to_owned).collect();
        let kind = Kind::Record { file: file.clone(), document };
        let ready = self.keep(&Chosen::Local, kind, policy, digest, steps.clone())?;
        Ok(planned(&Chosen::Local, format!("write {file}"), steps, &ready))
    }

    fn write_record(&self, id: &str, digest: &str) -> Given {
        let (host, plan) = self.granted(id, digest, "record_session")?;
        let Kind::Record { file, document } = plan.kind else { return Err("it is no record".to_owned()) };
        let folder = self.folders.0.first().ok_or("this server has no folder to write into any more")?;
        let path = folder.join(&file);
        record::save(&path, &document).map_err(|error| text(&error.to_string()))?;
        let message = format!("Written: {}.", text(&path.display().to_string()));
        Ok(given(&host, &Act { done: true, message, ..Act::default() }, None))
    }

    fn session(&self, asked: &Record) -> Result<Session, String> {
        let title = asked.title.clone().ok_or("give a title for the record, in a few words")?;
        let mut session =
            Session { title, now: (self.now)(), occasion: None, works: Vec::new(), trials: Vec::new() };
        let default = ["journal".to_owned()];
        let from = if asked.from.is_empty() { &default[..] } else { asked.from.as_slice() };
        for one in from.iter().take(20) {
            let failed = |error: String| text(&format!("from {one}: {error}"));
            match one.parse().map_err(|error: record::BadOrigin| failed(error.to_string()))? {
                Origin::Journal(id) => {
                    let work = record::of_host(&self.host, &self.host_name(), id.as_deref());
                    session.works.push(work.map_err(|error| failed(error.to_string()))?);
                }
                Origin::Run(id) => {
                    let run = self.runs.open(&id).map_err(|error| failed(error.to_string()))?;
                    session.works.extend(record::of_run(&run));
                }
                Origin::Incident(_) => {
                    let file = self.folders.open(one).map_err(|error| failed(error.to_string()))?;
                    let (incident, source) = saved::last(file).map_err(|error| failed(error.to_string()))?;
                    let source = source.unwrap_or_else(|| one.clone());
                    if session.occasion.replace(Occasion { incident, source }).is_some() {
                        return Err("a session has one incident, and two were given".to_owned());
                    }
                }
            }
        }
        Ok(session)
    }

    fn host_name(&self) -> String {
        let name = self.host.read("/proc/sys/kernel/hostname").or_else(|_| self.host.read("/etc/hostname"));
        let name = text(String::from_utf8_lossy(&name.unwrap_or_default()).trim());
        if name.is_empty() { "this host".to_owned() } else { name }
    }
}
