use oomguard_fleet::job::{Job, Task};
use oomguard_report::StatusReport;
use oomguard_spec::Builtin;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Tool;
use crate::call::Call;
use crate::error::ToolError;
use crate::fit::List;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HostStatus {
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
    report: StatusReport,
}

impl Tool for HostStatus {
    const NAME: &'static str = "host_status";
    const TITLE: &'static str = "Show memory, swap and protection of a host";
    const DESCRIPTION: &'static str = "Shows the memory, swap devices, swappiness (now and after the next boot) and memory pressure of a host, and its protected \
         processes with their current and expected oom_score_adj. Use check_host instead to learn what is wrong. Read-only.";
    const LIST: List = List::Paged("/report/processes");
    type Output = Output;

    fn run(self, call: &Call) -> Result<Output, ToolError> {
        let (host, policy) = call.target(
            self.host.as_deref(),
            self.role.as_deref(),
            self.document.as_deref(),
            Builtin::Workstation,
        )?;
        let reply = call.ask(&host, &Job::new(Task::Status, policy))?;
        let report = reply.status.ok_or_else(|| ToolError::new("the host sent no status"))?;
        Ok(Output { host: host.name(), report })
    }
}
