use oomguard_fleet::job::{Job, Task};
use oomguard_fleet::setup::{Phase, Step};
use oomguard_fleet::ssh::Connection;
use oomguard_spec::Builtin;
use schemars::JsonSchema;
use serde::Deserialize;

use super::Tool;
use super::change::{self, ChangeResult, Output, StepLog};
use crate::approval::PlanKind;
use crate::call::Call;
use crate::error::ToolError;
use crate::fit::List;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SetupTestnetServer {
    /// First call: the host, `local` (default) or a name from the inventory.
    host: Option<String>,
    /// First call: the role. Default: the role in the inventory, else validator.
    role: Option<String>,
    /// First call: a cspec document with the policy, as a path in an allowed folder. Default: the inventory, else a built-in
    /// policy.
    document: Option<String>,
    /// Second call: the plan_id of the first.
    plan_id: Option<String>,
    /// Second call: the digest of the first.
    digest: Option<String>,
}

impl Tool for SetupTestnetServer {
    const NAME: &'static str = "setup_testnet_server";
    const TITLE: &'static str = "Set up a testnet server with swap";
    const DESCRIPTION: &'static str = "Sets up a testnet server in ten steps: 1. check permissions; 2. check the system; 3. check memory and disk; 4. install \
         oomguard; 5. plan; 6. configure swap (create and enable the swap file, /etc/fstab, swappiness); 7. protect sessions and \
         services; 8. start the agent; 9. verify; 10. show the swap status. Takes two calls. The first, with host, changes no \
         settings (it copies oomguard to a remote host that does not have it) and returns what each step would do, a plan_id, a \
         digest and an approve_command. Ask the person to run approve_command in a shell, then call again with only plan_id and \
         digest. The message of the result ends with the swap status.";
    const CHANGES: bool = true;
    const LIST: List = change::STEPS;
    type Output = Output;

    fn run(mut self, call: &Call) -> Result<Output, ToolError> {
        match change::second_call(self.plan_id.take(), self.digest.take())? {
            None => plan(call, &self),
            Some((plan_id, digest)) => execute(call, &plan_id, &digest),
        }
    }
}

fn plan(call: &Call, setup: &SetupTestnetServer) -> Result<Output, ToolError> {
    let (host, policy) = call.target(
        setup.host.as_deref(),
        setup.role.as_deref(),
        setup.document.as_deref(),
        Builtin::Validator,
    )?;
    let log = StepLog::new(&call.progress);
    let job = Job::new(Task::Setup { phase: Phase::DryRun }, policy.clone());
    let (found, failure) = call.exchange(&host, &job, Connection::Single, &log.progress());
    if let Some(failure) = failure {
        return Err(ToolError::of_host(&host.name(), &failure));
    }
    let plan = found.plan.ok_or_else(|| ToolError::new("the host sent no plan"))?;
    if !plan.refusals.is_empty() {
        let reasons: Vec<String> =
            plan.refusals.iter().map(|one| format!("{}\n-> {}", one.reason, one.advice)).collect();
        return Err(ToolError::new(format!("{} cannot be set up yet:\n{}", host.name(), reasons.join("\n"))));
    }
    let steps = log.lines();
    if plan.changes == 0 && plan.unfinished.is_none() {
        let status = log.of_step(Step::Status).join("\n");
        let message = format!("Nothing to do: {} is already set up.\nSwap status:\n{status}", host.name());
        let result = ChangeResult { message, steps, ..ChangeResult::default() };
        return Ok(Output { host: host.name(), result, pending: None });
    }
    let pending = change::store(call, &host, PlanKind::Setup, policy, plan.plan.digest, &steps)?;
    Ok(change::planned(&host, &format!("set up {}", host.name()), steps, pending))
}

fn execute(call: &Call, plan_id: &str, digest: &str) -> Result<Output, ToolError> {
    let (host, plan) = change::take(call, plan_id, digest, SetupTestnetServer::NAME)?;
    let log = StepLog::new(&call.progress);
    let done = change::execute(call, &host, Task::Setup { phase: Phase::Change }, &plan, &log)?;
    let checks = StepLog::new(&call.progress);
    let (after, failure) =
        change::verify(call, &host, Task::Setup { phase: Phase::Verify }, &plan, &checks.progress());
    let mut message = change::applied(&host, &done.ids, failure.as_ref());
    message.push_str("\nSwap status:\n");
    message.push_str(&checks.of_step(Step::Status).join("\n"));
    Ok(change::changed(&host, done.ids, message, &log, &after))
}
