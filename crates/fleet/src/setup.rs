//! The steps of a setup: their titles, the changes that belong to each, and the lines that describe it.
//!
//! tools/setup-testnet-server.sh has the same steps with the same numbers.

use oomguard_converge::change::Change;
use oomguard_converge::{Plan, Refusal, layout, step};
use oomguard_spec::size::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::installed_command::InPlace;
use crate::server::Server;

/// A step of a setup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// The user on the host.
    Rights,
    /// The distribution.
    System,
    /// Memory and disk space.
    Room,
    /// The command in /usr/local/bin.
    Install,
    /// The plan.
    Plan,
    /// Swap, its line in fstab, and swappiness.
    Swap,
    /// Drop-ins and scores of running processes.
    Protect,
    /// Unit, program and policy of the agent.
    Agent,
    /// A check of the host.
    Verify,
    /// The swap afterwards.
    Status,
}

impl Step {
    /// All of them, in order.
    pub const ALL: [Self; 10] = [
        Self::Rights,
        Self::System,
        Self::Room,
        Self::Install,
        Self::Plan,
        Self::Swap,
        Self::Protect,
        Self::Agent,
        Self::Verify,
        Self::Status,
    ];

    /// From 1.
    #[must_use]
    pub fn number(self) -> usize {
        Self::ALL.iter().take_while(|step| **step != self).count() + 1
    }

    /// `Configure swap memory`
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Rights => "Check the rights",
            Self::System => "Check the system",
            Self::Room => "Check memory and disk",
            Self::Install => "Install oomguard",
            Self::Plan => "Make the plan",
            Self::Swap => "Configure swap memory",
            Self::Protect => "Protect what sessions and services live in",
            Self::Agent => "Start the agent",
            Self::Verify => "Verify",
            Self::Status => "Show the swap status",
        }
    }

    /// The step to which a change belongs.
    #[must_use]
    pub fn of(change: &Change) -> Self {
        match change {
            Change::SwapCreate { .. }
            | Change::SwapOn { .. }
            | Change::SwapOff { .. }
            | Change::SwapRetire { .. }
            | Change::Sysctl { .. } => Self::Swap,
            Change::ProgramInstall { .. }
            | Change::ProgramRemove { .. }
            | Change::AgentStart
            | Change::AgentStop => Self::Agent,
            Change::FileWrite { path, .. }
            | Change::FileRemove { path, .. }
            | Change::DirRemove { path }
            | Change::LinkPut { path, .. }
            | Change::LinkRemove { path, .. } => Self::of_path(path),
            Change::ReloadSystem | Change::ReloadUserManager { .. } | Change::Score { .. } => Self::Protect,
        }
    }

    fn of_path(path: &str) -> Self {
        let is_agents = path.contains(layout::AGENT_UNIT_NAME)
            || path.starts_with("/etc/oomguard")
            || path.starts_with(layout::AGENT_PROGRAM_DIR);
        if is_agents {
            Self::Agent
        } else if path == layout::FSTAB || path.starts_with("/etc/sysctl.d") {
            Self::Swap
        } else {
            Self::Protect
        }
    }
}

/// The jobs of a setup: a preflight, the change, and a check over a new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// All steps, without a change.
    DryRun,
    /// The steps before the change; the later ones too if there is nothing to change.
    Preflight,
    /// Installs the program and applies the plan.
    Change,
    /// The steps after the change.
    Verify,
}

/// What a host says about a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Said {
    /// The step.
    pub step: Step,
    /// Lines of text.
    pub lines: Vec<String>,
}

impl Said {
    /// The lines of a step.
    #[must_use]
    pub fn new(step: Step, lines: Vec<String>) -> Self {
        Self { step, lines }
    }

    /// The heading: `Step 6 - Configure swap memory`.
    #[must_use]
    pub fn head(&self) -> String {
        format!("Step {} - {}", self.step.number(), self.step.title())
    }
}

/// For each step of an apply, the step of the setup that it belongs to.
#[must_use]
pub fn belongs_to(changes: &[Change]) -> Vec<Step> {
    let of = |change| step::steps_of(change).into_iter().map(move |_| Step::of(change));
    changes.iter().flat_map(of).collect()
}

/// A host before its setup.
#[derive(Clone, Copy, Debug)]
pub struct Looked<'a> {
    /// Its facts.
    pub server: &'a Server,
    /// What would be changed.
    pub plan: &'a Plan,
    /// Why the plan would be refused.
    pub refusals: &'a [Refusal],
    /// The ID of an interrupted apply, which the next one finishes.
    pub unfinished: Option<&'a str>,
    /// The version of oomguard.
    pub version: &'a str,
}

impl Looked<'_> {
    /// All reasons to refuse the setup.
    #[must_use]
    pub fn all_refusals(&self) -> Vec<Refusal> {
        let own = [self.server.system_refusal(), self.server.room_refusal()];
        own.into_iter().flatten().chain(self.refusals.iter().cloned()).collect()
    }

    /// The number of changes: those of the plan, and the program.
    #[must_use]
    pub fn changes(&self) -> usize {
        self.plan.changes.len() + usize::from(self.server.needs_command())
    }

    /// Whether a setup changes something.
    #[must_use]
    pub fn must_change(&self) -> bool {
        self.changes() > 0 || self.unfinished.is_some()
    }

    /// The steps before the first change, up to the first that is refused. `words` describes a change in one line.
    #[must_use]
    pub fn steps(&self, words: &dyn Fn(&Change) -> String) -> Vec<Said> {
        let mut all = vec![Said::new(Step::Rights, self.rights())];
        let checks = [
            (Step::System, self.system(), self.server.system_refusal()),
            (Step::Room, self.room(), self.server.room_refusal()),
        ];
        for (step, mut lines, refusal) in checks {
            lines.extend(refusal.iter().flat_map(refused));
            all.push(Said::new(step, lines));
            if refusal.is_some() {
                return all;
            }
        }
        all.push(Said::new(Step::Install, self.install()));
        all.push(Said::new(Step::Plan, self.plan_words()));
        if self.refusals.is_empty() {
            all.extend([Step::Swap, Step::Protect, Step::Agent].map(|step| self.part(step, words)));
        }
        all
    }

    fn rights(&self) -> Vec<String> {
        if self.server.may_change {
            return vec!["running as root".to_owned()];
        }
        vec![
            "not root, and sudo asks for a password; a real run would stop here".to_owned(),
            "the steps below leave out what this user cannot read".to_owned(),
        ]
    }

    fn system(&self) -> Vec<String> {
        let Server { system, version, kernel, systemd_runs, .. } = self.server;
        let systemd = if *systemd_runs { "systemd" } else { "without systemd" };
        vec![format!("{system} {version}, Linux {kernel}, {systemd}")]
    }

    fn room(&self) -> Vec<String> {
        let (memory, free) = (Bytes(self.server.memory), Bytes(self.server.free));
        vec![
            format!("{memory} of memory; {free} free for the program"),
            format!("Step {} checks whether the swap file fits", Step::Plan.number()),
        ]
    }

    fn install(&self) -> Vec<String> {
        let (command, version) = (layout::COMMAND, self.version);
        let first = match self.server.command {
            InPlace::This => format!("{command} is up to date"),
            InPlace::Other => format!("would replace {command} with oomguard {version}"),
            InPlace::Nothing => format!("would install oomguard {version} as {command}"),
        };
        vec![first, format!("Step {} installs the unit of the agent", Step::Agent.number())]
    }

    fn plan_words(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.plan.notes.clone();
        lines.extend(self.unfinished.map(|id| format!("apply {id} was interrupted; this one finishes it")));
        lines.extend(self.refusals.iter().flat_map(refused));
        if self.refusals.is_empty() {
            lines.push(self.count());
        }
        lines
    }

    /// The program counts as a change, but is not part of the plan.
    fn count(&self) -> String {
        let (count, program) = (self.plan.changes.len(), self.server.needs_command());
        let step = Step::Install.number();
        match (count, program) {
            (0, false) => "nothing to change: the server matches the policy".to_owned(),
            (0, true) => format!("nothing to change except the program of Step {step}"),
            _ => {
                let program =
                    if program { format!(", and the program of Step {step}") } else { String::new() };
                format!(
                    "{} in steps 6 to 8, made by one apply in its own order{program}",
                    oomguard_text::counted(count, "change", "changes")
                )
            }
        }
    }

    fn part(&self, step: Step, words: &dyn Fn(&Change) -> String) -> Said {
        let part = self.plan.changes.iter().filter(|change| Step::of(change) == step);
        let mut lines: Vec<String> = part.map(words).collect();
        if lines.is_empty() {
            lines.push("nothing to do".to_owned());
        }
        Said::new(step, lines)
    }
}

fn refused(refusal: &Refusal) -> [String; 2] {
    [format!("refused: {}", refusal.reason), format!("  -> {}", refusal.advice)]
}

/// The step that installs the program, after it is done.
#[must_use]
pub fn installed(version: &str, changed: bool) -> Said {
    let command = layout::COMMAND;
    let line = if changed {
        format!("installed oomguard {version} as {command}")
    } else {
        format!("{command} is up to date")
    };
    Said::new(Step::Install, vec![line])
}

#[cfg(test)]
#[path = "setup_tests.rs"]
mod tests;
