//! The steps of a setup: what they are called, which change of a plan belongs to which, and what is said of each.
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
    /// Who oomguard is there.
    Rights,
    /// Which system it is.
    System,
    /// How much memory and disk it has.
    Room,
    /// The command in /usr/local/bin.
    Install,
    /// What differs from the policy.
    Plan,
    /// Swap, its line in fstab, and swappiness.
    Swap,
    /// Drop-ins and live scores.
    Protect,
    /// The agent's unit, program and policy.
    Agent,
    /// Whether it is so.
    Verify,
    /// What swap there is then.
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

/// What a host is asked for in a setup: first a look, then the change, then a look over a new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// All steps, and nothing is changed.
    DryRun,
    /// The steps up to the plan's parts; those after them too, when there is nothing to change.
    Preflight,
    /// The program in its place, and the plan applied.
    Change,
    /// The steps after that.
    Verify,
}

/// What is said of a step on a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Said {
    /// The step.
    pub step: Step,
    /// Lines of text.
    pub lines: Vec<String>,
}

impl Said {
    /// A step with what is said of it.
    #[must_use]
    pub fn new(step: Step, lines: Vec<String>) -> Self {
        Self { step, lines }
    }

    /// The line above it: `Step 6 - Configure swap memory`.
    #[must_use]
    pub fn head(&self) -> String {
        format!("Step {} - {}", self.step.number(), self.step.title())
    }
}

/// Which step each step of an apply belongs to: one for each that the journal counts.
#[must_use]
pub fn belongs_to(changes: &[Change]) -> Vec<Step> {
    let of = |change| step::steps_of(change).into_iter().map(move |_| Step::of(change));
    changes.iter().flat_map(of).collect()
}

/// A host that was looked at.
#[derive(Clone, Copy, Debug)]
pub struct Looked<'a> {
    /// What it is.
    pub server: &'a Server,
    /// What would be changed.
    pub plan: &'a Plan,
    /// What speaks against the plan there.
    pub refusals: &'a [Refusal],
    /// An apply that was cut, and that the next one finishes.
    pub unfinished: Option<&'a str>,
    /// The version of oomguard that looks.
    pub version: &'a str,
}

impl Looked<'_> {
    /// Everything that speaks against the setup.
    #[must_use]
    pub fn all_refusals(&self) -> Vec<Refusal> {
        let own = [self.server.system_refusal(), self.server.room_refusal()];
        own.into_iter().flatten().chain(self.refusals.iter().cloned()).collect()
    }

    /// How many changes a setup makes: the plan's, and the program.
    #[must_use]
    pub fn changes(&self) -> usize {
        self.plan.changes.len() + usize::from(self.server.needs_command())
    }

    /// Whether a setup changes something.
    #[must_use]
    pub fn must_change(&self) -> bool {
        self.changes() > 0 || self.unfinished.is_some()
    }

    /// The steps before the first change. What is refused ends them; `words` says a change in one line.
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
            return vec!["this is root, by its login or by `sudo -n`".to_owned()];
        }
        vec![
            "this is not root, and sudo asks for a password: a real run would end here".to_owned(),
            "what this user cannot read is left out below".to_owned(),
        ]
    }

    fn system(&self) -> Vec<String> {
        let Server { system, version, kernel, systemd_runs, .. } = self.server;
        let systemd = if *systemd_runs { "systemd runs" } else { "systemd does not run" };
        vec![format!("{system} {version}, Linux {kernel}, {systemd}")]
    }

    fn room(&self) -> Vec<String> {
        let (memory, free) = (Bytes(self.server.memory), Bytes(self.server.free));
        vec![
            format!("{memory} of memory; {free} free for the program"),
            format!("Step {} says whether the swap file fits", Step::Plan.number()),
        ]
    }

    fn install(&self) -> Vec<String> {
        let (command, version) = (layout::COMMAND, self.version);
        let first = match self.server.command {
            InPlace::This => format!("{command} is this version already"),
            InPlace::Other => format!("oomguard {version} is to replace what is at {command}"),
            InPlace::Nothing => format!("oomguard {version} is to be put at {command}"),
        };
        vec![first, format!("its unit comes with the agent, in Step {}", Step::Agent.number())]
    }

    fn plan_words(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.plan.notes.clone();
        lines.extend(
            self.unfinished.map(|id| format!("the apply {id} was interrupted; this one finishes it")),
        );
        lines.extend(self.refusals.iter().flat_map(refused));
        if self.refusals.is_empty() {
            lines.push(self.count());
        }
        lines
    }

    /// The program counts as a change, and is none of the plan.
    fn count(&self) -> String {
        let (count, program) = (self.plan.changes.len(), self.server.needs_command());
        let step = Step::Install.number();
        match (count, program) {
            (0, false) => "nothing to change: the server is as the policy says".to_owned(),
            (0, true) => format!("nothing to change but the program of Step {step}"),
            _ => {
                let program =
                    if program { format!(", and the program of Step {step}") } else { String::new() };
                format!(
                    "{} in the steps 6 to 8, made by one apply in its own order{program}",
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

/// What was done about the program.
#[must_use]
pub fn installed(version: &str, changed: bool) -> Said {
    let command = layout::COMMAND;
    let line = if changed {
        format!("oomguard {version} is put at {command}")
    } else {
        format!("{command} is this version already")
    };
    Said::new(Step::Install, vec![line])
}

#[cfg(test)]
#[path = "setup_tests.rs"]
mod tests;
