//! The one screen of `status`.

use oomguard_converge::Facts;
use oomguard_converge::facts::swap::{AreaKind, Owner};
use oomguard_converge::target_score::{Bound, target_score};
use oomguard_spec::policy::Policy;
use oomguard_spec::size::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::{NotRead, not_read};
use super::{Paint, Terminal};

/// What `oomguard status` shows.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Screen {
    /// `oomguard.status/1`
    pub schema: String,
    /// What the host calls itself.
    pub host: String,
    /// MemTotal in bytes.
    pub memory_bytes: u64,
    /// MemAvailable in bytes.
    pub available_bytes: Option<u64>,
    /// Every swap that is on.
    pub swap: Vec<SwapLine>,
    /// vm.swappiness now.
    pub swappiness: Option<u32>,
    /// What the next boot sets it to, as it is written there; nothing when no file sets it.
    pub swappiness_after_boot: Option<String>,
    /// Where that stands: `PATH:LINE`.
    pub swappiness_from: Option<String>,
    /// Memory pressure: the share of the last 10, 60 and 300 seconds in which every task waited, in percent.
    pub pressure_full: Option<[f64; 3]>,
    /// Memory pressure: the share in which some task waited, in percent.
    pub pressure_some: Option<[f64; 3]>,
    /// Protected processes and keepers.
    pub processes: Vec<ProcessLine>,
    /// What this user could not read.
    pub unread: Vec<NotRead>,
}

/// A swap that is on.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SwapLine {
    /// The file or device.
    pub path: String,
    /// In bytes.
    pub size_bytes: u64,
    /// In bytes.
    pub used_bytes: u64,
    /// Higher is used first.
    pub priority: i32,
    /// `oomguard`, `somebody else`, `not known`, `zram`.
    pub made_by: String,
    /// Whether the next boot switches it on.
    pub after_boot: bool,
}

/// A protected process or keeper.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ProcessLine {
    /// Its number.
    pub pid: i32,
    /// Its name.
    pub comm: String,
    /// The system's unit that it is in.
    pub unit: Option<String>,
    /// Its oom_score_adj.
    pub score: i32,
    /// What it should be: `-900`, `0 or higher`; nothing when nobody says.
    pub should: Option<String>,
    /// Whether it is so.
    pub right: bool,
}

impl Screen {
    /// What is to be shown of a host.
    pub fn new(host: String, policy: &Policy, facts: &Facts) -> Self {
        let averages = |a: &oomguard_host::proc::pressure::Averages| [a.avg10, a.avg60, a.avg300];
        let pressure = facts.pressure.as_ref();
        Self {
            schema: "oomguard.status/1".to_owned(),
            host,
            memory_bytes: facts.memory.mem_total,
            available_bytes: facts.memory.mem_available,
            swap: swap_lines(facts),
            swappiness: facts.swappiness.live,
            swappiness_after_boot: facts.swappiness.winner().map(|line| line.value.clone()),
            swappiness_from: facts.swappiness.winner().map(|line| format!("{}:{}", line.path, line.line)),
            pressure_full: pressure.and_then(|p| p.full.as_ref()).map(averages),
            pressure_some: pressure.map(|p| averages(&p.some)),
            processes: process_lines(policy, facts),
            unread: NotRead::all(facts),
        }
    }

    /// The screen for programs.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// The screen for a person.
    pub fn text(&self, policy: &str, terminal: &Terminal) -> String {
        let bold = |text: &str| terminal.paint(Paint::Bold, text);
        let available =
            self.available_bytes.map(|bytes| format!(", {} available", Bytes(bytes))).unwrap_or_default();
        let memory = Bytes(self.memory_bytes);
        let mut text = format!("{}: {memory} of memory{available}\npolicy: {policy}\n\n", bold(&self.host));
        text.push_str(&format!("{}\n", bold("Swap")));
        if self.swap.is_empty() {
            text.push_str(if self.does_not_know("/proc/swaps") { "  not known\n" } else { "  none\n" });
        }
        for swap in &self.swap {
            let boot = if swap.after_boot { "on again after a boot" } else { "NOT on after a boot" };
            text.push_str(&format!(
                "  {}: {}, {} used, priority {}, made by {}, {boot}\n",
                swap.path,
                Bytes(swap.size_bytes),
                Bytes(swap.used_bytes),
                swap.priority,
                swap.made_by
            ));
        }
        let swappiness = self.swappiness.map_or_else(|| "not known".to_owned(), |value| value.to_string());
        let after_boot = match (&self.swappiness_after_boot, &self.swappiness_from) {
            (Some(value), Some(place)) => format!("{value}, by {place}"),
            _ => "60, the kernel's default: no file sets it".to_owned(),
        };
        text.push_str(&format!("{}\n  now         {swappiness}\n", bold("Swappiness")));
        text.push_str(&format!("  after boot  {after_boot}\n"));
        text.push_str(&format!("{}\n{}", bold("Waiting for memory"), self.pressure_words()));
        text.push_str(&format!("{}\n", bold("Keepers and protected processes")));
        text.push_str(&self.process_table(terminal));
        text.push_str(&not_read(&self.unread));
        text
    }

    fn does_not_know(&self, what: &str) -> bool {
        self.unread.iter().any(|unread| unread.what == what)
    }

    fn process_table(&self, terminal: &Terminal) -> String {
        if self.processes.is_empty() {
            let text = if self.does_not_know("/proc") { "  not known\n" } else { "  none\n" };
            return text.to_owned();
        }
        let unit = |process: &ProcessLine| process.unit.clone().unwrap_or_else(|| "-".to_owned());
        let widest = self.processes.iter().map(|process| unit(process).chars().count()).max().unwrap_or(0);
        let mut text = format!("  {:>7} {:<16} {:>5}  unit\n", "pid", "name", "score");
        for process in &self.processes {
            let should = match (&process.should, process.right) {
                (None, _) => "declared by itself or its unit".to_owned(),
                (Some(_), true) => "as it should be".to_owned(),
                (Some(should), false) => terminal.paint(Paint::Red, &format!("SHOULD BE {should}")),
            };
            text.push_str(&format!(
                "  {:>7} {:<16} {:>5}  {:<widest$}  {should}\n",
                process.pid,
                process.comm,
                process.score,
                unit(process)
            ));
        }
        text
    }

    fn pressure_words(&self) -> String {
        let line = |who: &str, [ten, sixty, three_hundred]: [f64; 3]| {
            format!("  {who:<11} {ten} % of the last 10 s, {sixty} % of 60 s, {three_hundred} % of 5 min\n")
        };
        let Some(some) = self.pressure_some else { return "  not known\n".to_owned() };
        line("some tasks", some) + &self.pressure_full.map(|full| line("all tasks", full)).unwrap_or_default()
    }
}

fn swap_lines(facts: &Facts) -> Vec<SwapLine> {
    let line = |area: &oomguard_converge::facts::swap::Area| SwapLine {
        path: area.path.clone(),
        size_bytes: area.size,
        used_bytes: area.used,
        priority: area.priority,
        made_by: match (area.kind, area.owner) {
            (AreaKind::Zram, _) => "zram",
            (_, Owner::Ours) => "oomguard",
            (_, Owner::Foreign) => "somebody else",
            (_, Owner::Unknown) => "not known",
        }
        .to_owned(),
        after_boot: facts.swap.is_persistent(&area.path),
    };
    facts.swap.areas.iter().map(line).collect()
}

fn process_lines(policy: &Policy, facts: &Facts) -> Vec<ProcessLine> {
    let line = |process: &oomguard_converge::facts::Process| {
        let bound = target_score(process, policy).bound;
        ProcessLine {
            pid: process.pid,
            comm: process.comm.clone(),
            unit: process.unit.clone(),
            score: process.score,
            should: match bound {
                Bound::Exactly(score) => Some(score.to_string()),
                Bound::AtLeast(score) => Some(format!("{score} or higher")),
                Bound::Any => None,
            },
            right: bound.correction(process.score).is_none(),
        }
    };
    facts.processes.list.iter().map(line).collect()
}
