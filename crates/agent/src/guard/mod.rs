//! Sets the scores of processes as they start: protects keepers, and removes inherited protection from the load.
//!
//! `converge::target_score` decides what a score should be, as for `check` and `apply`. This module decides when to read a
//! process, and writes.

mod counts;
mod queue;

use std::collections::BTreeMap;
use std::time::Duration;

use oomguard_converge::facts::KeeperKind;
use oomguard_converge::facts::Process;
use oomguard_converge::facts::process_reader::{ProcessReader, Relevance};
use oomguard_converge::target_score::target_score;
use oomguard_host::proc::{oom_score_adj, stat};
use oomguard_host::proc_event::ProcEvent;
use oomguard_host::{Host, HostError};
use oomguard_spec::policy::Policy;

pub use counts::GuardCounts;
use queue::Queue;

/// A keeper may become one without an exec or a new name (screen's server is a fork of its client). A full scan finds it
/// so long after its program has started.
const SETTLED: Duration = Duration::from_millis(80);

/// One scan of scores in so many is a full scan, once an hour. Events report what starts, and drift checks find the rest:
/// processes that were moved to another cgroup.
const SCANS_PER_FULL_SCAN: u32 = 60;

/// A score that the guard has written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScoreChange {
    /// Why it was written.
    pub kind: ChangeKind,
    /// The process, with its old score.
    pub process: Process,
    /// Its oom_score_adj now.
    pub to: i32,
    /// The part of the policy that asks for it.
    pub source: String,
}

/// Why a score was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// A keeper needs protection.
    Protected,
    /// The protection was undeclared or inherited.
    Unleaked,
}

/// Gets what the guard sees and does.
pub trait Observer {
    /// The policy applies to this process.
    fn seen(&mut self, _process: &Process) {}
    /// A score was written.
    fn changed(&mut self, change: &ScoreChange);
    /// The score of this process could not be written.
    fn failed(&mut self, process: &Process, error: &HostError);
}

/// The guard of one host under one policy.
#[derive(Debug)]
pub struct Guard {
    host: Host,
    reader: ProcessReader,
    queue: Queue,
    /// The user managers since the last scan: their children keep a floor as low as theirs until it is raised.
    managers: Vec<i32>,
    /// The processes that the policy applies to, since the last scan: each with its score, or `None` if that is not the
    /// target score.
    known: BTreeMap<i32, Option<i32>>,
    /// Kernel threads, ascending: more than half of all processes of a quiet host, and never relevant.
    kernel_threads: Vec<i32>,
    /// How many scans of scores there were.
    scans: u32,
    /// When a full scan is due because of an event (a time of `Host::tick`).
    rescan: Option<Duration>,
    counts: GuardCounts,
    buffer: Vec<u8>,
}

impl Guard {
    /// A guard that has not scanned anything yet.
    ///
    /// # Errors
    /// When /proc is not there.
    pub fn new(host: &Host, policy: &Policy) -> Result<Self, HostError> {
        Ok(Self {
            host: host.clone(),
            reader: ProcessReader::open(host, policy)?.without_daemon_units(),
            queue: Queue::new(),
            managers: Vec::with_capacity(64),
            known: BTreeMap::new(),
            kernel_threads: Vec::new(),
            scans: 0,
            rescan: None,
            counts: GuardCounts::default(),
            buffer: Vec::with_capacity(4096),
        })
    }

    /// Replaces the policy.
    ///
    /// # Errors
    /// When /proc is not there; the old policy stays in force then.
    pub fn set_policy(&mut self, policy: &Policy) -> Result<(), HostError> {
        self.reader = ProcessReader::open(&self.host, policy)?.without_daemon_units();
        self.rescan = Some(Duration::ZERO);
        Ok(())
    }

    /// Counts since the start.
    #[must_use]
    pub fn counts(&self) -> &GuardCounts {
        &self.counts
    }

    /// When a full scan is due because of an event; a time of `Host::tick`.
    #[must_use]
    pub fn rescan_due(&self) -> Option<Duration> {
        self.rescan
    }

    /// Queues the process of an event for [`Self::handle_queue`], without a system call.
    pub fn queue_event(&mut self, event: &ProcEvent) {
        self.counts.events += 1;
        match event {
            ProcEvent::Exec { process } => {
                // The number of a kernel thread that has exited was reused.
                if let Ok(place) = self.kernel_threads.binary_search(process) {
                    self.kernel_threads.remove(place);
                }
                self.queue_pid(*process);
            }
            // Only the main thread's name is that of the process.
            ProcEvent::Name { thread, process, comm }
                if thread == process && self.reader.may_be_keeper(ProcEvent::name(comm)) =>
            {
                self.queue_pid(*process);
            }
            _ => {}
        }
    }

    fn queue_pid(&mut self, pid: i32) {
        if !self.queue.push(pid) {
            self.events_lost();
        }
    }

    /// Events were lost: only a full scan finds what was missed.
    pub fn events_lost(&mut self) {
        self.counts.lost_events += 1;
        self.rescan = Some(Duration::ZERO);
    }

    /// Checks the queued processes and fixes their scores. Most short-lived ones have exited by then and cost one system call.
    pub fn handle_queue(&mut self, observer: &mut dyn Observer) {
        while let Some(pid) = self.queue.pop() {
            self.check_started(pid, observer);
        }
    }

    /// Two small files show that nothing needs to be done for most processes that have just started.
    fn check_started(&mut self, pid: i32, observer: &mut dyn Observer) {
        if !self.reader.dir().read(pid, "oom_score_adj", &mut self.buffer).unwrap_or(false) {
            return;
        }
        let Ok(score) = oom_score_adj::parse(&self.buffer) else { return };
        if !self.reader.dir().read(pid, "stat", &mut self.buffer).unwrap_or(false) {
            return;
        }
        let Ok(stat) = stat::parse(&self.buffer) else { return };
        if matches!(stat.comm.as_str(), "screen" | "zellij") {
            let due = self.host.tick() + SETTLED;
            self.rescan = Some(self.rescan.map_or(due, |earlier| earlier.min(due)));
        }
        let protected = score < self.reader.lowest_ordinary();
        let candidate = protected || self.reader.may_be_keeper(stat.comm.as_bytes());
        if candidate && self.fix(pid, observer) {
            return;
        }
        if !protected && self.managers.contains(&stat.ppid) {
            self.raise_floor(pid, stat.start_time, score);
        }
    }

    /// Reads a process in full and fixes its score. Returns whether the policy applies to it.
    fn fix(&mut self, pid: i32, observer: &mut dyn Observer) -> bool {
        let mut unread = Vec::new();
        let Relevance::Relevant(process) = self.reader.process(pid, &mut self.buffer, &mut unread) else {
            return false;
        };
        if process.keeper == Some(KeeperKind::UserManager) && !self.managers.contains(&pid) {
            self.managers.push(pid);
        }
        self.known.insert(pid, None);
        observer.seen(&process);
        let target = target_score(&process, self.reader.policy());
        let Some(to) = target.bound.correction(process.score).filter(|_| target.fixable) else {
            self.known.insert(pid, Some(process.score));
            return true;
        };
        let kind = if process.score < to { ChangeKind::Unleaked } else { ChangeKind::Protected };
        match self.reader.dir().set_score(pid, process.start_time, to, &mut self.buffer) {
            Ok(true) => {
                self.counts.count(kind);
                if kind == ChangeKind::Unleaked {
                    self.queue_children(pid);
                }
                observer.changed(&ScoreChange { kind, process: *process, to, source: target.source });
            }
            Ok(false) => {}
            Err(error) => {
                self.counts.failed += 1;
                observer.failed(&process, &error);
            }
        }
        true
    }

    /// Children that a process has forked before it was fixed have the same protection, and may never exec.
    fn queue_children(&mut self, pid: i32) {
        // CONFIG_PROC_CHILDREN; without it the next full scan finds them.
        let name = format!("task/{pid}/children");
        if self.reader.dir().read(pid, &name, &mut self.buffer).unwrap_or(false) {
            let text = String::from_utf8_lossy(&self.buffer).into_owned();
            for child in text.split_ascii_whitespace().filter_map(|child| child.parse().ok()) {
                self.queue_pid(child);
            }
        }
    }

    /// A child of a user manager that has removed its own protection keeps the low floor, so its user could lower the score
    /// again. A privileged write of the same score raises the floor.
    fn raise_floor(&mut self, pid: i32, start_time: u64, score: i32) {
        if self.reader.dir().set_score(pid, start_time, score, &mut self.buffer).is_ok_and(|done| done) {
            self.counts.floors += 1;
        }
    }

    /// Reads all scores and fixes those that processes have changed themselves, which causes no event. Once in
    /// [`SCANS_PER_FULL_SCAN`] it is a full scan, for what events may have missed.
    pub fn scan_scores(&mut self, observer: &mut dyn Observer) {
        let everything = self.scans.is_multiple_of(SCANS_PER_FULL_SCAN);
        self.scans = self.scans.wrapping_add(1);
        if everything {
            self.scan_all(observer);
            self.list_kernel_threads();
            return;
        }
        self.counts.rescans += 1;
        for pid in self.reader.pids().unwrap_or_default() {
            if self.kernel_threads.binary_search(&pid).is_ok() {
                continue;
            }
            let Some(score) = self.score(pid) else { continue };
            let changed = match self.known.get(&pid) {
                Some(settled) => *settled != Some(score),
                None => score < self.reader.lowest_ordinary(),
            };
            if changed {
                self.fix(pid, observer);
            }
        }
        self.handle_queue(observer);
    }

    fn score(&mut self, pid: i32) -> Option<i32> {
        self.reader
            .dir()
            .read(pid, "oom_score_adj", &mut self.buffer)
            .ok()
            .filter(|there| *there)
            .and_then(|_| oom_score_adj::parse(&self.buffer).ok())
    }

    fn list_kernel_threads(&mut self) {
        let (dir, buffer) = (self.reader.dir(), &mut self.buffer);
        let mut is_thread = |pid: &i32| {
            dir.read(*pid, "stat", buffer).unwrap_or(false)
                && stat::parse(buffer).is_ok_and(|stat| stat.is_kernel_thread())
        };
        self.kernel_threads = self.reader.pids().unwrap_or_default();
        self.kernel_threads.retain(&mut is_thread);
    }

    /// Reads every process.
    pub fn scan_all(&mut self, observer: &mut dyn Observer) {
        self.counts.rescans += 1;
        self.rescan = None;
        self.queue.clear();
        self.managers.clear();
        self.known.clear();
        // If /proc cannot be listed, the next scan tries again.
        for pid in self.reader.pids().unwrap_or_default() {
            self.fix(pid, observer);
        }
        self.handle_queue(observer);
    }
}
