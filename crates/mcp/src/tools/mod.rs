//! The tools, one per file: what a tool is called, what it takes, what it returns and what it does.

mod apply_plan;
mod change;
mod check_host;
mod check_spec;
mod explain_incident;
mod fleet_status;
mod host_status;
mod incident_log;
mod list_incidents;
mod plan_host;
mod rank_victims;
mod record_session;
mod rollback;
mod setup_testnet_server;
mod show_runbook;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::call::Call;
use crate::error::ToolError;
use crate::fit::{List, Window, fit};
use crate::schema;

/// A tool; the type is that of its arguments.
pub(crate) trait Tool: DeserializeOwned + JsonSchema {
    const NAME: &'static str;
    /// For people.
    const TITLE: &'static str;
    /// For the model, which picks tools by it.
    const DESCRIPTION: &'static str;
    /// Whether it may change something, so that it needs `--allow-write` and an approval.
    const CHANGES: bool = false;
    const LIST: List;
    type Output: Serialize + JsonSchema;

    fn run(self, call: &Call) -> Result<Self::Output, ToolError>;

    /// Replaces parts of the output's schema.
    fn adjust(_output: &mut Value) {}
}

/// All tools in the order in which clients list them.
pub(crate) fn all(allow_write: bool) -> Vec<ToolEntry> {
    let tools = [
        ToolEntry::of::<check_host::CheckHost>(),
        ToolEntry::of::<plan_host::PlanHost>(),
        ToolEntry::of::<host_status::HostStatus>(),
        ToolEntry::of::<rank_victims::RankVictims>(),
        ToolEntry::of::<fleet_status::FleetStatus>(),
        ToolEntry::of::<list_incidents::ListIncidents>(),
        ToolEntry::of::<explain_incident::ExplainIncident>(),
        ToolEntry::of::<check_spec::CheckSpec>(),
        ToolEntry::of::<show_runbook::ShowRunbook>(),
        ToolEntry::of::<apply_plan::ApplyPlan>(),
        ToolEntry::of::<rollback::Rollback>(),
        ToolEntry::of::<setup_testnet_server::SetupTestnetServer>(),
        ToolEntry::of::<record_session::RecordSession>(),
    ];
    tools.into_iter().filter(|tool| allow_write || !tool.changes).collect()
}

/// A [`Tool`] as the server handles it.
pub(crate) struct ToolEntry {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) description: &'static str,
    pub(crate) changes: bool,
    pub(crate) input: Map<String, Value>,
    pub(crate) output: Map<String, Value>,
    pub(crate) run: fn(Map<String, Value>, &Call) -> Result<Answered, ToolError>,
}

impl ToolEntry {
    fn of<T: Tool>() -> Self {
        Self {
            name: T::NAME,
            title: T::TITLE,
            description: T::DESCRIPTION,
            changes: T::CHANGES,
            input: schema::input::<T>(T::LIST.is_paged()),
            output: schema::output::<T::Output>(T::LIST.is_paged(), T::adjust),
            run: run::<T>,
        }
    }
}

fn run<T: Tool>(mut arguments: Map<String, Value>, call: &Call) -> Result<Answered, ToolError> {
    // The arguments that select a page belong to all paged tools; `T` has the others and refuses what it does not know.
    let mut window = Map::new();
    if T::LIST.is_paged() {
        window.extend(["offset", "limit"].iter().filter_map(|name| arguments.remove_entry(*name)));
    }
    let window: Window = parse(window)?;
    let tool: T = parse(arguments)?;
    let output = serde_json::to_value(tool.run(call)?)?;
    Ok(Answered(fit(output, T::LIST, window)))
}

fn parse<T: DeserializeOwned>(arguments: Map<String, Value>) -> Result<T, ToolError> {
    serde_json::from_value(Value::Object(arguments))
        .map_err(|error| ToolError::new(format!("invalid arguments: {error}")))
}

/// The result of a call as it is sent.
pub(crate) struct Answered(Value);

impl Answered {
    /// What the result of a change says to people.
    pub(crate) fn message(&self) -> Option<String> {
        self.0["result"]["message"].as_str().map(str::to_owned)
    }

    /// The plan that the call made and that now waits for approval.
    pub(crate) fn plan_id(&self) -> Option<String> {
        self.0["pending"]["plan_id"].as_str().map(str::to_owned)
    }

    pub(crate) fn into_value(self) -> Value {
        self.0
    }
}
