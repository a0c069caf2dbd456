use oomguard_fleet::job::{Job, Task};
use oomguard_report::{RankReport, Report};
use oomguard_spec::Builtin;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Tool;
use crate::call::Call;
use crate::error::ToolError;
use crate::fit::List;

/// The most loads of one call.
const MAX_LOADS: usize = 20;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RankVictims {
    /// The host: `local` (default) or a name from the inventory; fleet_status lists them.
    host: Option<String>,
    /// Rank by the scores that this role would set. Default, without `document`: the current scores.
    role: Option<String>,
    /// Rank by the scores that this cspec document would set: a path in an allowed folder.
    document: Option<String>,
    /// Processes to simulate in addition to the running ones, each as NAME:SIZE*COUNT, for example rustc:3.5GB*8.
    #[serde(default)]
    #[schemars(length(max = 20))]
    add: Vec<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Output {
    /// The host.
    host: String,
    report: RankReport,
}

impl Tool for RankVictims {
    const NAME: &'static str = "rank_victims";
    const TITLE: &'static str = "Rank processes by who is killed first";
    const DESCRIPTION: &'static str = "Ranks the processes of a host in the order in which the kernel would kill them if memory ran out, and explains each \
         position. `add` simulates more load; `role` or `document` simulates the scores of a policy. Read-only.";
    const LIST: List = List::Paged("/report/order");
    type Output = Output;

    fn run(self, call: &Call) -> Result<Output, ToolError> {
        let as_policy = self.role.is_some() || self.document.is_some();
        let (host, policy) = call.target(
            self.host.as_deref(),
            self.role.as_deref(),
            self.document.as_deref(),
            Builtin::Workstation,
        )?;
        if self.add.len() > MAX_LOADS {
            return Err(ToolError::new(format!("`add` takes at most {MAX_LOADS} entries")));
        }
        let reply = call.ask(&host, &Job::new(Task::Rank { add: self.add, as_policy }, policy))?;
        let report = reply.report.and_then(Report::into_rank);
        let report = report.ok_or_else(|| ToolError::new("the host sent no ranking"))?;
        Ok(Output { host: host.name(), report })
    }
}
