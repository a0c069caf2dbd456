use oomguard_fleet::job::Task;
use schemars::JsonSchema;
use serde::Deserialize;

use super::Tool;
use super::change::{self, Output, StepLog};
use crate::call::Call;
use crate::error::ToolError;
use crate::fit::List;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ApplyPlan {
    /// The plan_id from the result of plan_host.
    plan_id: String,
    /// The digest from the same result.
    digest: String,
}

impl Tool for ApplyPlan {
    const NAME: &'static str = "apply_plan";
    const TITLE: &'static str = "Apply an approved plan";
    const DESCRIPTION: &'static str = "Applies a plan from plan_host to its host. Requires approval: show the person the plan, ask them to run its \
         approve_command in a shell, then call this tool. An approval is valid once, for 15 minutes, for this plan on this host. \
         If the host has changed since it was planned, nothing is changed; call plan_host again. The previous state is recorded \
         first, so rollback can undo the change, and the host is checked again afterwards.";
    const CHANGES: bool = true;
    const LIST: List = change::STEPS;
    type Output = Output;

    fn run(self, call: &Call) -> Result<Output, ToolError> {
        let (host, plan) = change::take(call, &self.plan_id, &self.digest, Self::NAME)?;
        let log = StepLog::new(&call.progress);
        let done = change::execute(call, &host, Task::Apply, &plan, &log)?;
        let (after, failure) = change::verify(call, &host, Task::Check, &plan, &call.progress);
        let message = change::applied(&host, &done.ids, failure.as_ref());
        Ok(change::changed(&host, done.ids, message, &log, &after))
    }
}
