//! Keeps protection on keepers and off the load, process by process as they start.
//!
//! What a process's score should be is decided in `converge::target_score`, as for check and apply. Here is only when to
//! look, and the write.

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

/// A keeper that becomes one without an exec or a new name (screen's server is a fork of its client) is looked for so
/// long after its program was started.
const SETTLED: Duration = Duration::from_millis(80);

/// One in so many looks at the scores is a look at everything: an hour apart. What starts or is lost is heard of, and what is
/// left, a process that was moved to another cgroup, is found by whoever looks for drift.
const SCORES_TURNS: u32 = 60;

/// What the guard did to one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// What it came to.
    pub kind: ActKind,
    /// The process.
    pub process: Process,
    /// Its oom_score_adj now.
    pub to: i32,
    /// Who says so.
    pub says: String,
}

/// What a write came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActKind {
    /// A keeper got its score.
    Protected,
    /// Protection that nobody declared was taken off.
    Unleaked,
}

/// Is told of each write, and of each one that failed.
pub trait Witness {
    /// The policy has something to say about this process.
    fn seen(&mut self, _process: &Process) {}
    /// This was done.
    fn acted(&mut self, act: &Act);
    /// This could not be done.
    fn failed(&mut self, process: &Process, error: &HostError);
}

/// The guard of one host under one policy.
#[derive(Debug)]
pub struct Guard {
    host: Host,
    reader: ProcessReader,
    queue: Queue,
    /// The user managers of the last scan and since: what they start keeps a floor as low as theirs until it is raised.
    managers: Vec<i32>,
    /// The processes that the policy has something to say about, since the last scan: each with the score that it has and may
    /// keep, or `None` while it should have another one.
    known: BTreeMap<i32, Option<i32>>,
    /// The threads of the kernel: more than half of all processes of a quiet host, and never of interest. Ascending.
    kernel_threads: Vec<i32>,
    /// How many looks at the scores there were.
    looks: u32,
    /// When a full look is due because of something that was started (a time of `Host::tick`).
    recheck: Option<Duration>,
    counts: GuardCounts,
    buffer: Vec<u8>,
}

impl Guard {
    /// A guard that has looked at nothing yet.
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
            looks: 0,
            recheck: None,
            counts: GuardCounts::default(),
            buffer: Vec::with_capacity(4096),
        })
    }

    /// Goes on under another policy.
    ///
    /// # Errors
    /// When /proc is not there; the old policy holds then.
    pub fn set_policy(&mut self, policy: &Policy) -> Result<(), HostError> {
        self.reader = ProcessReader::open(&self.host, policy)?.without_daemon_units();
        self.recheck = Some(Duration::ZERO);
        Ok(())
    }

    /// What was counted since the start.
    #[must_use]
    pub fn counts(&self) -> &GuardCounts {
        &self.counts
    }

    /// When a full look is due because of what was heard; a time of `Host::tick`.
    #[must_use]
    pub fn recheck_due(&self) -> Option<Duration> {
        self.recheck
    }

    /// Notes an event; [`Self::act`] does what follows from it. It costs no system call.
    pub fn hear(&mut self, event: &ProcEvent) {
        self.counts.events += 1;
        match event {
            ProcEvent::Exec { process } => {
                // The number of a thread that has ended, given to a program.
                if let Ok(place) = self.kernel_threads.binary_search(process) {
                    self.kernel_threads.remove(place);
                }
                self.note(*process);
            }
            // A thread's name is not its process's.
            ProcEvent::Name { thread, process, comm }
                if thread == process && self.reader.may_be_keeper(ProcEvent::name(comm)) =>
            {
                self.note(*process);
            }
            _ => {}
        }
    }

    fn note(&mut self, pid: i32) {
        if !self.queue.push(pid) {
            self.lost();
        }
    }

    /// Events were lost: only a full look tells what was missed.
    pub fn lost(&mut self) {
        self.counts.lost_events += 1;
        self.recheck = Some(Duration::ZERO);
    }

    /// Looks at the processes that were heard of, and mends what is not as it should be. Most short ones have ended by
    /// then, and cost one system call.
    pub fn act(&mut self, witness: &mut dyn Witness) {
        while let Some(pid) = self.queue.pop() {
            self.started(pid, witness);
        }
    }

    /// A process that was just started: two small files tell that nothing is to be done.
    fn started(&mut self, pid: i32, witness: &mut dyn Witness) {
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
            self.recheck = Some(self.recheck.map_or(due, |earlier| earlier.min(due)));
        }
        let protected = score < self.reader.lowest_ordinary();
        let candidate = protected || self.reader.may_be_keeper(stat.comm.as_bytes());
        if candidate && self.mend(pid, witness) {
            return;
        }
        if !protected && self.managers.contains(&stat.ppid) {
            self.raise_floor(pid, stat.start_time, score);
        }
    }

    /// Looks at one process in full, and mends its score. Whether the policy has something to say about it.
    fn mend(&mut self, pid: i32, witness: &mut dyn Witness) -> bool {
        let mut unread = Vec::new();
        let Relevance::Relevant(process) = self.reader.process(pid, &mut self.buffer, &mut unread) else {
            return false;
        };
        if process.keeper == Some(KeeperKind::UserManager) && !self.managers.contains(&pid) {
            self.managers.push(pid);
        }
        self.known.insert(pid, None);
        witness.seen(&process);
        let target = target_score(&process, self.reader.policy());
        let Some(to) = target.bound.correction(process.score).filter(|_| target.fixable) else {
            self.known.insert(pid, Some(process.score));
            return true;
        };
        let kind = if process.score < to { ActKind::Unleaked } else { ActKind::Protected };
        match self.reader.dir().set_score(pid, process.start_time, to, &mut self.buffer) {
            Ok(true) => {
                self.counts.count(kind);
                if kind == ActKind::Unleaked {
                    self.note_children(pid);
                }
                witness.acted(&Act { kind, process: *process, to, says: target.source });
            }
            Ok(false) => {}
            Err(error) => {
                self.counts.failed += 1;
                witness.failed(&process, &error);
            }
        }
        true
    }

    /// What a leaking process forked before it was mended has the same protection, and no exec need follow.
    fn note_children(&mut self, pid: i32) {
        // CONFIG_PROC_CHILDREN; without it the next full look finds them.
        let name = format!("task/{pid}/children");
        if self.reader.dir().read(pid, &name, &mut self.buffer).unwrap_or(false) {
            let text = String::from_utf8_lossy(&self.buffer).into_owned();
            for child in text.split_ascii_whitespace().filter_map(|child| child.parse().ok()) {
                self.note(child);
            }
        }
    }

    /// A child of a user manager took its own protection off, which leaves the floor where it was: its user could go
    /// back down. A privileged write of the same score raises the floor.
    fn raise_floor(&mut self, pid: i32, start_time: u64, score: i32) {
        if self.reader.dir().set_score(pid, start_time, score, &mut self.buffer).is_ok_and(|done| done) {
            self.counts.floors += 1;
        }
    }

    /// Looks at what no event tells of: a score that its own process wrote, so at scores alone where they are what they
    /// were. Now and then at everything, for what events may have missed.
    pub fn look_again(&mut self, witness: &mut dyn Witness) {
        let everything = self.looks.is_multiple_of(SCORES_TURNS);
        self.looks = self.looks.wrapping_add(1);
        if everything {
            self.rescan(witness);
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
                self.mend(pid, witness);
            }
        }
        self.act(witness);
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

    /// Looks at every process.
    pub fn rescan(&mut self, witness: &mut dyn Witness) {
        self.counts.rescans += 1;
        self.recheck = None;
        self.queue.clear();
        self.managers.clear();
        self.known.clear();
        // Not being able to list /proc is as good as an empty one: the next scan comes.
        for pid in self.reader.pids().unwrap_or_default() {
            self.mend(pid, witness);
        }
        self.act(witness);
    }
}
