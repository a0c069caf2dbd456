use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use oomguard_fleet::host_name::HostName;
use oomguard_fleet::job::Task;
use oomguard_fleet::outcome::Outcome;
use oomguard_fleet::rollout::{Rollout, Watcher};
use oomguard_fleet::run::{Member, Run, SCHEMA};
use oomguard_fleet::session::Event;
use oomguard_fleet::status::{latest, moment};
use oomguard_fleet::wave::Waves;
use oomguard_spec::Builtin;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Tool;
use crate::Config;
use crate::call::Call;
use crate::error::ToolError;
use crate::fit::List;
use crate::hosts::SelectedHost;

/// The most hosts that are checked at the same time.
const MAX_CONCURRENT: usize = 20;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FleetStatus {
    /// Check every host of the inventory over ssh first. Default: the results of earlier runs.
    #[serde(default)]
    refresh: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Output {
    /// The hosts of the inventory, worst first.
    hosts: Vec<HostSummary>,
}

/// The last known state of a host.
#[derive(Debug, Serialize, JsonSchema)]
struct HostSummary {
    /// The name of the host; other tools take it as `host`.
    host: String,
    /// fine, differs, failed, `not reached` or `never checked`.
    state: String,
    /// The state in a few words.
    summary: String,
    /// The name of the policy.
    policy: Option<String>,
    /// When the host last answered, in UTC, or `never`.
    last_seen: String,
    /// How many findings differ from the policy.
    findings: usize,
}

impl Tool for FleetStatus {
    const NAME: &'static str = "fleet_status";
    const TITLE: &'static str = "List the hosts of the inventory and their state";
    const DESCRIPTION: &'static str = "Lists every host of the inventory with its last known state, worst first. Use it to learn the names of the hosts and \
         which of them need attention. `refresh` checks all hosts over ssh first, which takes longer. Read-only.";
    const LIST: List = List::Paged("/hosts");
    type Output = Output;

    fn run(self, call: &Call) -> Result<Output, ToolError> {
        let config = &call.config;
        if self.refresh {
            refresh(config)?;
        }
        let inventory = &config.hosts.inventory;
        let mut hosts: Vec<HostSummary> = latest(&config.runs)?
            .iter()
            .filter(|known| inventory.iter().any(|target| target.name == known.outcome.target.name))
            .map(|known| HostSummary {
                host: known.outcome.target.name.as_str().to_owned(),
                state: known.outcome.state.word().to_owned(),
                summary: known.outcome.summary.clone(),
                policy: Some(known.policy.clone()),
                last_seen: moment(known.seen),
                findings: known.outcome.findings.iter().filter(|finding| finding.severity.differs()).count(),
            })
            .collect();
        for target in inventory {
            if !hosts.iter().any(|known| known.host == target.name.as_str()) {
                hosts.push(HostSummary {
                    host: target.name.as_str().to_owned(),
                    state: "never checked".to_owned(),
                    summary: "set `refresh` to check it".to_owned(),
                    policy: None,
                    last_seen: moment(None),
                    findings: 0,
                });
            }
        }
        Ok(Output { hosts })
    }
}

/// Checks every host of the inventory as a stored run.
fn refresh(config: &Config) -> Result<(), ToolError> {
    let hosts = &config.hosts;
    let mut run = Run {
        schema: SCHEMA.to_owned(),
        id: String::new(),
        task: Task::Check,
        started: 0,
        waves: Waves::default().to_string(),
        max_failures: 0,
        root: hosts.means.root,
        hosts: Vec::new(),
        policies: BTreeMap::new(),
    };
    for target in &hosts.inventory {
        let host = SelectedHost::Remote(Box::new(target.clone()));
        let policy = hosts.policy(&host, None, None, Builtin::Workstation)?;
        run.hosts.push(Member { target: target.clone(), policy: policy.name.clone() });
        run.policies.insert(policy.name.clone(), policy);
    }
    if run.hosts.is_empty() {
        return Err(ToolError::new(
            "this server has no inventory; to add one, restart it with `--inventory FILE`",
        ));
    }
    let now = (config.now)();
    let kept = config.runs.begin(run, now)?;
    let stop = Arc::new(AtomicBool::new(false));
    let rollout = Rollout::sharing(Arc::clone(&hosts.means), MAX_CONCURRENT, stop);
    let members = kept.run.hosts.clone();
    rollout.look(&kept, &members, &mut Quiet(now))?;
    Ok(())
}

/// A run that is not shown while it lasts.
struct Quiet(u64);

impl Watcher for Quiet {
    fn event(&mut self, _: &HostName, _: &Event) {}
    fn done(&mut self, _: &Outcome) {}
    fn wave(&mut self, _: usize, _: usize, _: usize) {}
    fn now(&self) -> u64 {
        self.0
    }
}
