//! Many hosts: all at once to read them, in waves to change them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::failure::{Failure, Kind};
use crate::host_name::HostName;
use crate::inventory::Target;
use crate::job::{Job, Task};
use crate::outcome::{Outcome, State};
use crate::run::{Member, RunError, StoredRun};
use crate::session::{Event, Means, Reply, ask};
use crate::ssh::Connection;
use crate::wave::Waves;

/// Receives the events of a run.
pub trait Watcher {
    /// An event on a host.
    fn event(&mut self, host: &HostName, event: &Event);
    /// A host is finished.
    fn done(&mut self, outcome: &Outcome);
    /// A wave starts: its number from 1, the number of waves, and the number of hosts in it.
    fn wave(&mut self, number: usize, total: usize, hosts: usize);
    /// The time, in seconds since 1970.
    fn now(&self) -> u64;
}

/// Why a run stopped. The results until then are in its directory.
#[derive(Debug, thiserror::Error)]
pub enum RolloutError {
    /// Its directory cannot be written.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The event loop cannot be started.
    #[error("cannot start the event loop: {0}")]
    Runtime(#[from] std::io::Error),
}

/// Runs tasks on hosts.
#[derive(Debug)]
pub struct Rollout {
    means: Arc<Means>,
    forks: usize,
    /// Set by Ctrl-C: active hosts are finished, and no further one is started.
    stop: Arc<AtomicBool>,
}

/// From a session to its batch.
enum Message {
    Event(HostName, Event),
    Done(Box<Done>),
}

/// A session that ended.
struct Done {
    /// Its place in the batch.
    at: usize,
    target: Target,
    reply: Reply,
    failure: Option<Failure>,
}

/// What is done on one host.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Doing {
    /// The task of the run, and nothing after it.
    Task(Connection),
    /// An apply, and a check over a new connection.
    Change,
}

impl Rollout {
    /// At most `forks` hosts are active at a time. Once `stop` is true, no further host is started.
    #[must_use]
    pub fn new(means: Means, forks: usize, stop: Arc<AtomicBool>) -> Self {
        Self::sharing(Arc::new(means), forks, stop)
    }

    /// The same, with shared means.
    #[must_use]
    pub fn sharing(means: Arc<Means>, forks: usize, stop: Arc<AtomicBool>) -> Self {
        Self { means, forks: forks.max(1), stop }
    }

    /// Runs a task that changes nothing on some hosts of a run, all at once.
    ///
    /// # Errors
    /// When the run's directory cannot be written.
    pub fn look(
        &self,
        kept: &StoredRun,
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
    /// When the run's directory cannot be written.
    pub fn preflight(
        &self,
        kept: &StoredRun,
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
                    // Until it is changed, `resume` must include it.
                    outcome.state = State::NotReached;
                    outcome.summary =
                        format!("{} planned", oomguard_text::counted(outcome.changes, "change", "changes"));
                }
                kept.outcome(outcome)?;
            }
            Ok(outcomes)
        })
    }

    /// Changes hosts wave by wave, until more than the allowed number have failed.
    ///
    /// # Errors
    /// When the run's directory cannot be written.
    pub fn change(
        &self,
        kept: &StoredRun,
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

    /// Runs a task on hosts, `forks` at a time, and stores each result.
    async fn each(
        &self,
        run: &StoredRun,
        members: &[Member],
        task: &Task,
        doing: Doing,
        budget: &mut Budget,
        watcher: &mut dyn Watcher,
    ) -> Result<Vec<Outcome>, RolloutError> {
        let mut batch = Batch::new(Arc::clone(&self.means), run, task, doing);
        let mut waiting = members.iter().enumerate();
        loop {
            while batch.active < self.forks && self.goes_on(budget) {
                let Some((at, member)) = waiting.next() else { break };
                batch.start(at, member);
            }
            if batch.active == 0 {
                break;
            }
            match batch.messages.recv().await {
                None => break,
                Some(Message::Event(host, event)) => watcher.event(&host, &event),
                Some(Message::Done(done)) => {
                    let outcome = batch.store(*done, watcher.now())?;
                    if outcome.state == State::Failed {
                        budget.spend();
                    }
                    watcher.done(&outcome);
                }
            }
        }
        batch.outcomes(members)
    }
}

/// The running sessions of a run, and the results of those that ended.
struct Batch<'a> {
    means: Arc<Means>,
    run: &'a StoredRun,
    task: &'a Task,
    doing: Doing,
    sender: mpsc::UnboundedSender<Message>,
    messages: mpsc::UnboundedReceiver<Message>,
    /// Dropped with the batch, which ends all sessions.
    sessions: JoinSet<()>,
    active: usize,
    /// By its place.
    ended: BTreeMap<usize, Outcome>,
}

impl<'a> Batch<'a> {
    fn new(means: Arc<Means>, run: &'a StoredRun, task: &'a Task, doing: Doing) -> Self {
        let (sender, messages) = mpsc::unbounded_channel();
        Self {
            means,
            run,
            task,
            doing,
            sender,
            messages,
            sessions: JoinSet::new(),
            active: 0,
            ended: BTreeMap::new(),
        }
    }

    /// Starts the session of a host.
    fn start(&mut self, at: usize, member: &Member) {
        let Some(job) = self.run.run.job(member, self.task.clone()) else { return };
        let (means, target, doing) = (Arc::clone(&self.means), member.target.clone(), self.doing);
        let sender = self.sender.clone();
        self.active += 1;
        self.sessions.spawn(async move {
            let (name, events) = (target.name.clone(), sender.clone());
            let tell = move |event| drop(events.send(Message::Event(name.clone(), event)));
            let (reply, failure) = one(&means, &target, job, doing, &tell).await;
            drop(sender.send(Message::Done(Box::new(Done { at, target, reply, failure }))));
        });
    }

    /// Stores the result of a host.
    fn store(&mut self, done: Done, now: u64) -> Result<Outcome, RolloutError> {
        self.active -= 1;
        let outcome = Outcome::of(done.target, &done.reply, done.failure, now);
        self.run.reply(&outcome.target, &done.reply)?;
        self.run.outcome(&outcome)?;
        self.ended.insert(done.at, outcome.clone());
        Ok(outcome)
    }

    /// The results of all hosts; hosts that were not started are stored as not reached.
    fn outcomes(mut self, members: &[Member]) -> Result<Vec<Outcome>, RolloutError> {
        let mut all = Vec::with_capacity(members.len());
        for (at, member) in members.iter().enumerate() {
            all.push(match self.ended.remove(&at) {
                Some(outcome) => outcome,
                None => {
                    let outcome = Outcome::not_reached(member.target.clone());
                    self.run.outcome(&outcome)?;
                    outcome
                }
            });
        }
        Ok(all)
    }
}

/// How many further hosts may fail.
struct Budget {
    left: usize,
}

impl Budget {
    /// More than the allowed number have failed.
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
        let message = format!("changed, but then: {}", failure.message);
        Failure { message, ..Failure::new(Kind::NotHealthy, "") }
    });
    let failure = failure.or_else(|| unfixed(&reply));
    (reply, failure)
}

/// A finding that `apply` should have fixed is a failure; one that a person must decide about is not.
fn unfixed(reply: &Reply) -> Option<Failure> {
    let findings = &reply.check()?.findings;
    let open: Vec<&str> = findings
        .iter()
        .filter(|finding| finding.severity.differs() && finding.fix.is_some())
        .map(|finding| finding.kind.id())
        .collect();
    if open.is_empty() {
        return None;
    }
    let message = format!("changed, but `check` still finds {}", crate::failure::safe(&open.join(", ")));
    Some(Failure::new(Kind::NotHealthy, message))
}
