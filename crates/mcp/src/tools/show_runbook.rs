use oomguard_report::runbook::{self, Runbook};
use oomguard_text::shown;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Tool;
use crate::call::Call;
use crate::error::ToolError;
use crate::fit::List;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ShowRunbook {
    /// The name of a runbook or of an alert. Default: list all runbooks.
    name: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Output {
    runbooks: Vec<RunbookSummary>,
    /// The page in Markdown, if a name was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

/// A runbook without its text.
#[derive(Debug, Serialize, JsonSchema)]
struct RunbookSummary {
    /// Pass it to show_runbook as `name`.
    name: String,
    /// The heading of the page.
    title: String,
    /// The alerts that it is for.
    alerts: Vec<String>,
}

impl From<&Runbook> for RunbookSummary {
    fn from(runbook: &Runbook) -> Self {
        Self {
            name: runbook.name.to_owned(),
            title: runbook.title().to_owned(),
            alerts: runbook.alerts().map(str::to_owned).collect(),
        }
    }
}

impl Tool for ShowRunbook {
    const NAME: &'static str = "show_runbook";
    const TITLE: &'static str = "Show a runbook";
    const DESCRIPTION: &'static str = "Returns the runbook for an alert, or the list of runbooks if no name is given. Use it when an alert has fired. The \
         commands in a runbook are for a person to run in a shell. Read-only.";
    const LIST: List = List::Cut("/runbooks");
    type Output = Output;

    fn run(self, _: &Call) -> Result<Output, ToolError> {
        let Some(name) = &self.name else {
            return Ok(Output {
                runbooks: runbook::ALL.iter().map(RunbookSummary::from).collect(),
                text: None,
            });
        };
        let Some(found) = runbook::find(name) else {
            let names: Vec<&str> = runbook::ALL.iter().map(|runbook| runbook.name).collect();
            let message = format!(
                "no runbook or alert is called `{}`. Runbooks: {}",
                shown(name, 80),
                names.join(", ")
            );
            return Err(ToolError::new(message));
        };
        Ok(Output { runbooks: vec![found.into()], text: Some(found.text.to_owned()) })
    }
}
