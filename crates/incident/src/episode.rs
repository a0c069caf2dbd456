//! Reports, kills by programs, and what followed, to episodes: one for each time that memory ran out.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use crate::assemble::{OomReport, Victim};
use crate::model::{Evidence, Kill, Scope, Trigger, UnitLoss};
use crate::record::{Killed, ProgramKill, Record, Unit, UnitEvent};
use crate::shown;
use crate::time::Time;

/// Kills that are further apart than this are of different episodes. Killing one process often does not help for long,
/// and the next is killed within minutes.
const GAP_SECONDS: i64 = 300;

/// Without times: as many lines. A report of a busy host has some thousand.
const GAP_LINES: u64 = 5_000;

/// Units that fail within this are part of it: systemd notices at once, but a busy host is slow.
const AFTERMATH_SECONDS: i64 = 900;

/// Sessions that end within this of their keeper's end were ended by it; others may just have logged out.
const SESSION_SECONDS: i64 = 120;

/// A boot within this time is part of the episode: the host was reset.
const REBOOT_SECONDS: i64 = 3_600;

/// What an episode keeps of each kind at most.
const MAX_KILLS: usize = 10_000;
const MAX_NAMES: usize = 500;

/// The data of one episode, before it is explained.
#[derive(Clone, Debug, Default)]
pub struct Episode {
    /// When it began.
    pub start: Time,
    /// When the last kill was.
    pub end: Time,
    /// Its last line so far.
    pub last_line: u64,
    /// The report that shows the most.
    pub main: Option<OomReport>,
    /// What ran out.
    pub scopes: BTreeSet<Scope>,
    /// The cgroups whose limit was hit.
    pub oom_memcgs: BTreeSet<Vec<u8>>,
    /// The victims' cgroups.
    pub memcgs: BTreeSet<Vec<u8>>,
    /// The processes that invoked the OOM killer.
    pub triggers: Vec<Trigger>,
    /// The killed processes.
    pub kills: Vec<Kill>,
    /// Kills beyond what is kept.
    pub kills_left_out: u64,
    /// Named by the reaper.
    pub reaped: Vec<Trigger>,
    /// What systemd said of units.
    pub units: BTreeMap<Vec<u8>, UnitLoss>,
    /// Sessions that ended.
    pub sessions: BTreeSet<Vec<u8>>,
    /// The next boot.
    pub boot: Option<Time>,
    /// Lines that prove something.
    pub proof: Vec<Evidence>,
    /// Kills reported only second-hand, by their index in `kills`.
    second_hand: BTreeSet<usize>,
    by_pid: HashMap<u32, usize>,
}

/// Assembles episodes.
#[derive(Debug, Default)]
pub struct Episodes {
    open: Option<Episode>,
    /// What units did shortly before: the journal has the kernel's lines later than they were said.
    recent: VecDeque<(u64, Time, Record)>,
}

impl Episodes {
    /// A report has begun: an episode that is too long ago is over.
    pub fn announce(&mut self, time: &Time, line: u64) -> Option<Episode> {
        let ended = match &self.open {
            Some(open) if !open.reaches(time, line, GAP_SECONDS) || open.boot.is_some() => self.finish(),
            _ => None,
        };
        if self.open.is_none() {
            let mut open =
                Episode { start: time.clone(), end: time.clone(), last_line: line, ..Episode::default() };
            for (at, when, record) in self.recent.drain(..) {
                let close = time.seconds_since(&when).is_none_or(|seconds| seconds <= 10);
                if close && line.saturating_sub(at) <= 64 {
                    open.follow(&record);
                }
            }
            self.open = Some(open);
        }
        ended
    }

    /// Adds a report; returns the episode that ended before it.
    pub fn report(&mut self, report: OomReport) -> Option<Episode> {
        let ended = self.announce(&report.time, report.line);
        if let Some(open) = &mut self.open {
            open.take(report);
        }
        ended
    }

    /// Adds a message of a program; returns the episode that ended before it.
    pub fn follow(&mut self, record: &Record, time: &Time, line: u64, text: &[u8]) -> Option<Episode> {
        if let Record::ProgramKill(kill) = record {
            let ended = self.announce(time, line);
            if let Some(open) = &mut self.open {
                open.program_kill(kill, time, line, text);
            }
            return ended;
        }
        let limit = match record {
            Record::Boot => REBOOT_SECONDS,
            Record::SessionEnded(_) => SESSION_SECONDS,
            _ => AFTERMATH_SECONDS,
        };
        match &mut self.open {
            Some(open) if open.reaches(time, line, limit) => {
                if *record == Record::Boot {
                    open.boot.get_or_insert_with(|| time.clone());
                } else if open.boot.is_none() {
                    open.follow(record);
                }
                None
            }
            open => {
                let over = |open: &Episode| !open.reaches(time, line, REBOOT_SECONDS);
                let ended = if open.as_ref().is_some_and(over) { self.finish() } else { None };
                if self.recent.len() >= 16 {
                    self.recent.pop_front();
                }
                self.recent.push_back((line, time.clone(), record.clone()));
                ended
            }
        }
    }

    /// The episode that is open.
    pub fn finish(&mut self) -> Option<Episode> {
        let mut episode = self.open.take()?;
        episode.settle();
        Some(episode)
    }
}

impl Episode {
    /// Whether a time and line are at most `seconds` after the last kill.
    fn reaches(&self, time: &Time, line: u64, seconds: i64) -> bool {
        match time.seconds_since(&self.end) {
            // A log may be out of order, and a boot begins from 0 again.
            Some(after) => (-60..=seconds).contains(&after),
            None => line.saturating_sub(self.last_line) <= GAP_LINES,
        }
    }

    fn take(&mut self, report: OomReport) {
        if self.start.is_unknown() {
            self.start = report.time.clone();
        }
        if !report.last_time.is_unknown() {
            self.end = report.last_time.clone();
        }
        self.last_line = report.last_line;
        self.scopes.insert(report.scope);
        if self.oom_memcgs.len() < MAX_NAMES {
            self.oom_memcgs.extend(report.oom_memcg.clone());
        }
        if self.memcgs.len() < MAX_NAMES {
            self.memcgs.extend(report.task_memcg.clone());
        }
        if self.triggers.len() < MAX_KILLS
            && let Some((comm, pid)) = &report.trigger
        {
            self.triggers.push(Trigger { comm: Some(shown::name(comm)), pid: *pid });
        }
        self.kills_left_out += report.kills_left_out;
        for victim in &report.kills {
            self.kernel_kill(victim, &report);
        }
        for (pid, comm) in &report.reaped {
            if self.reaped.len() < MAX_KILLS {
                self.reaped.push(Trigger { comm: comm.as_deref().map(shown::name), pid: Some(*pid) });
            }
        }
        if self.main.as_ref().is_none_or(|main| worth(&report) > worth(main)) {
            self.main = Some(report);
        }
    }

    fn kernel_kill(&mut self, victim: &Victim, report: &OomReport) {
        let killed = &victim.killed;
        let task = report.task(killed.pid);
        let page = report.page_kib;
        let memcg = report.task_memcg.as_deref().filter(|_| report.group || report.kills.len() == 1);
        let kill = Kill {
            by: "kernel".to_owned(),
            pid: Some(killed.pid),
            comm: killed.comm.as_deref().or(task.and_then(|task| task.comm.as_deref())).map(shown::name),
            uid: killed.uid.or(task.and_then(|task| task.uid)),
            total_vm_kib: killed.total_vm_kib,
            anon_rss_kib: killed.anon_rss_kib,
            file_rss_kib: killed.file_rss_kib,
            shmem_rss_kib: killed.shmem_rss_kib,
            pgtables_kib: killed.pgtables_kib,
            swap_kib: task.and_then(|task| task.swap?.checked_mul(page?)),
            oom_score_adj: killed.oom_score_adj.or(task.and_then(|task| task.adj)),
            memcg: memcg.map(shown::name),
            oom_memcg: report.oom_memcg.as_deref().map(shown::name),
            time: victim.time.text(),
            line: victim.line,
        };
        self.add(kill, killed);
    }

    fn add(&mut self, kill: Kill, killed: &Killed) {
        let known = kill.pid.and_then(|pid| self.by_pid.get(&pid).copied());
        if let Some(at) = known
            && let Some(before) = self.kills.get_mut(at)
            && same(before, &kill)
        {
            if self.second_hand.remove(&at) {
                *before = kill;
            } else {
                let more = [
                    (&mut before.total_vm_kib, killed.total_vm_kib),
                    (&mut before.anon_rss_kib, killed.anon_rss_kib),
                    (&mut before.file_rss_kib, killed.file_rss_kib),
                    (&mut before.shmem_rss_kib, killed.shmem_rss_kib),
                    (&mut before.pgtables_kib, killed.pgtables_kib),
                ];
                for (mine, theirs) in more {
                    *mine = mine.or(theirs);
                }
                before.comm = before.comm.take().or(kill.comm);
                before.oom_score_adj = before.oom_score_adj.or(kill.oom_score_adj);
            }
            return;
        }
        if self.kills.len() >= MAX_KILLS {
            self.kills_left_out += 1;
            return;
        }
        if let Some(pid) = kill.pid {
            self.by_pid.insert(pid, self.kills.len());
        }
        self.kills.push(kill);
    }

    fn program_kill(&mut self, kill: &ProgramKill, time: &Time, line: u64, text: &[u8]) {
        if !time.is_unknown() {
            self.end = time.clone();
        }
        self.last_line = line;
        if self.proof.len() < 20 {
            self.proof.push(Evidence { line, text: shown::line(text) });
        }
        let known = kill.pid.and_then(|pid| self.by_pid.get(&pid).copied());
        // SIGTERM and then SIGKILL, and a kubelet that tells of the kernel's kill: it dies only once.
        let again = |before: &Kill| kill.second_hand || before.by == kill.by;
        if known.and_then(|at| self.kills.get(at)).is_some_and(again) {
            return;
        }
        if self.kills.len() >= MAX_KILLS {
            self.kills_left_out += 1;
            return;
        }
        if kill.second_hand {
            self.second_hand.insert(self.kills.len());
        }
        if let Some(pid) = kill.pid {
            self.by_pid.insert(pid, self.kills.len());
        }
        self.kills.push(Kill {
            by: kill.by.clone(),
            pid: kill.pid,
            comm: kill.comm.as_deref().map(shown::name),
            uid: kill.uid,
            memcg: kill.memcg.as_deref().map(shown::name),
            time: time.text(),
            line,
            ..Kill::default()
        });
    }

    fn follow(&mut self, record: &Record) {
        match record {
            Record::Unit(event) => self.unit(event),
            Record::SessionEnded(number) if self.sessions.len() < MAX_NAMES => {
                self.sessions.insert(number.clone());
            }
            _ => {}
        }
    }

    fn unit(&mut self, event: &UnitEvent) {
        if self.units.len() >= MAX_NAMES && !self.units.contains_key(&event.unit) {
            return;
        }
        let loss = self.units.entry(event.unit.clone()).or_default();
        loss.unit = shown::name(&event.unit);
        match event.what {
            Unit::ProcessKilled => loss.process_killed = true,
            Unit::KilledByOomd(_) => {
                (loss.process_killed, loss.failed, loss.killed_by_oomd) = (true, true, true);
            }
            Unit::MainKilled => (loss.process_killed, loss.main_killed) = (true, true),
            Unit::FailedByOom => (loss.process_killed, loss.failed) = (true, true),
            Unit::Failed => loss.failed = true,
            Unit::Restarted(_) => loss.restarted = true,
            Unit::Stopped => {}
        }
    }

    fn settle(&mut self) {
        // What only failed in the same minutes, without a killed process, may have other reasons.
        self.units.retain(|_, loss| loss.process_killed || loss.restarted);
        let killed: BTreeSet<u32> = self.kills.iter().filter_map(|kill| kill.pid).collect();
        self.reaped.retain(|reaped| reaped.pid.is_none_or(|pid| !killed.contains(&pid)));
        self.reaped.dedup();
    }
}

/// Whether two lines tell of the same kill.
fn same(before: &Kill, kill: &Kill) -> bool {
    let agree = |one: Option<u64>, two: Option<u64>| one.is_none() || two.is_none() || one == two;
    let names = before.comm.is_none() || kill.comm.is_none() || before.comm == kill.comm;
    names && agree(before.total_vm_kib, kill.total_vm_kib) && agree(before.anon_rss_kib, kill.anon_rss_kib)
}

/// How much a report shows.
fn worth(report: &OomReport) -> usize {
    let parts = [
        report.invoked.is_some(),
        report.pages.anon.is_some(),
        report.swap_total.is_some(),
        !report.usages.is_empty(),
        report.oom_memcg.is_some(),
        !report.kills.is_empty(),
    ];
    parts.iter().filter(|there| **there).count() + if report.tasks.is_empty() { 0 } else { 4 }
}
