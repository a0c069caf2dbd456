//! The parts of a record, each out of what was done and seen.

use std::collections::BTreeSet;

use oomguard_converge::change::Change;
use oomguard_converge::{Finding, Severity};
use oomguard_incident::render::cspec;
use oomguard_spec::Yaml;

use super::safe;
use super::{Session, State, Work, trial, words};

/// How many lines a list of one host has, at most.
const MAX_LINES: usize = 60;

/// The day of a moment in seconds since 1970, in UTC.
pub fn day(now: u64) -> String {
    let time = i64::try_from(now).ok().and_then(|now| jiff::Timestamp::from_second(now).ok());
    time.unwrap_or_default().strftime("%Y-%m-%d").to_string()
}

/// A title as a part of an id: small letters, digits and dashes.
pub fn slug(title: &str) -> String {
    let words = title.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mut slug = String::new();
    for word in words.map(str::to_ascii_lowercase) {
        if slug.len() + word.len() > 60 {
            break;
        }
        if !slug.is_empty() {
            slug.push('-');
        }
        slug.push_str(&word);
    }
    if slug.is_empty() { "session".to_owned() } else { slug }
}

fn counted(number: usize, word: &str) -> String {
    oomguard_text::counted(number, word, &format!("{word}s"))
}

fn in_state(session: &Session, state: State) -> Vec<&Work> {
    session.works.iter().filter(|work| work.state == state).collect()
}

/// What was done, in sentences.
pub fn summary(session: &Session) -> String {
    let mut text = String::new();
    if let Some(occasion) = &session.occasion {
        text.push_str(&format!("{}. ", safe(&occasion.incident.summary)));
    }
    if session.works.is_empty() {
        text.push_str("Nothing was changed yet.");
        text.push_str(&trial::sentence(&session.trials));
        return text;
    }
    let groups = [
        (State::Applied, "changed as the policy says"),
        (State::AlreadySo, "as the policy says without a change"),
        (State::NotYet, "not yet changed"),
        (State::Undone, "changed and put back as before"),
        (State::Cut, "cut in the middle of a change"),
    ];
    let parts = groups.iter().filter_map(|(state, what)| {
        let number = in_state(session, *state).len();
        (number > 0).then(|| format!("{number} {what}"))
    });
    text.push_str(&format!(
        "{}: {}.",
        counted(session.works.len(), "host"),
        parts.collect::<Vec<_>>().join(", ")
    ));
    let changes: usize = in_state(session, State::Applied).iter().map(|work| work.changes.len()).sum();
    let left: usize = session.works.iter().map(|work| open(work).len()).sum();
    if changes > 0 {
        text.push_str(&format!(" {} in all.", counted(changes, "change")));
    }
    text.push_str(&match left {
        0 => " No check found a difference from the policy.".to_owned(),
        left => format!(" The checks found {} from the policy.", counted(left, "difference")),
    });
    if session.works.iter().any(|work| work.checked.is_none()) {
        text.push_str(" Not every host could be checked.");
    }
    text.push_str(&trial::sentence(&session.trials));
    text
}

/// The findings that make a host differ.
fn open(work: &Work) -> Vec<&Finding> {
    work.checked.iter().flatten().filter(|finding| finding.severity.differs()).collect()
}

pub fn context(session: &Session) -> Yaml {
    let mut pairs = match session.occasion.as_ref().map(|at| cspec::context(&at.incident, &at.source)) {
        Some(Yaml::Map(pairs)) => pairs,
        _ => vec![("incident".to_owned(), Yaml::text("none: this work was not done because of one"))],
    };
    let hosts: Vec<(String, Yaml)> = session
        .works
        .iter()
        .filter_map(|work| {
            let before = before(work);
            (!before.is_empty()).then(|| (safe(&work.seen.hostname), Yaml::Map(before)))
        })
        .collect();
    let found =
        if hosts.is_empty() { Vec::new() } else { vec![("before".to_owned(), Yaml::Map(unique(hosts)))] };
    match pairs.iter_mut().find(|(key, _)| key == "investigation") {
        Some((_, Yaml::Map(investigation))) => investigation.extend(found),
        _ => pairs.push(("investigation".to_owned(), Yaml::Map(found))),
    }
    Yaml::Map(pairs)
}

/// One host may be in several runs of a session: a key stands once.
fn unique(pairs: Vec<(String, Yaml)>) -> Vec<(String, Yaml)> {
    let mut seen = BTreeSet::new();
    pairs.into_iter().filter(|(key, _)| seen.insert(key.clone())).collect()
}

/// How a host was before it was changed, as far as its changes show it.
fn before(work: &Work) -> Vec<(String, Yaml)> {
    let values = work.changes.iter().filter_map(words::before);
    let mut pairs: Vec<(String, Yaml)> = values.map(|(key, value)| (key, Yaml::Text(safe(&value)))).collect();
    let makes_swap = |change: &Change| matches!(change, Change::SwapCreate { .. });
    let scores = work.changes.iter().filter_map(|change| match change {
        Change::Score { pid, comm, from, .. } => Some(safe(&format!("{comm} (PID {pid}) at {from}"))),
        _ => None,
    });
    let scores: Vec<String> = scores.take(MAX_LINES).collect();
    if !scores.is_empty() {
        pairs.push(("scores_before".to_owned(), Yaml::texts(scores)));
    }
    if work.changes.iter().any(makes_swap) {
        pairs.push(("swap_before".to_owned(), Yaml::text("not what the policy asks for")));
    }
    unique(pairs)
}

/// What the policies ask for; of an incident alone, what it advises.
pub fn objectives(session: &Session) -> Vec<String> {
    let asked: BTreeSet<String> = session
        .works
        .iter()
        .filter_map(|work| work.policy.as_ref())
        .flat_map(|named| words::objectives(&named.policy))
        .collect();
    match &session.occasion {
        Some(occasion) if asked.is_empty() => cspec::next_steps(&occasion.incident),
        _ => asked.into_iter().collect(),
    }
}

pub fn deliverables(session: &Session) -> Yaml {
    let names = |states: &[State]| {
        let of = session.works.iter().filter(|work| states.contains(&work.state));
        let names: BTreeSet<String> = of.map(|work| safe(&work.seen.hostname)).collect();
        Yaml::texts(names)
    };
    let hosts = session.works.iter().filter(|work| !work.changes.is_empty()).map(|work| {
        let changes = work.changes.iter().take(MAX_LINES).map(|change| safe(&words::done(change)));
        let mut lines: Vec<String> = changes.collect();
        if let Some(more) = work.changes.len().checked_sub(MAX_LINES).filter(|more| *more > 0) {
            lines.push(format!("and {} more", counted(more, "change")));
        }
        let heading = match work.state {
            State::Applied | State::AlreadySo => "changes",
            State::NotYet => "changes_to_come",
            State::Undone => "changes_taken_back",
            State::Cut => "changes_begun",
        };
        Yaml::Map(
            [
                ("host", Yaml::text(safe(&work.seen.hostname))),
                ("journal", Yaml::texts(work.ids.iter().map(|id| safe(id)))),
                (heading, Yaml::texts(lines)),
            ]
            .map(|(key, value)| (key.to_owned(), value))
            .to_vec(),
        )
    });
    Yaml::map([
        ("hosts_applied", names(&[State::Applied, State::AlreadySo])),
        ("hosts_not_yet_applied", names(&[State::NotYet, State::Undone, State::Cut])),
        ("per_host", Yaml::List(hosts.collect())),
    ])
}

/// Every path that was made, changed or taken away on a host, each once, in the order of the alphabet.
pub fn files(session: &Session) -> BTreeSet<String> {
    let changed = session.works.iter().filter(|work| matches!(work.state, State::Applied | State::Cut));
    changed.flat_map(|work| &work.changes).filter_map(words::file).map(safe).collect()
}

/// The checks that were run, each with what it expected and what it found.
pub fn testing(session: &Session) -> Yaml {
    let checks = session.works.iter().map(|work| {
        let policy = work.policy.as_ref().map_or("", |named| named.name.as_str());
        let mut pairs = vec![
            ("host", Yaml::text(safe(&work.seen.hostname))),
            ("command", Yaml::word("oomguard check")),
            ("policy", Yaml::text(safe(policy))),
            ("expected", Yaml::text("no difference from the policy")),
            ("result", Yaml::text(result(work))),
        ];
        let found = work.checked.iter().flatten().take(MAX_LINES).map(|finding| {
            let severity = match finding.severity {
                Severity::Critical => "critical",
                Severity::Warning => "warning",
                Severity::Advice => "advice",
            };
            safe(&format!(
                "{severity} {}: {} is {}, should be {}",
                finding.kind, finding.subject, finding.is, finding.should
            ))
        });
        let found: Vec<String> = found.collect();
        if !found.is_empty() {
            pairs.push(("found", Yaml::texts(found)));
        }
        if !work.not_known.is_empty() {
            pairs
                .push(("not_known", Yaml::texts(work.not_known.iter().take(MAX_LINES).map(|one| safe(one)))));
        }
        Yaml::Map(pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    });
    let checks = ("checks", Yaml::List(checks.collect()));
    if session.trials.is_empty() {
        return Yaml::map([checks]);
    }
    Yaml::map([checks, ("drills", trial::drills(&session.trials))])
}

fn result(work: &Work) -> String {
    let unknown = if work.not_known.is_empty() { "" } else { ", as far as it could be read" };
    match (&work.checked, open(work).len()) {
        (None, _) => "not run".to_owned(),
        (Some(_), 0) => format!("as expected{unknown}"),
        (Some(_), number) => format!("{}{unknown}", counted(number, "difference")),
    }
}

pub fn next_steps(session: &Session) -> Vec<String> {
    let mut steps: Vec<String> = Vec::new();
    for work in &session.works {
        let host = safe(&work.seen.hostname);
        if let Some((problem, advice)) = &work.seen.problem {
            steps.push(format!("{host}: {}: {}", safe(problem), safe(advice)));
        }
        steps.extend(work.refusals.iter().map(|refusal| format!("{host}: {}", safe(&refusal.advice))));
        match work.state {
            State::NotYet if work.refusals.is_empty() && work.seen.problem.is_none() => {
                steps.push(format!("Apply the policy on {host}"));
            }
            State::Cut => steps.push(format!("{host}: the same apply again finishes what was cut")),
            State::Undone => {
                steps.push(format!("Decide what {host} is to be like: what was applied is taken back"))
            }
            _ => {
                for finding in open(work).into_iter().take(MAX_LINES) {
                    let fix = finding.fix.as_ref().map(|fix| format!("`oomguard apply` would {fix}"));
                    let what =
                        fix.or_else(|| finding.advice.clone()).unwrap_or_else(|| finding.should.clone());
                    steps.push(safe(&format!("{host}: {}: {what}", finding.subject)));
                }
            }
        }
    }
    steps.extend(trial::next_steps(&session.trials));
    let unfinished = session.works.iter().filter(|work| matches!(work.state, State::NotYet | State::Cut));
    let runs: BTreeSet<&String> = unfinished.filter_map(|work| work.run.as_ref()).collect();
    steps.extend(runs.into_iter().map(|run| format!("oomguard fleet resume {}", safe(run))));
    if let Some(occasion) = session.occasion.as_ref().filter(|_| session.works.is_empty()) {
        steps.extend(cspec::next_steps(&occasion.incident));
    }
    let mut said = BTreeSet::new();
    steps.retain(|step| said.insert(step.clone()));
    steps
}
