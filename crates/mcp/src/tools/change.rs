//! What the tools that change something share: a first call that plans, and a second one that a person has approved.

use std::sync::{Arc, Mutex, PoisonError};

use oomguard_fleet::failure::Failure;
use oomguard_fleet::job::{Job, NamedPolicy, Task};
use oomguard_fleet::session::{Event, Reply};
use oomguard_fleet::setup::Step;
use oomguard_fleet::ssh::Connection;
use oomguard_text::{counted, shown};
use schemars::JsonSchema;
use serde::Serialize;

use crate::approval::{self, PlanKind, Refused, StoredPlan};
use crate::call::{Call, Progress};
use crate::error::ToolError;
use crate::fit::List;
use crate::hosts::SelectedHost;

/// The list of an [`Output`].
pub(super) const STEPS: List = List::Cut("/result/steps");
/// The most steps that are stored with a plan and shown to the person who approves it.
const MAX_STORED_STEPS: usize = 500;
/// The longest step that is stored, in characters.
const MAX_STEP_CHARS: usize = 1000;

/// What tools that change something return.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Output {
    /// The host.
    pub host: String,
    pub result: ChangeResult,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending: Option<PendingPlan>,
}

/// What was done, or would be.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(super) struct ChangeResult {
    /// True if this call made the change. False if it only planned, or there was nothing to do.
    pub done: bool,
    /// What happened and what to do next, for the person.
    pub message: String,
    /// The journal entries that were written or rolled back. `rollback` takes one of them as `to`.
    pub ids: Vec<String>,
    /// The steps that were done, or would be.
    pub steps: Vec<String>,
    /// How the host still differs from its policy after the change.
    pub remaining: Vec<String>,
}

/// A plan that waits for a person's approval.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct PendingPlan {
    /// Pass it to `tool` once the person has approved the plan.
    pub plan_id: String,
    /// The digest of the changes. Pass it to `tool` along with plan_id.
    pub digest: String,
    /// The tool that executes the plan.
    pub tool: String,
    /// The command that the person runs in a shell on the machine of this server. It shows the plan, asks, and approves it
    /// for one call within 15 minutes.
    pub approve_command: String,
}

/// The arguments of the second call, if this is one.
pub(super) fn second_call(
    plan_id: Option<String>,
    digest: Option<String>,
) -> Result<Option<(String, String)>, ToolError> {
    match (plan_id, digest) {
        (Some(id), Some(digest)) => Ok(Some((id, digest))),
        (None, None) => Ok(None),
        _ => Err(ToolError::new(
            "pass both plan_id and digest to execute a plan, or neither of them to make one",
        )),
    }
}

/// Stores a plan until it is approved and executed.
pub(super) fn store(
    call: &Call,
    host: &SelectedHost,
    kind: PlanKind,
    policy: NamedPolicy,
    digest: String,
    steps: &[String],
) -> Result<PendingPlan, ToolError> {
    let mut random = [0; 16];
    getrandom::fill(&mut random)?;
    let plan = StoredPlan {
        id: random.iter().map(|byte| format!("{byte:02x}")).collect(),
        digest,
        host: host.name(),
        kind,
        policy,
        made: (call.config.now)(),
        steps: for_approval(steps),
    };
    approval::store(&call.config.state, &plan)?;
    let approve_command = approval::command(&call.config.state, &plan.id);
    Ok(PendingPlan {
        plan_id: plan.id,
        digest: plan.digest,
        tool: plan.kind.tool().to_owned(),
        approve_command,
    })
}

/// The steps as the person sees them. Each stays on one line, so that no text of a host looks like a step of its own.
fn for_approval(steps: &[String]) -> Vec<String> {
    let mut lines: Vec<String> =
        steps.iter().take(MAX_STORED_STEPS).map(|step| shown(step, MAX_STEP_CHARS)).collect();
    let more = steps.len() - lines.len();
    if more > 0 {
        lines.push(format!("... and {}", counted(more, "more step", "more steps")));
    }
    lines
}

/// The approved plan of a second call. Its approval is used up by this.
pub(super) fn take(
    call: &Call,
    plan_id: &str,
    digest: &str,
    tool: &str,
) -> Result<(SelectedHost, StoredPlan), ToolError> {
    let state = &call.config.state;
    let plan = approval::load(state, plan_id, (call.config.now)())?;
    if plan.kind.tool() != tool {
        let what = format!("is for {}", plan.kind.tool());
        return Err(Refused::Mismatch { id: plan.id, what }.into());
    }
    // The server may have been started with another inventory since.
    let host = call.config.hosts.select(Some(&plan.host))?;
    approval::consume(state, &plan, digest, (call.config.now)())?;
    Ok((host, plan))
}

/// Executes an approved plan.
pub(super) fn execute(
    call: &Call,
    host: &SelectedHost,
    task: Task,
    plan: &StoredPlan,
    log: &StepLog,
) -> Result<Reply, ToolError> {
    let job = call.approved_job(task, plan);
    let (reply, failure) = call.exchange(host, &job, Connection::Single, &log.progress());
    let Some(failure) = failure else { return Ok(reply) };
    let error = ToolError::of_host(&host.name(), &failure);
    let advice = "The approval is used up. Call plan_host to see the current state of the host.";
    Err(ToolError::new(format!("{}\n{advice}", error.message())))
}

/// Checks a host after a change, over a new connection.
pub(super) fn verify(
    call: &Call,
    host: &SelectedHost,
    task: Task,
    plan: &StoredPlan,
    progress: &Progress,
) -> (Reply, Option<Failure>) {
    call.exchange(host, &Job::new(task, plan.policy.clone()), Connection::Fresh, progress)
}

/// The result of a first call.
pub(super) fn planned(host: &SelectedHost, what: &str, steps: Vec<String>, pending: PendingPlan) -> Output {
    let message = format!(
        "Nothing was changed. To {what}, a person must review the steps and run `{}` in a shell on the machine of this server. \
         Then call {} with this plan_id and digest. The approval is valid once, for 15 minutes.",
        pending.approve_command, pending.tool
    );
    let result = ChangeResult { message, steps, ..ChangeResult::default() };
    Output { host: host.name(), result, pending: Some(pending) }
}

/// The result of a second call; `after` is the reply of the host after the change.
pub(super) fn changed(
    host: &SelectedHost,
    ids: Vec<String>,
    message: String,
    log: &StepLog,
    after: &Reply,
) -> Output {
    let findings = after.check().into_iter().flat_map(|report| &report.findings);
    let remaining = findings
        .filter(|finding| finding.severity.differs())
        .map(|finding| {
            format!("{}: {}: is {}, should be {}", finding.kind, finding.subject, finding.is, finding.should)
        })
        .collect();
    let result = ChangeResult { done: true, message, ids, steps: log.lines(), remaining };
    Output { host: host.name(), result, pending: None }
}

/// Says what an apply did.
pub(super) fn applied(host: &SelectedHost, ids: &[String], failure: Option<&Failure>) -> String {
    let name = host.name();
    let mut message = match ids {
        [] => format!("Nothing was left to change on {name}."),
        ids => {
            format!("Applied to {name}: {}. To undo it, call rollback with this id as `to`.", ids.join(", "))
        }
    };
    if let Some(failure) = failure {
        message.push_str(&format!("\nThe check after the change failed: {}", failure.message));
    }
    message
}

/// Collects the steps of a host while they are reported to the client.
pub(super) struct StepLog {
    progress: Progress,
    collected: Arc<Mutex<Collected>>,
}

#[derive(Default)]
struct Collected {
    lines: Vec<String>,
    /// The lines of each step of a setup.
    setup: Vec<(Step, Vec<String>)>,
}

impl StepLog {
    pub fn new(progress: &Progress) -> Self {
        Self { progress: Arc::clone(progress), collected: Arc::default() }
    }

    pub fn progress(&self) -> Progress {
        let (progress, collected) = (Arc::clone(&self.progress), Arc::clone(&self.collected));
        Arc::new(move |event| {
            let mut log = collected.lock().unwrap_or_else(PoisonError::into_inner);
            match &event {
                Event::Step { number, total, step, .. } => {
                    log.lines.push(format!("[{number}/{total}] {step}"))
                }
                Event::Setup(said) => {
                    log.lines.push(format!("{}. {}", said.step.number(), said.step.title()));
                    log.lines.extend(said.lines.iter().map(|line| format!("   {line}")));
                    log.setup.push((said.step, said.lines.clone()));
                }
                Event::Asked | Event::Pushes { .. } | Event::Health => {}
            }
            drop(log);
            progress(event);
        })
    }

    pub fn lines(&self) -> Vec<String> {
        self.collected.lock().unwrap_or_else(PoisonError::into_inner).lines.clone()
    }

    /// The lines of one step of a setup.
    pub fn of_step(&self, step: Step) -> Vec<String> {
        let log = self.collected.lock().unwrap_or_else(PoisonError::into_inner);
        log.setup.iter().filter(|(of, _)| *of == step).flat_map(|(_, lines)| lines.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_stays_on_one_line_and_missing_steps_are_counted() {
        let steps = vec!["write /etc/x\n  nothing else\u{202e}".to_owned(); MAX_STORED_STEPS + 2];
        let lines = for_approval(&steps);
        assert_eq!(lines[0], "write /etc/x\\x0a  nothing else\\u{202e}");
        assert_eq!(lines[MAX_STORED_STEPS..], ["... and 2 more steps"]);
    }
}
