//! The score that a live process should have: design rule "protect the keeper, never the load".

use oomguard_spec::policy::{Policy, ProcessRule, Protection};

use crate::facts::process_rules::{self, Match};
use crate::facts::{Facts, KeeperKind, Process};

/// What a process's score should be, and who source so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetScore {
    /// The bound.
    pub bound: Bound,
    /// Who source so, in words.
    pub source: String,
    /// Whether anybody may mend it: outside user.slice and the named units nothing is touched.
    pub fixable: bool,
}

impl TargetScore {
    /// The score that protects a keeper, if the policy protects this process.
    #[must_use]
    pub fn protection(&self) -> Option<i32> {
        match self.bound {
            Bound::Exactly(score) if score < 0 => Some(score),
            Bound::Exactly(_) | Bound::AtLeast(_) | Bound::Any => None,
        }
    }
}

/// A bound on a score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// A keeper: this, neither more nor less.
    Exactly(i32),
    /// Load: this or higher. A process may always make itself easier to kill.
    AtLeast(i32),
    /// Nothing is asked of it.
    Any,
}

impl Bound {
    /// The score to set, when `score` is not within the bound.
    #[must_use]
    pub fn correction(self, score: i32) -> Option<i32> {
        match self {
            Self::Exactly(wanted) => (score != wanted).then_some(wanted),
            Self::AtLeast(least) => (score < least).then_some(least),
            Self::Any => None,
        }
    }
}

/// A process whose score is out of its bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ScoreDecision<'f> {
    pub process: &'f Process,
    pub target: TargetScore,
    /// The score that is within the bound.
    pub to: i32,
}

/// Every process whose score is out of its bound.
pub(crate) fn decide<'f>(policy: &Policy, facts: &'f Facts) -> Vec<ScoreDecision<'f>> {
    let decide = |process: &'f Process| {
        let target = target_score(process, policy);
        let to = target.bound.correction(process.score)?;
        Some(ScoreDecision { process, target, to })
    };
    facts.processes.list.iter().filter_map(decide).collect()
}

/// The score that a process should have under a policy.
#[must_use]
pub fn target_score(process: &Process, policy: &Policy) -> TargetScore {
    let Some(protection) = &policy.oom_protection else { return anything() };
    named_process(process, protection)
        .or_else(|| keeper(process, protection))
        .or_else(|| named_service(process, protection))
        .unwrap_or_else(|| if process.in_user_slice() { load(protection) } else { own_unit(process) })
}

/// The first rule that fits decides. It may stand outside user.slice: then it is the policy that names it.
fn named_process(process: &Process, protection: &Protection) -> Option<TargetScore> {
    let (rule, matched) = process_rules::first_match(process, protection)?;
    if matched == Match::Unknown {
        return Some(anything());
    }
    let source = format!("the policy's rule for {}", title(rule));
    let score = rule.score.get();
    // A process may always make itself easier to kill than it must be.
    Some(if score < 0 {
        exactly(score, source)
    } else {
        TargetScore { bound: Bound::AtLeast(score), source, fixable: true }
    })
}

fn title(rule: &ProcessRule) -> String {
    let user = rule.user.as_ref().map(|user| format!(" of {user}")).unwrap_or_default();
    let what = rule.exe.as_ref().or(rule.command.as_ref()).or(rule.cgroup.as_ref());
    format!("{}{user}", what.map_or("a process", String::as_str))
}

fn keeper(process: &Process, protection: &Protection) -> Option<TargetScore> {
    let (score, source) = match process.keeper? {
        KeeperKind::UserManager => (protection.systemd_user, "the policy's systemd_user"),
        KeeperKind::Multiplexer => (protection.tmux_sessions, "the policy's tmux_sessions"),
        // Nobody can tell whether it really is one, so nothing is held against it.
        KeeperKind::MultiplexerUnseen => return Some(anything()),
        // It runs at its manager's score of a moment ago, and is gone before anybody could do something about it.
        KeeperKind::ManagerHelper => return Some(anything()),
    };
    Some(match score {
        Some(score) => exactly(score.get(), source),
        None => anything(),
    })
}

fn named_service(process: &Process, protection: &Protection) -> Option<TargetScore> {
    let unit = process.unit.as_deref()?;
    let services = protection.services.iter().map(|(pattern, rule)| (pattern, rule.score));
    let expendable = protection.expendable.iter().map(|(pattern, score)| (pattern, *score));
    let (pattern, score) = services.chain(expendable).find(|(pattern, _)| pattern.matches(unit))?;
    let source = format!("the policy's rule for {pattern}");
    // A service's own children may have lifted themselves, as PostgreSQL's do; only its main process is the keeper.
    let main = process.ppid == 1;
    Some(if main {
        exactly(score.get(), source)
    } else {
        TargetScore { bound: Bound::AtLeast(score.get()), source, fixable: true }
    })
}

fn load(protection: &Protection) -> TargetScore {
    let source = "the policy's load: what a session starts is never protected".to_owned();
    TargetScore { bound: Bound::AtLeast(protection.load.get()), source, fixable: true }
}

/// Outside sessions and named units: a daemon may protect itself, but what it starts runs as its unit source.
fn own_unit(process: &Process) -> TargetScore {
    if process.ppid <= 1 {
        return anything();
    }
    let declared = process.unit_score.as_ref().and_then(|unit| unit.score.as_ref());
    let least = declared.and_then(|setting| setting.score()).unwrap_or(0).min(0);
    let source = match declared {
        Some(setting) => format!("{}:{}", setting.path, setting.line),
        None => "a unit that sets no score".to_owned(),
    };
    // What a named process starts inherits what the policy gave it, so the policy takes it off again.
    TargetScore { bound: Bound::AtLeast(least), source, fixable: process.under_keeper }
}

fn exactly(score: i32, source: impl Into<String>) -> TargetScore {
    TargetScore { bound: Bound::Exactly(score), source: source.into(), fixable: true }
}

fn anything() -> TargetScore {
    TargetScore { bound: Bound::Any, source: String::new(), fixable: false }
}
