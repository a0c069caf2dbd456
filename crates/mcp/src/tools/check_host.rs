use oomguard_fleet::job::{Job, Task};
use oomguard_report::{CheckReport, Report};
use oomguard_spec::Builtin;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Tool;
use crate::call::Call;
use crate::error::ToolError;
use crate::fit::List;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckHost {
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
    report: CheckReport,
}

impl Tool for CheckHost {
    const NAME: &'static str = "check_host";
    const TITLE: &'static str = "Check a host against its memory policy";
    const DESCRIPTION: &'static str = "Checks the memory configuration of a host (swap, swappiness, OOM protection, agent) against its policy. Returns findings, \
         most severe first, each with the current and the expected value, why it matters and how to fix it, and the processes \
         that the kernel would kill first. Use it for any question about what is wrong with a host. Read-only.";
    const LIST: List = List::Paged("/report/findings");
    type Output = Output;

    fn run(self, call: &Call) -> Result<Output, ToolError> {
        let (host, policy) = call.target(
            self.host.as_deref(),
            self.role.as_deref(),
            self.document.as_deref(),
            Builtin::Workstation,
        )?;
        let reply = call.ask(&host, &Job::new(Task::Check, policy))?;
        let report = reply.report.and_then(Report::into_check);
        let report = report.ok_or_else(|| ToolError::new("the host sent no report"))?;
        Ok(Output { host: host.name(), report })
    }
}
