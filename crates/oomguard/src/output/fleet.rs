//! What came of several hosts: JSON for programs, a table with the worst first, and lines while they are in hand.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar};
use oomguard_converge::Plan;
use oomguard_fleet::failure::safe;
use oomguard_fleet::host_name::HostName;
use oomguard_fleet::job::Task;
use oomguard_fleet::outcome::{Outcome, State};
use oomguard_fleet::rollout::Watcher;
use oomguard_fleet::run::StoredRun;
use oomguard_fleet::session::Event;
use oomguard_fleet::setup::{self, Said};
use oomguard_fleet::status::{HostStatus, moment};
use oomguard_report::{StatusReport, SwapStatus};
use oomguard_spec::size::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::lines::wrap;
use super::{Paint, Terminal, counted, pretty};

/// What is reported of several hosts.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// `oomguard.fleet/1`
    pub schema: String,
    /// The run; nothing for `fleet status`, which is out of all runs.
    pub run: Option<String>,
    /// What was asked: `check`, `plan`, `apply`, `status`, `rollback`, `incident`, `setup`.
    pub task: Option<String>,
    /// Each host.
    pub hosts: Vec<HostReport>,
}

/// What is reported of one host.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct HostReport {
    /// What came of it.
    pub outcome: Outcome,
    /// Where its policy comes from.
    pub policy: String,
    /// When it last answered, in seconds since 1970.
    pub seen: Option<u64>,
    /// Its status then.
    pub status: Option<StatusReport>,
    /// What would be changed.
    pub plan: Option<Plan>,
    /// The report of `check`, `rank` or `incident`.
    pub report: Option<oomguard_report::Report>,
}

const SCHEMA: &str = "oomguard.fleet/1";

/// A run for programs.
pub fn json(kept: &StoredRun, outcomes: &[Outcome]) -> String {
    let host = |(outcome, member): (&Outcome, &oomguard_fleet::run::Member)| HostReport {
        policy: kept.run.policies.get(&member.policy).map(|policy| policy.name.clone()).unwrap_or_default(),
        seen: outcome.seen,
        status: kept.status(&outcome.target),
        plan: kept.plan(&outcome.target),
        report: kept.report(&outcome.target),
        outcome: outcome.clone(),
    };
    pretty(&Report {
        schema: SCHEMA.to_owned(),
        run: Some(kept.run.id.clone()),
        task: Some(kept.run.task.name().to_owned()),
        hosts: outcomes.iter().zip(&kept.run.hosts).map(host).collect(),
    })
}

/// How hosts stand, for programs.
pub fn status_json(standings: &[HostStatus]) -> String {
    let host = |standing: &HostStatus| HostReport {
        outcome: standing.outcome.clone(),
        policy: standing.policy.clone(),
        seen: standing.seen,
        status: standing.status.clone(),
        plan: None,
        report: None,
    };
    let hosts = standings.iter().map(host).collect();
    pretty(&Report { schema: SCHEMA.to_owned(), run: None, task: None, hosts })
}

/// A run for people: the worst host first, the summary last.
pub fn text(kept: &StoredRun, outcomes: &[Outcome], terminal: &Terminal) -> String {
    let mut sorted: Vec<&Outcome> = outcomes.iter().collect();
    sorted.sort_by_key(|outcome| outcome.state);
    let widest = widest(sorted.iter().copied());
    let mut text = String::new();
    for outcome in sorted {
        let what = match kept.run.task {
            Task::Incident { .. } => incident_words(kept, outcome),
            Task::Status => status_words(kept, outcome),
            _ => what(outcome),
        };
        text.push_str(&host_lines(outcome, widest, &what, terminal));
    }
    let failed = outcomes.iter().filter(|outcome| outcome.state <= State::NotReached).count();
    let differ = outcomes.iter().filter(|outcome| outcome.state == State::Differs).count();
    let all = outcomes.len();
    let id = &kept.run.id;
    if failed > 0 {
        text.push_str(&format!("`oomguard fleet resume {id}` retries the failed hosts.\n"));
    }
    let (paint, words) = match (failed, differ) {
        (0, 0) => (Paint::Green, format!("OK: {all} of {}", counted(all, "host"))),
        _ => {
            let paint = if failed > 0 { Paint::Red } else { Paint::Yellow };
            (
                paint,
                format!(
                    "{failed} of {} failed, {differ} differ, {} OK",
                    counted(all, "host"),
                    all - failed - differ
                ),
            )
        }
    };
    format!("{text}{} (`oomguard fleet show {id}`)\n", terminal.paint(paint, &words))
}

/// The state of a host, its name, and what is to be said, indented below itself.
fn host_lines(outcome: &Outcome, widest: usize, what: &str, terminal: &Terminal) -> String {
    let state = format!("{:<11}", outcome.state.word());
    let painted = match outcome.state {
        State::Failed | State::NotReached => terminal.paint(Paint::Red, &state),
        State::Differs => terminal.paint(Paint::Yellow, &state),
        _ => state.clone(),
    };
    let indent = 11 + 1 + widest + 2;
    let mut text = String::new();
    for (number, line) in what.lines().enumerate() {
        let name = if number == 0 { outcome.target.name.as_str() } else { "" };
        let head = if number == 0 { state.as_str() } else { "" };
        let line = wrap(&format!("{head:<11} {name:<widest$}  {line}"), indent, terminal.columns());
        text.push_str(&(if number == 0 { line.replacen(&state, &painted, 1) } else { line }));
        text.push('\n');
    }
    text
}

fn widest<'a>(outcomes: impl Iterator<Item = &'a Outcome>) -> usize {
    outcomes.map(|outcome| outcome.target.name.as_str().chars().count()).max().unwrap_or(0)
}

fn what(outcome: &Outcome) -> String {
    let mut text = match &outcome.failure {
        Some(failure) => format!("{}\n-> {}", failure.message, failure.advice),
        None => outcome.summary.clone(),
    };
    text.extend(outcome.warnings.iter().map(|warning| format!("\nwarning: {warning}")));
    text
}

fn incident_words(kept: &StoredRun, outcome: &Outcome) -> String {
    let report = kept.report(&outcome.target).filter(|_| outcome.failure.is_none());
    let Some(report) = report.and_then(oomguard_report::Report::into_incident) else {
        return what(outcome);
    };
    match report.incidents.last() {
        None => "no OOM kill in its log".to_owned(),
        Some(last) => format!(
            "{}; the last one {}: {}",
            counted(report.incidents.len(), "incident"),
            safe(last.start.as_deref().unwrap_or_default()),
            safe(&last.summary)
        ),
    }
}

fn status_words(kept: &StoredRun, outcome: &Outcome) -> String {
    let status = kept.status(&outcome.target).filter(|_| outcome.failure.is_none());
    let Some(status) = status else { return what(outcome) };
    let sum = |of: fn(&SwapStatus) -> u64| Bytes(status.swap.iter().map(of).fold(0, u64::saturating_add));
    let swap = if status.swap.is_empty() {
        "no swap".to_owned()
    } else {
        format!("{} of swap, {} used", sum(|swap| swap.size_bytes), sum(|swap| swap.used_bytes))
    };
    let available = status.available_bytes.map(|bytes| format!(", {} available", Bytes(bytes)));
    let swappiness = status.swappiness.map(|value| format!(", swappiness {value}"));
    format!(
        "{} of memory{}; {swap}{}\n{}",
        Bytes(status.memory_bytes),
        available.unwrap_or_default(),
        swappiness.unwrap_or_default(),
        outcome.summary
    )
}

/// The last known state of each host, for people.
pub fn status_text(standings: &[HostStatus], terminal: &Terminal) -> String {
    if standings.is_empty() {
        return "No hosts yet: `oomguard check --inventory FILE` checks some.\n".to_owned();
    }
    let widest = widest(standings.iter().map(|standing| &standing.outcome));
    let line = |standing: &HostStatus| {
        let what = format!("{}  {}", moment(standing.seen), what(&standing.outcome));
        host_lines(&standing.outcome, widest, &what, terminal)
    };
    standings.iter().map(line).collect()
}

/// All runs, for people.
pub fn runs_table(runs: &[StoredRun]) -> String {
    if runs.is_empty() {
        return "No runs yet: `oomguard check --inventory FILE` makes one.\n".to_owned();
    }
    let line = |kept: &StoredRun| {
        let [hosts, failed] = counts(kept);
        let open = if failed == 0 { String::new() } else { format!(", {failed} failed") };
        format!("{}  {:<8}  {}{open}\n", kept.run.id, kept.run.task.name(), counted(hosts, "host"))
    };
    runs.iter().map(line).collect()
}

/// All runs, as they are listed.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RunsReport {
    /// `oomguard.fleet-runs/1`
    pub schema: String,
    /// The runs, the latest last.
    pub runs: Vec<RunReport>,
}

/// A run, as it is listed.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RunReport {
    /// Its name.
    pub id: String,
    /// What was asked: `check`, `plan`, `apply`, `status`, `rollback`, `incident`, `setup`.
    pub task: String,
    /// Seconds since 1970.
    pub started: u64,
    /// How many hosts it has.
    pub hosts: usize,
    /// How many of them failed or were not reached: `fleet resume` asks those.
    pub failed_or_not_reached: usize,
}

/// All runs, for programs.
pub fn runs_json(runs: &[StoredRun]) -> String {
    let one = |kept: &StoredRun| {
        let [hosts, failed_or_not_reached] = counts(kept);
        let (id, task) = (kept.run.id.clone(), kept.run.task.name().to_owned());
        RunReport { id, task, started: kept.run.started, hosts, failed_or_not_reached }
    };
    pretty(&RunsReport { schema: "oomguard.fleet-runs/1".to_owned(), runs: runs.iter().map(one).collect() })
}

fn counts(kept: &StoredRun) -> [usize; 2] {
    [kept.run.hosts.len(), kept.unfinished().len()]
}

/// A line for each host in hand on a terminal; plain lines elsewhere. On standard error, both.
pub struct Progress {
    bars: Option<MultiProgress>,
    of: BTreeMap<HostName, ProgressBar>,
    hosts: usize,
    done: usize,
    /// Whether a line needs the name of its host.
    several: bool,
    /// Whether standard output is for JSON alone.
    json: bool,
    /// The steps of a setup that stand there already.
    headed: BTreeSet<(HostName, setup::Step)>,
}

impl Progress {
    pub fn new(hosts: usize, json: bool) -> Self {
        let bars = std::io::stderr().is_terminal().then(MultiProgress::new);
        Self { bars, of: BTreeMap::new(), hosts, done: 0, several: hosts > 1, json, headed: BTreeSet::new() }
    }

    fn say(&self, line: &str) {
        match &self.bars {
            // Nobody is left to tell when it fails; the hosts go on.
            Some(bars) => drop(bars.println(line)),
            None => drop(writeln!(std::io::stderr().lock(), "{line}")),
        }
    }
}

impl Progress {
    /// A step of a setup, on standard output: it is what the command is asked for, unless JSON is.
    ///
    /// What was done after all steps were said has the number of its step.
    fn print(&mut self, host: &HostName, said: &Said) {
        let name = if self.several { format!("{host}: ") } else { String::new() };
        let blank = if self.several { "" } else { "\n" };
        let mut text = blank.to_owned();
        let mut number = format!("Step {} ", said.step.number());
        if self.headed.insert((host.clone(), said.step)) {
            text.push_str(&format!("{name}{}\n", said.head()));
            number.clear();
        }
        text.extend(said.lines.iter().map(|line| format!("{name}  {number}{line}\n")));
        let json = self.json;
        let print = || {
            let mut out: Box<dyn Write> =
                if json { Box::new(std::io::stderr().lock()) } else { Box::new(std::io::stdout().lock()) };
            // When nobody reads any more, the hosts go on.
            let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        };
        match &self.bars {
            Some(bars) => bars.suspend(print),
            None => print(),
        }
    }
}

impl Watcher for Progress {
    fn event(&mut self, host: &HostName, event: &Event) {
        let words = match event {
            Event::Asked => "asked".to_owned(),
            Event::Pushes { bytes } => format!("gets oomguard, {}", Bytes(*bytes as u64)),
            Event::Step { number, total, step, part_of } => {
                let part = part_of.map(|part| format!("Step {} ", part.number())).unwrap_or_default();
                format!("{part}[{number:>2}/{total}] {step}")
            }
            Event::Setup(said) => return self.print(host, said),
            Event::Health => "is looked at again".to_owned(),
        };
        match &self.bars {
            Some(bars) => {
                let bar = self.of.entry(host.clone()).or_insert_with(|| {
                    let bar = bars.add(ProgressBar::new_spinner());
                    bar.enable_steady_tick(Duration::from_millis(250));
                    bar
                });
                bar.set_message(format!("{host}: {words}"));
            }
            // Hundreds of hosts that are asked are no news.
            None if *event == Event::Asked => {}
            None => self.say(&format!("{host}: {words}")),
        }
    }

    fn done(&mut self, outcome: &Outcome) {
        if let Some(bar) = self.of.remove(&outcome.target.name) {
            bar.finish_and_clear();
        }
        for warning in &outcome.warnings {
            self.say(&format!("{}: warning: {warning}", outcome.target.name));
        }
        self.done += 1;
        let hosts = self.hosts;
        self.say(&format!("{}: {} ({}/{hosts})", outcome.target.name, outcome.summary, self.done));
    }

    fn wave(&mut self, number: usize, total: usize, hosts: usize) {
        self.done = 0;
        self.hosts = hosts;
        self.say(&format!("wave {number} of {total}: {}", counted(hosts, "host")));
    }

    fn now(&self) -> u64 {
        oomguard_host::Host::live().now()
    }
}
