//! Tools that change a host: only what a person has granted, and only while the host is as it was when the plan was made.

use std::sync::{Arc, Mutex, PoisonError};

use oomguard_fleet::contact::{Event, Reply};
use oomguard_fleet::failure::Failure;
use oomguard_fleet::job::{Job, NamedPolicy, Task};
use oomguard_fleet::setup::{Phase, Step};
use oomguard_fleet::ssh::Connection;
use oomguard_spec::Builtin;
use serde_json::{Value, json};

use crate::Shared;
use crate::arguments::{Apply, Rollback, Setup};
use crate::call::{Call, Tell};
use crate::grant::{self, Kind, Waiting};
use crate::hosts::Chosen;
use crate::look::Given;
use crate::safe::{DATA, Window, fit, text};
use crate::tools::{Act, Ready};

impl Shared {
    /// Keeps a plan for a second call.
    pub(crate) fn keep(
        &self,
        host: &Chosen,
        kind: Kind,
        policy: NamedPolicy,
        digest: String,
        steps: Vec<String>,
    ) -> Result<Ready, String> {
        let mut random = [0; 16];
        getrandom::fill(&mut random)
            .map_err(|error| format!("the kernel gives no random numbers: {error}"))?;
        let id = random.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let tool = kind.tool().to_owned();
        let steps = steps.iter().take(500).map(|step| text(step)).collect();
        let plan = Waiting { id, digest, host: host.name(), kind, policy, made: (self.now)(), steps };
        grant::keep(&self.state, &plan).map_err(|error| error.to_string())?;
        let grant_command = grant::command(&self.state, &plan.id);
        Ok(Ready { plan_id: plan.id, digest: plan.digest, tool, grant_command })
    }

    /// The plan of a second call, when it is for this tool. Its grant is used up.
    pub(crate) fn granted(&self, id: &str, digest: &str, tool: &str) -> Result<(Chosen, Waiting), String> {
        let refused = |error: grant::Refused| error.to_string();
        let plan = grant::plan(&self.state, id, (self.now)()).map_err(refused)?;
        if plan.kind.tool() != tool {
            let what = format!("is for {}", plan.kind.tool());
            return Err(refused(grant::Refused::Other { id: plan.id, what }));
        }
        // The inventory may be another one than when the plan was made.
        let host = self.hosts.choose(Some(&plan.host))?;
        grant::take(&self.state, &plan, digest, (self.now)()).map_err(refused)?;
        Ok((host, plan))
    }

    pub(crate) async fn apply_plan(&self, apply: Apply, call: &Call) -> Given {
        let (host, plan) = self.granted(&apply.plan_id, &apply.digest, "apply_plan")?;
        let steps = Steps::new(&call.tell);
        let job = call.asks(Job::new(Task::Apply, plan.policy.clone()), &plan);
        let done = self.change(&host, &job, &steps).await?;
        let (seen, failure) =
            self.hosts.ask(&host, &after(Task::Check, &plan), Connection::Fresh, call.tell.as_ref()).await;
        let message = done_words(&host, &done, failure.as_ref());
        Ok(result(&host, done.ids, message, &steps, &seen))
    }

    pub(crate) async fn rollback(&self, rollback: Rollback, call: &Call) -> Given {
        let (id, digest) = match (rollback.plan_id, rollback.digest) {
            (Some(id), Some(digest)) => (id, digest),
            (None, None) => {
                return self.plan_rollback(rollback.host.as_deref(), rollback.to, &call.tell).await;
            }
            _ => {
                return Err(
                    "give plan_id and digest together; without both, a rollback is only planned".to_owned()
                );
            }
        };
        let (host, plan) = self.granted(&id, &digest, "rollback")?;
        let Kind::Rollback { to } = plan.kind.clone() else { return Err("it is no rollback".to_owned()) };
        let steps = Steps::new(&call.tell);
        let job = call.asks(Job::new(Task::Rollback { to }, plan.policy.clone()), &plan);
        let done = self.change(&host, &job, &steps).await?;
        let message =
            format!("Undone on {}: {}. The host is as it was before.", host.name(), done.ids.join(", "));
        Ok(result(&host, done.ids, message, &steps, &Reply::default()))
    }

    async fn plan_rollback(&self, host: Option<&str>, to: Option<String>, tell: &Tell) -> Given {
        let host = self.hosts.choose(host)?;
        let policy = self.hosts.policy(&host, None, None, Builtin::Workstation)?;
        let found = self.ask(&host, &Job::new(Task::Undo { to: to.clone() }, policy.clone()), tell).await?;
        let Some(plan) = found.plan else {
            return Err(format!("there is nothing to undo on {}", host.name()));
        };
        if let [first, ..] = plan.refusals.as_slice() {
            return Err(format!("it would be refused: {}\n-> {}", text(&first.reason), text(&first.advice)));
        }
        let (digest, steps) = (plan.plan.digest, plan.plan.steps);
        // Without `to`, the second call undoes the same one, whatever came after it.
        let to = to.or_else(|| found.ids.last().cloned());
        let ready = self.keep(&host, Kind::Rollback { to }, policy, digest, steps.clone())?;
        Ok(planned(&host, format!("undo {} on {}", found.ids.join(", then "), host.name()), steps, &ready))
    }

    pub(crate) async fn setup_testnet_server(&self, setup: Setup, call: &Call) -> Given {
        let (id, digest) = match (&setup.plan_id, &setup.digest) {
            (Some(id), Some(digest)) => (id, digest),
            (None, None) => return self.plan_setup(&setup, &call.tell).await,
            _ => {
                return Err(
                    "give plan_id and digest together; without both, a setup is only planned".to_owned()
                );
            }
        };
        let (host, plan) = self.granted(id, digest, "setup_testnet_server")?;
        let steps = Steps::new(&call.tell);
        let task = Task::Setup { phase: Phase::Change };
        let job = call.asks(Job::new(task, plan.policy.clone()), &plan);
        let done = self.change(&host, &job, &steps).await?;
        let verify = Steps::new(&call.tell);
        let job = after(Task::Setup { phase: Phase::Verify }, &plan);
        let (seen, failure) = self.hosts.ask(&host, &job, Connection::Fresh, &verify.tell()).await;
        let mut message = done_words(&host, &done, failure.as_ref());
        message.push_str("\nSwap status:\n");
        message.push_str(&verify.of(Step::Status).join("\n"));
        Ok(result(&host, done.ids, message, &steps, &seen))
    }

    async fn plan_setup(&self, setup: &Setup, tell: &Tell) -> Given {
        let host = self.hosts.choose(setup.host.as_deref())?;
        let document = self.document(setup.document.as_deref())?;
        let policy =
            self.hosts.policy(&host, setup.role.as_deref(), document.as_ref(), Builtin::Validator)?;
        let steps = Steps::new(tell);
        let job = Job::new(Task::Setup { phase: Phase::DryRun }, policy.clone());
        let (found, failure) = self.hosts.ask(&host, &job, Connection::Single, &steps.tell()).await;
        if let Some(failure) = failure {
            return Err(words(&host.name(), &failure));
        }
        let Some(plan) = found.plan else { return Err("the host sent no plan".to_owned()) };
        let said = steps.said();
        if !plan.refusals.is_empty() {
            let lines =
                plan.refusals.iter().map(|one| format!("{}\n-> {}", text(&one.reason), text(&one.advice)));
            return Err(format!(
                "nothing can be set up on {} yet:\n{}",
                host.name(),
                lines.collect::<Vec<_>>().join("\n")
            ));
        }
        if plan.changes == 0 && plan.unfinished.is_none() {
            let message = format!(
                "Nothing to do: {} is set up.\nSwap status:\n{}",
                host.name(),
                steps.of(Step::Status).join("\n")
            );
            return Ok(given(&host, &Act { message, steps: said, ..Act::default() }, None));
        }
        let digest = plan.plan.digest;
        let ready = self.keep(&host, Kind::Setup, policy, digest, said.clone())?;
        Ok(planned(&host, format!("set up {}", host.name()), said, &ready))
    }

    async fn change(&self, host: &Chosen, job: &Job, steps: &Steps) -> Result<Reply, String> {
        let (reply, failure) = self.hosts.ask(host, job, Connection::Single, &steps.tell()).await;
        match failure {
            None => Ok(reply),
            Some(failure) => Err(format!(
                "{}\nThe grant is used up. `plan_host` says how the host is now.",
                words(&host.name(), &failure)
            )),
        }
    }
}

/// What went wrong with a host, with everything that speaks against it.
pub(crate) fn words(host: &str, failure: &Failure) -> String {
    let mut words = format!("{host}: {}\n-> {}", failure.message, failure.advice);
    for refusal in failure.refusals.iter().take(20) {
        words.push_str(&format!("\n{}\n-> {}", refusal.reason, refusal.advice));
    }
    text(&words)
}

fn after(task: Task, plan: &Waiting) -> Job {
    Job::new(task, plan.policy.clone())
}

fn done_words(host: &Chosen, done: &Reply, failure: Option<&Failure>) -> String {
    let name = host.name();
    let mut words = match done.ids.as_slice() {
        [] => format!("Nothing was left to change on {name}."),
        ids => format!("Done on {name}: {}. `rollback` with this name as `to` undoes it.", ids.join(", ")),
    };
    if let Some(failure) = failure {
        words.push_str(&format!("\nBut looking at it again failed: {}", failure.message));
    }
    words
}

pub(crate) fn planned(host: &Chosen, what: String, steps: Vec<String>, ready: &Ready) -> Value {
    let message = format!(
        "Nothing was changed. To {what}, a person must look at the steps and run `{}` in a shell on the machine of this \
         server; then call {} with this plan_id and digest. A grant is good once, for 15 minutes.",
        ready.grant_command, ready.tool
    );
    given(host, &Act { message, steps, ..Act::default() }, Some(ready))
}

fn result(host: &Chosen, ids: Vec<String>, message: String, steps: &Steps, seen: &Reply) -> Value {
    let findings = seen.check().into_iter().flat_map(|report| &report.findings);
    let left = findings
        .filter(|finding| finding.severity.differs())
        .map(|finding| {
            format!("{}: {} is {}, should be {}", finding.id, finding.subject, finding.is, finding.should)
        })
        .collect();
    given(host, &Act { done: true, message, ids, steps: steps.said(), left }, None)
}

pub(crate) fn given(host: &Chosen, act: &Act, ready: Option<&Ready>) -> Value {
    let value = serde_json::to_value(act).unwrap_or_default();
    let fit = fit(value, "/steps", Window { offset: 0, limit: 200 });
    let mut value = json!({"untrusted": DATA, "host": host.name(), "result": fit.value});
    if let Some(ready) = ready {
        value["ready"] = serde_json::to_value(ready).unwrap_or_default();
    }
    value
}

/// What was done, and the lines of each step of a setup.
struct Steps {
    tell: Tell,
    heard: Arc<Mutex<Heard>>,
}

#[derive(Default)]
struct Heard {
    /// All of it, for people.
    lines: Vec<String>,
    /// What a setup said of each of its steps.
    said: Vec<(Step, Vec<String>)>,
}

impl Steps {
    fn new(tell: &Tell) -> Self {
        Self { tell: Arc::clone(tell), heard: Arc::default() }
    }

    fn tell(&self) -> impl Fn(Event) + Send + Sync + use<> {
        let (tell, heard) = (Arc::clone(&self.tell), Arc::clone(&self.heard));
        move |event| {
            let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
            match &event {
                Event::Step { number, total, step, .. } => {
                    heard.lines.push(format!("[{number}/{total}] {step}"))
                }
                Event::Setup(said) => {
                    heard.lines.push(format!("{}. {}", said.step.number(), said.step.title()));
                    heard.lines.extend(said.lines.iter().map(|line| format!("   {line}")));
                    heard.said.push((said.step, said.lines.clone()));
                }
                _ => {}
            }
            drop(heard);
            tell(event);
        }
    }

    fn said(&self) -> Vec<String> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).lines.clone()
    }

    fn of(&self, step: Step) -> Vec<String> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.said.iter().filter(|(of, _)| *of == step).flat_map(|(_, lines)| lines.clone()).collect()
    }
}
