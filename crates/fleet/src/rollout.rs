//! Many hosts: all at once as far as they are only looked at, in waves when they are changed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::contact::{Event, Means, Reply, ask};
use crate::failure::{Failure, Kind};
use crate::host_name::HostName;
use crate::inventory::Target;
use crate::job::{Job, Task};
use crate::outcome::{Outcome, State};
use crate::run::{Kept, Member, RunError};
use crate::ssh::Connection;
use crate::wave::Waves;

/// Is told what happens.
pub trait Watcher {
    /// Something happens on a host.
    fn event(&mut self, host: &HostName, event: &Event);
    /// A host is done with.
    fn done(&mut self, outcome: &Outcome);
    /// A wave begins: its number from 1, how many there are, and how many hosts it has.
    fn wave(&mut self, number: usize, total: usize, hosts: usize);
    /// The time, in seconds since 1970.
    fn now(&self) -> u64;
}

/// Why a run did not come to its end. What came of each host until then is in its folder.
#[derive(Debug, thiserror::Error)]
pub enum RolloutError {
    /// Its folder cannot be written.
    #[error(transparent)]
    Run(#[from] RunError),
    /// No threads, no timers.
    #[error("cannot wait for many hosts at once: {0}")]
    Runtime(#[from] std::io::Error),
}

/// A run, and the means for it.
#[derive(Debug)]
pub struct Rollout {
    means: Arc<Means>,
    forks: usize,
    /// Set by Ctrl-C: the hosts in hand are finished, and no other is begun.
    stop: Arc<AtomicBool>,
}

/// What the conversations tell the run.
enum Told {
    Event(HostName, Event),
    Done(usize, Box<Target>, Box<Reply>, Option<Failure>),
}

/// What is done with one host.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Doing {
    /// The task of the run, and nothing after it.
    Task(Connection),
    /// An apply, and a look at the host over a new connection.
    Change,
}

impl Rollout {
    /// At most `forks` hosts are in hand at a time. When `stop` becomes true, no further host is begun.
    #[must_use]
    pub fn new(means: Means, forks: usize, stop: Arc<AtomicBool>) -> Self {
        Self::sharing(Arc::new(means), forks, stop)
    }

    /// The same with means that others use, too.
    #[must_use]
    pub fn sharing(means: Arc<Means>, forks: usize, stop: Arc<AtomicBool>) -> Self {
        Self { means, forks: forks.max(1), stop }
    }

    /// Does the task of a run on some of its hosts, all at once: one that only looks.
    ///
    /// # Errors
    /// When the run's folder cannot be written.
    pub fn look(
        &self,
        kept: &Kept,
        members: &[Member],
        watcher: &mut dyn Watcher,
    ) -> Result<Vec<Outcome>, RolloutError> {
        let task = kept.run.task.clone();
        let mut budget = Budget { left: usize::MAX };
        self.block(self.each(kept, members, &task, Doing::Task(Connection::Single), &mut budget, watcher))
    }

    /// Plans an apply or a setup on all hosts and changes none. Connections are kept for the change.
    ///
    /// # Errors
    /// When the run's folder cannot be written.
    pub fn preflight(
        &self,
        kept: &Kept,
        members: &[Member],
        watcher: &mut dyn Watcher,
    ) -> Result<Vec<Outcome>, RolloutError> {
        let mut budget = Budget { left: usize::MAX };
        let doing = Doing::Task(Connection::Kept);
        self.block(async {
            let task = kept.run.task.before();
            let mut outcomes = self.each(kept, members, &task, doing, &mut budget, watcher).await?;
            for outcome in outcomes.iter_mut().filter(|outcome| outcome.failure.is_none()) {
                if !outcome.refusals.is_empty() {
                    outcome.fail(Failure::refused(outcome.refusals.clone()));
                } else if outcome.must_change() {
                    // Until it is changed, `resume` must ask it again.
                    outcome.state = State::NotReached;
                    outcome.summary = format!("{} change(s) planned", outcome.changes);
                }
                kept.outcome(outcome)?;
            }
            Ok(outcomes)
        })
    }

    /// Changes hosts wave by wave. It stops when more have failed than may.
    ///
    /// # Errors
    /// When the run's folder cannot be written.
    pub fn change(
        &self,
        kept: &Kept,
        members: &[Member],
        waves: &Waves,
        watcher: &mut dyn Watcher,
    ) -> Result<Vec<Outcome>, RolloutError> {
        let doing = match kept.run.task {
            Task::Apply | Task::Setup { .. } => Doing::Change,
            _ => Doing::Task(Connection::Single),
        };
        let task = kept.run.task.clone();
        self.block(async {
            let mut budget = Budget { left: kept.run.max_failures };
            let mut outcomes = Vec::new();
            let ranges = waves.of(members.len());
            let total = ranges.len();
            for (number, range) in ranges.into_iter().enumerate() {
                let wave = members.get(range).unwrap_or_default();
                if self.goes_on(&budget) {
                    watcher.wave(number + 1, total, wave.len());
                }
                outcomes.extend(self.each(kept, wave, &task, doing, &mut budget, watcher).await?);
            }
            Ok(outcomes)
        })
    }

    /// Ends the connections that were kept.
    ///
    /// # Errors
    /// Never because of a host: a connection that is not there any more has ended.
    pub fn end(&self, members: &[Member]) -> Result<(), RolloutError> {
        self.block(async {
            let mut ends = JoinSet::new();
            for member in members {
                if ends.len() >= self.forks {
                    ends.join_next().await;
                }
                let mut command = self.means.ssh.end(&member.target);
                ends.spawn(async move { command.status().await });
            }
            while ends.join_next().await.is_some() {}
            Ok(())
        })
    }

    fn block<T>(&self, work: impl Future<Output = Result<T, RolloutError>>) -> Result<T, RolloutError> {
        tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
    }

    fn goes_on(&self, budget: &Budget) -> bool {
        budget.left != Budget::SPENT && !self.stop.load(Ordering::Relaxed)
    }

    async fn each(
        &self,
        kept: &Kept,
        members: &[Member],
        task: &Task,
        doing: Doing,
        budget: &mut Budget,
        watcher: &mut dyn Watcher,
    ) -> Result<Vec<Outcome>, RolloutError> {
        let (told, mut heard) = mpsc::unbounded_channel();
        let mut outcomes: Vec<Option<Outcome>> = members.iter().map(|_| None).collect();
        let mut waiting = members.iter().enumerate();
        // Given up, the run takes its conversations with it.
        let mut hands = JoinSet::new();
        let mut in_hand = 0;
        loop {
            while in_hand < self.forks && self.goes_on(budget) {
                let Some((at, member)) = waiting.next() else { break };
                let Some(job) = kept.run.job(member, task.clone()) else { continue };
                let (means, target, told) = (Arc::clone(&self.means), member.target.clone(), told.clone());
                in_hand += 1;
                hands.spawn(async move {
                    let (name, events) = (target.name.clone(), told.clone());
                    let tell = move |event| drop(events.send(Told::Event(name.clone(), event)));
                    let (reply, failure) = one(&means, &target, job, doing, &tell).await;
                    drop(told.send(Told::Done(at, Box::new(target), Box::new(reply), failure)));
                });
            }
            if in_hand == 0 {
                break;
            }
            match heard.recv().await {
                None => break,
                Some(Told::Event(host, event)) => watcher.event(&host, &event),
                Some(Told::Done(at, target, reply, failure)) => {
                    in_hand -= 1;
                    let outcome = Outcome::of(*target, &reply, failure, watcher.now());
                    kept.reply(&outcome.target, &reply)?;
                    // A plan of a host is large, and there may be many.
                    drop(reply);
                    kept.outcome(&outcome)?;
                    if outcome.state == State::Failed {
                        budget.spend();
                    }
                    watcher.done(&outcome);
                    if let Some(place) = outcomes.get_mut(at) {
                        *place = Some(outcome);
                    }
                }
            }
        }
        let mut all = Vec::with_capacity(members.len());
        for (member, outcome) in members.iter().zip(outcomes) {
            let outcome = match outcome {
                Some(outcome) => outcome,
                None => {
                    let outcome = Outcome::not_reached(member.target.clone());
                    kept.outcome(&outcome)?;
                    outcome
                }
            };
            all.push(outcome);
        }
        Ok(all)
    }
}

/// How many hosts may still fail.
struct Budget {
    left: usize,
}

impl Budget {
    /// More have failed than may.
    const SPENT: usize = usize::MAX - 1;

    fn spend(&mut self) {
        self.left = match self.left {
            usize::MAX => usize::MAX,
            0 | Self::SPENT => Self::SPENT,
            left => left - 1,
        };
    }
}

/// One host, to its end.
async fn one(
    means: &Means,
    target: &Target,
    job: Job,
    doing: Doing,
    tell: &(dyn Fn(Event) + Send + Sync),
) -> (Reply, Option<Failure>) {
    let connection = match doing {
        Doing::Task(connection) => connection,
        Doing::Change => Connection::Kept,
    };
    let (mut reply, failure) = ask(means, target, &job, connection, tell).await;
    if failure.is_some() || doing != Doing::Change {
        return (reply, failure);
    }
    tell(Event::Health);
    let look = Job { task: job.task.after(), ..job };
    let (seen, failure) = ask(means, target, &look, Connection::Fresh, tell).await;
    reply.status = seen.status.or(reply.status);
    reply.report = seen.report.or(reply.report);
    let failure = failure.map(|failure| {
        let message = format!("it was changed, and then: {}", failure.message);
        Failure { message, ..Failure::new(Kind::NotHealthy, "") }
    });
    let failure = failure.or_else(|| unmended(&reply));
    (reply, failure)
}

/// A finding that `apply` should have mended is red; one that a person must decide about is not.
fn unmended(reply: &Reply) -> Option<Failure> {
    let findings = &reply.check()?.findings;
    let open: Vec<&str> = findings
        .iter()
        .filter(|finding| finding.severity.differs() && finding.mend.is_some())
        .map(|finding| finding.id.as_str())
        .collect();
    if open.is_empty() {
        return None;
    }
    let message = format!("it was changed, and check still finds {}", crate::failure::safe(&open.join(", ")));
    Some(Failure::new(Kind::NotHealthy, message))
}
