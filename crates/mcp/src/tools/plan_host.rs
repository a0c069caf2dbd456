use oomguard_converge::Refusal;
use oomguard_converge::change::Change;
use oomguard_fleet::job::{Job, Task};
use oomguard_spec::Builtin;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Tool;
use super::change::{PendingPlan, store};
use crate::approval::PlanKind;
use crate::call::Call;
use crate::error::ToolError;
use crate::fit::List;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PlanHost {
    /// The host: `local` (default) or a name from the inventory; fleet_status lists them.
    host: Option<String>,
    /// The role: workstation, ci or validator, or a role of the document. Default: the role in the inventory, else workstation.
    role: Option<String>,
    /// A cspec document with the policy: a path in an allowed folder. Default: the inventory, else a built-in policy.
    document: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Output {
    /// The host.
    host: String,
    plan: HostPlan,
    #[serde(skip_serializing_if = "Option::is_none")]
    pending: Option<PendingPlan>,
}

/// What applying the policy would change, without the policy itself.
#[derive(Debug, Serialize, JsonSchema)]
struct HostPlan {
    /// The SHA-256 digest of the changes.
    digest: String,
    /// The changes in order.
    changes: Vec<Change>,
    /// The steps of the changes, for people.
    steps: Vec<String>,
    /// What to know before applying it.
    notes: Vec<String>,
    /// Why the plan cannot be applied; empty if it can.
    refusals: Vec<Refusal>,
}

impl Tool for PlanHost {
    const NAME: &'static str = "plan_host";
    const TITLE: &'static str = "Plan the changes that a host needs";
    const DESCRIPTION: &'static str = "Lists the changes that would bring a host in line with its policy: file diffs, swap, live scores, the steps in order, \
         and any reason why they cannot be applied. Read-only. If the server allows changes, the result has `pending` with a \
         plan_id and digest for apply_plan and the command with which a person approves the plan.";
    const LIST: List = List::Paged("/plan/changes");
    type Output = Output;

    fn run(self, call: &Call) -> Result<Output, ToolError> {
        let (host, policy) = call.target(
            self.host.as_deref(),
            self.role.as_deref(),
            self.document.as_deref(),
            Builtin::Workstation,
        )?;
        let reply = call.ask(&host, &Job::new(Task::Plan, policy.clone()))?;
        let found = reply.plan.ok_or_else(|| ToolError::new("the host sent no plan"))?;
        let has_work = found.changes > 0 || found.unfinished.is_some();
        let mut plan = HostPlan {
            digest: found.plan.digest,
            changes: found.plan.changes,
            steps: found.plan.steps,
            notes: found.plan.notes,
            refusals: found.refusals,
        };
        if let Some(id) = &found.unfinished {
            plan.notes.push(format!("apply {id} was interrupted; the next apply completes it"));
        }
        let mut pending = None;
        if call.config.allow_write && plan.refusals.is_empty() && has_work {
            let digest = plan.digest.clone();
            pending = Some(store(call, &host, PlanKind::Apply, policy, digest, &plan.steps)?);
        }
        Ok(Output { host: host.name(), plan, pending })
    }
}
