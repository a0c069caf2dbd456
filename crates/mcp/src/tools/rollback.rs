use oomguard_fleet::job::{Job, Task};
use oomguard_fleet::session::Reply;
use oomguard_spec::Builtin;
use schemars::JsonSchema;
use serde::Deserialize;

use super::Tool;
use super::change::{self, Output, StepLog};
use crate::approval::PlanKind;
use crate::call::Call;
use crate::error::ToolError;
use crate::fit::List;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rollback {
    /// First call: the host, `local` (default) or a name from the inventory.
    host: Option<String>,
    /// First call: undo the apply with this id and every later one. Default: the last apply.
    to: Option<String>,
    /// Second call: the plan_id of the first.
    plan_id: Option<String>,
    /// Second call: the digest of the first.
    digest: Option<String>,
}

impl Tool for Rollback {
    const NAME: &'static str = "rollback";
    const TITLE: &'static str = "Undo an apply";
    const DESCRIPTION: &'static str = "Undoes an apply: restores the previous files, swap and scores of the host. Takes two calls. The first, with host and to, \
         changes nothing and returns what would be undone, a plan_id, a digest and an approve_command. Ask the person to run \
         approve_command in a shell, then call again with only plan_id and digest.";
    const CHANGES: bool = true;
    const LIST: List = change::STEPS;
    type Output = Output;

    fn run(self, call: &Call) -> Result<Output, ToolError> {
        match change::second_call(self.plan_id, self.digest)? {
            None => plan(call, self.host.as_deref(), self.to),
            Some((plan_id, digest)) => execute(call, &plan_id, &digest),
        }
    }
}

fn plan(call: &Call, host: Option<&str>, to: Option<String>) -> Result<Output, ToolError> {
    let (host, policy) = call.target(host, None, None, Builtin::Workstation)?;
    let found = call.ask(&host, &Job::new(Task::Undo { to: to.clone() }, policy.clone()))?;
    let Some(plan) = found.plan else {
        return Err(ToolError::new(format!("there is nothing to undo on {}", host.name())));
    };
    if let [first, ..] = plan.refusals.as_slice() {
        let message = format!("the rollback would be refused: {}\n-> {}", first.reason, first.advice);
        return Err(ToolError::new(message));
    }
    let (digest, steps) = (plan.plan.digest, plan.plan.steps);
    // Without `to`, the second call undoes the same apply even if there is a later one by then.
    let to = to.or_else(|| found.ids.last().cloned());
    let pending = change::store(call, &host, PlanKind::Rollback { to }, policy, digest, &steps)?;
    let what = format!("undo {} on {}", found.ids.join(", then "), host.name());
    Ok(change::planned(&host, &what, steps, pending))
}

fn execute(call: &Call, plan_id: &str, digest: &str) -> Result<Output, ToolError> {
    let (host, plan) = change::take(call, plan_id, digest, Rollback::NAME)?;
    let PlanKind::Rollback { to } = &plan.kind else {
        return Err(ToolError::new("the plan is no rollback"));
    };
    let log = StepLog::new(&call.progress);
    let done = change::execute(call, &host, Task::Rollback { to: to.clone() }, &plan, &log)?;
    let message =
        format!("Rolled back on {}: {}. The previous state is restored.", host.name(), done.ids.join(", "));
    Ok(change::changed(&host, done.ids, message, &log, &Reply::default()))
}
