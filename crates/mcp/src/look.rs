//! Tools that look and change nothing.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use oomguard_fleet::contact::{Event, Reply};
use oomguard_fleet::host_name::HostName;
use oomguard_fleet::job::{Job, NamedPolicy, Task};
use oomguard_fleet::outcome::Outcome;
use oomguard_fleet::rollout::{Rollout, Watcher};
use oomguard_fleet::run::{Member, Run, SCHEMA};
use oomguard_fleet::ssh::Connection;
use oomguard_fleet::status::{latest, moment};
use oomguard_fleet::wave::Waves;
use oomguard_incident::{Incident, LogError, Options, runbook};
use oomguard_report::Report;
use oomguard_spec::{Builtin, Diagnostic, Document, Severity};
use serde_json::{Value, json};

use crate::Shared;
use crate::arguments::{Explain, Fleet, Incidents, Look, Rank, Runbook, Spec};
use crate::call::Tell;
use crate::hosts::Chosen;
use crate::safe::{DATA, Fit, Window, fit, text};
use crate::tools::{IncidentLine, PlanOf, RunbookLine, Said, Standing};

/// What a tool gives, or why it gives nothing.
pub type Given = Result<Value, String>;

/// So many hosts are looked at at a time.
const FORKS: usize = 20;

impl Shared {
    pub(crate) fn document(&self, path: Option<&str>) -> Result<Option<Document>, String> {
        let Some(path) = path else { return Ok(None) };
        match self.folders.document(path) {
            Ok(Ok(document)) => Ok(Some(document)),
            Ok(Err(rejected)) => Err(text(&rejected.render(oomguard_spec::Style::Plain))),
            Err(error) => Err(error.to_string()),
        }
    }

    fn chosen(&self, look: &Look) -> Result<(Chosen, NamedPolicy), String> {
        let host = self.hosts.choose(look.host.as_deref())?;
        let document = self.document(look.document.as_deref())?;
        let policy =
            self.hosts.policy(&host, look.role.as_deref(), document.as_ref(), Builtin::Workstation)?;
        Ok((host, policy))
    }

    /// Asks a host, and gives what came back when all went well.
    pub(crate) async fn ask(&self, host: &Chosen, job: &Job, tell: &Tell) -> Result<Reply, String> {
        let (reply, failure) = self.hosts.ask(host, job, Connection::Single, tell.as_ref()).await;
        match failure {
            None => Ok(reply),
            Some(failure) => Err(crate::act::words(&host.name(), &failure)),
        }
    }

    pub(crate) async fn check_host(&self, look: Look, tell: &Tell) -> Given {
        let (host, policy) = self.chosen(&look)?;
        let reply = self.ask(&host, &Job::new(Task::Check, policy), tell).await?;
        let report = reply.report.and_then(Report::into_check).ok_or("the host sent no report")?;
        Ok(with_host(&host, "report", fit(json!(report), "/findings", look.window())))
    }

    pub(crate) async fn host_status(&self, look: Look, tell: &Tell) -> Given {
        let (host, policy) = self.chosen(&look)?;
        let reply = self.ask(&host, &Job::new(Task::Status, policy), tell).await?;
        let status = reply.status.ok_or("the host sent no status")?;
        Ok(with_host(&host, "report", fit(json!(status), "/processes", look.window())))
    }

    pub(crate) async fn plan_host(&self, look: Look, tell: &Tell) -> Given {
        let (host, policy) = self.chosen(&look)?;
        let reply = self.ask(&host, &Job::new(Task::Plan, policy.clone()), tell).await?;
        let found = reply.plan.ok_or("the host sent no plan")?;
        let mut plan = PlanOf {
            digest: found.plan.digest,
            changes: found.plan.changes,
            steps: found.plan.steps,
            notes: found.plan.notes,
            refusals: found.refusals,
        };
        if let Some(id) = &found.unfinished {
            plan.notes.push(format!("the apply {id} was interrupted; applying finishes it"));
        }
        let value = serde_json::to_value(&plan).map_err(|e| e.to_string())?;
        let mut given = with_host(&host, "plan", fit(value, "/changes", look.window()));
        let something = found.changes > 0 || found.unfinished.is_some();
        if self.allow_write && plan.refusals.is_empty() && something {
            let ready = self.keep(&host, crate::grant::Kind::Apply, policy, plan.digest, plan.steps)?;
            given["ready"] = serde_json::to_value(ready).map_err(|e| e.to_string())?;
        }
        Ok(given)
    }

    pub(crate) async fn rank_victims(&self, rank: Rank, tell: &Tell) -> Given {
        let as_policy = rank.role.is_some() || rank.document.is_some();
        let window = rank.window();
        let look = Look {
            host: rank.host,
            role: rank.role,
            document: rank.document,
            offset: rank.offset,
            limit: rank.limit,
        };
        let (host, policy) = self.chosen(&look)?;
        let task = Task::Rank { add: rank.add.into_iter().take(20).collect(), as_policy };
        let reply = self.ask(&host, &Job::new(task, policy), tell).await?;
        let report = reply.report.and_then(Report::into_rank).ok_or("the host sent no report")?;
        Ok(with_host(&host, "report", fit(json!(report), "/order", window)))
    }

    pub(crate) fn fleet_status(&self, fleet: &Fleet) -> Given {
        if fleet.refresh {
            self.refresh()?;
        }
        let known = latest(&self.runs).map_err(|error| error.to_string())?;
        let inventory = &self.hosts.inventory;
        let mut standings: Vec<Standing> = known
            .iter()
            .filter(|one| inventory.iter().any(|target| target.name == one.outcome.target.name))
            .map(|one| Standing {
                host: one.outcome.target.name.as_str().to_owned(),
                state: one.outcome.state.word().to_owned(),
                summary: one.outcome.summary.clone(),
                policy: Some(one.policy.clone()),
                seen: moment(one.seen),
                findings: one.outcome.findings.iter().filter(|finding| finding.severity.differs()).count(),
            })
            .collect();
        for target in inventory {
            if !standings.iter().any(|one| one.host == target.name.as_str()) {
                standings.push(Standing {
                    host: target.name.as_str().to_owned(),
                    state: "never looked at".to_owned(),
                    summary: "call again with refresh to look at it".to_owned(),
                    policy: None,
                    seen: moment(None),
                    findings: 0,
                });
            }
        }
        Ok(with(vec![], "hosts", standings, fleet.window()))
    }

    fn refresh(&self) -> Result<(), String> {
        let mut run = Run {
            schema: SCHEMA.to_owned(),
            id: String::new(),
            task: Task::Check,
            started: 0,
            waves: Waves::default().to_string(),
            max_failures: 0,
            root: self.hosts.means.root,
            hosts: Vec::new(),
            policies: std::collections::BTreeMap::new(),
        };
        for target in &self.hosts.inventory {
            let host = Chosen::Other(Box::new(target.clone()));
            let policy = self.hosts.policy(&host, None, None, Builtin::Workstation)?;
            run.hosts.push(Member { target: target.clone(), policy: policy.name.clone() });
            run.policies.insert(policy.name.clone(), policy);
        }
        if run.hosts.is_empty() {
            return Err("this server has no inventory; a person gives one at start, with `--inventory FILE`"
                .to_owned());
        }
        let now = (self.now)();
        let kept = self.runs.begin(run, now).map_err(|error| error.to_string())?;
        let stop = Arc::new(AtomicBool::new(false));
        let rollout = Rollout::sharing(Arc::clone(&self.hosts.means), FORKS, stop);
        let members = kept.run.hosts.clone();
        rollout.look(&kept, &members, &mut Quiet(now)).map_err(|error| error.to_string())?;
        Ok(())
    }

    /// The incidents of a log or host: each is shown to `each`, which keeps what is wanted; the source.
    async fn incidents(
        &self,
        host: Option<&str>,
        log: Option<&str>,
        tell: &Tell,
        mut each: impl FnMut(Incident) + Send,
    ) -> Result<String, String> {
        if let Some(path) = log {
            if host.is_some() {
                return Err("give `host` or `log`, not both".to_owned());
            }
            let file = self.folders.open(path).map_err(|error| error.to_string())?;
            let options = Options { since: None, minutes: None };
            let failed = |error: LogError| format!("cannot read the log: {error}");
            oomguard_incident::read_file::<LogError>(file, 1, &options, |incident| {
                each(incident);
                Ok(())
            })
            .map_err(failed)?;
            return Ok(text(path));
        }
        let host = self.hosts.choose(host)?;
        let policy = self.hosts.policy(&host, None, None, Builtin::Workstation)?;
        let reply =
            self.ask(&host, &Job::new(Task::Incident { since: None, boot: None }, policy), tell).await?;
        let report = reply.report.and_then(Report::into_incident).ok_or("the host sent no report")?;
        report.incidents.into_iter().for_each(each);
        Ok(format!("{} of {}", text(&report.source), host.name()))
    }

    pub(crate) async fn list_incidents(&self, list: Incidents, tell: &Tell) -> Given {
        let mut lines = Vec::new();
        let keep = |incident: Incident| {
            lines.push(IncidentLine {
                number: lines.len() + 1,
                kills: incident.kills.len() as u64 + incident.kills_left_out,
                start: incident.start,
                summary: incident.summary,
            });
        };
        let source = self.incidents(list.host.as_deref(), list.log.as_deref(), tell, keep).await?;
        Ok(with(vec![("source", json!(source))], "incidents", lines, list.window()))
    }

    pub(crate) async fn explain_incident(&self, explain: Explain, tell: &Tell) -> Given {
        let wanted = explain.number.map(|number| usize::try_from(number).unwrap_or(usize::MAX));
        let (mut found, mut count) = (None, 0);
        let keep = |incident: Incident| {
            count += 1;
            if wanted.is_none_or(|number| number == count) {
                found = Some((count, incident));
            }
        };
        let source = self.incidents(explain.host.as_deref(), explain.log.as_deref(), tell, keep).await?;
        let Some((number, incident)) = found else {
            return Err(match wanted {
                Some(number) => format!("there is no incident {number} in {source}: it has {count}"),
                None => format!("no OOM kill in {source}"),
            });
        };
        let mut given = whole("incident", fit(json!(incident), "/kills", explain.window()));
        given["source"] = json!(source);
        given["number"] = json!(number);
        Ok(given)
    }

    pub(crate) fn check_spec(&self, spec: &Spec) -> Given {
        let read = match (&spec.document, &spec.text) {
            (Some(path), None) => self.folders.document(path).map_err(|error| error.to_string())?,
            (None, Some(text)) => oomguard_spec::read("document", text.as_bytes()),
            _ => return Err("give `document` or `text`, one of them".to_owned()),
        };
        let (said, roles) = match read {
            Ok(document) => {
                let mut said = document.diagnostics().to_vec();
                said.extend(document.lint());
                (said, document.roles())
            }
            Err(rejected) => (rejected.diagnostics, Vec::new()),
        };
        let fine = !said.iter().any(|one| one.severity == Severity::Error);
        let said: Vec<Said> = said.iter().map(of_diagnostic).collect();
        let head = vec![
            ("fine", json!(fine)),
            ("roles", roles.iter().take(100).map(|role| json!(text(role))).collect()),
        ];
        Ok(with(head, "diagnostics", said, spec.window()))
    }
}

pub(crate) fn show_runbook(asked: &Runbook) -> Given {
    let line = |runbook: &runbook::Runbook| RunbookLine {
        name: runbook.name.to_owned(),
        title: runbook.title().to_owned(),
        alerts: runbook.alerts().map(str::to_owned).collect(),
    };
    let Some(name) = &asked.name else {
        return Ok(json!({"untrusted": DATA, "runbooks": runbook::ALL.iter().map(line).collect::<Vec<_>>()}));
    };
    let found = runbook::find(name).ok_or_else(|| {
        let all: Vec<&str> = runbook::ALL.iter().map(|runbook| runbook.name).collect();
        let name: String = text(name).chars().take(80).collect();
        format!("there is no runbook and no alert `{name}`; the runbooks are {}", all.join(", "))
    })?;
    Ok(json!({"untrusted": DATA, "runbooks": [line(found)], "text": found.text}))
}

fn of_diagnostic(one: &Diagnostic) -> Said {
    Said {
        severity: format!("{:?}", one.severity).to_lowercase(),
        code: one.code.to_owned(),
        message: one.message.clone(),
        line: one.primary.line,
        column: one.primary.column,
        help: one.help.clone(),
    }
}

fn with_host(host: &Chosen, name: &str, fit: Fit) -> Value {
    let mut value = whole(name, fit);
    value["host"] = json!(host.name());
    value
}

fn whole(name: &str, fit: Fit) -> Value {
    json!({"untrusted": DATA, "page": fit.page, "left_out": fit.left_out, name: fit.value})
}

/// A list as it may leave, with what stands before it.
fn with(head: Vec<(&str, Value)>, name: &str, list: impl serde::Serialize, window: Window) -> Value {
    let mut fit = fit(json!({ name: list }), &format!("/{name}"), window);
    let mut value = json!({"untrusted": DATA, "page": fit.page, "left_out": fit.left_out});
    value[name] = fit.value[name].take();
    head.into_iter().for_each(|(name, one)| value[name] = one);
    value
}

/// Nobody watches.
struct Quiet(u64);

impl Watcher for Quiet {
    fn event(&mut self, _: &HostName, _: &Event) {}
    fn done(&mut self, _: &Outcome) {}
    fn wave(&mut self, _: usize, _: usize, _: usize) {}
    fn now(&self) -> u64 {
        self.0
    }
}
