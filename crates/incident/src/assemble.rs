//! Records to reports of the kernel's OOM killer. Reports are whole or cut at either end, with anything in between.

use crate::model::{Evidence, Scope};
use crate::record::{
    Columns, Counters, Invoked, Killed, Limit, MemcgUsage, OomKill, Record, Selected, Task, Zone, row,
};
use crate::shown;
use crate::time::Time;

/// How many tasks of a table are kept: more than a host has. A task takes about 150 bytes.
const MAX_TASKS: usize = 50_000;

/// How many victims one report can have (memory.oom.group).
const MAX_KILLS: usize = 10_000;

/// How many lines are kept as proof.
const MAX_EVIDENCE: usize = 40;

/// How many lines a report without any sign of an OOM kill may go on.
const PATIENCE: u64 = 400;

/// A victim of a report.
#[derive(Clone, Debug)]
pub struct Victim {
    /// What the kill line says, or the `oom-kill:` line where that is lost.
    pub killed: Killed,
    /// When.
    pub time: Time,
    /// The line.
    pub line: u64,
}

/// One run of the kernel's OOM killer, as far as the log has it.
#[derive(Clone, Debug, Default)]
pub struct OomReport {
    /// Its first line.
    pub line: u64,
    /// Its last line so far.
    pub last_line: u64,
    /// When it began.
    pub time: Time,
    /// The time of its last line that has one.
    pub last_time: Time,
    /// The head, when it is there.
    pub invoked: Option<Invoked>,
    /// The process that invoked the OOM killer.
    pub trigger: Option<(Vec<u8>, Option<u32>)>,
    /// The kernel's release.
    pub release: Option<Vec<u8>>,
    /// What ran out.
    pub scope: Scope,
    /// The cgroup whose limit was hit.
    pub oom_memcg: Option<Vec<u8>>,
    /// The cgroup of the victim.
    pub task_memcg: Option<Vec<u8>>,
    /// Counters of the host, in pages.
    pub pages: Counters,
    /// Counters of the cgroup, in KiB.
    pub memcg: Counters,
    /// Limits of the cgroup.
    pub usages: Vec<MemcgUsage>,
    /// KiB.
    pub swap_total: Option<u64>,
    /// KiB.
    pub swap_free: Option<u64>,
    /// Pages.
    pub ram_pages: Option<u64>,
    /// KiB in a page.
    pub page_kib: Option<u64>,
    /// Zones with their watermarks.
    pub zones: Vec<Zone>,
    /// The task table.
    pub tasks: Vec<Task>,
    /// The victims.
    pub kills: Vec<Victim>,
    /// Victims beyond what is kept.
    pub kills_left_out: u64,
    /// The process that the kernel selected; it may have killed a child.
    pub selected: Option<Selected>,
    /// Named by the reaper.
    pub reaped: Vec<(u32, Option<Vec<u8>>)>,
    /// Whether memory.oom.group is set.
    pub group: bool,
    /// Whether nothing could be killed.
    pub nothing_to_kill: bool,
    /// Lines that prove something.
    pub proof: Vec<Evidence>,
    columns: Option<Columns>,
    summary: Option<OomKill>,
    announced: Option<Victim>,
    in_stats: bool,
    /// Cgroups below the limit that hold anything (cgroup v1 lists each with its own).
    holders: Vec<Vec<u8>>,
    confirmed: bool,
}

impl OomReport {
    /// Whether anything in it is about an OOM kill.
    #[must_use]
    pub fn is_confirmed(&self) -> bool {
        self.confirmed
    }

    /// The task with a pid.
    #[must_use]
    pub fn task(&self, pid: u32) -> Option<&Task> {
        self.tasks.iter().find(|task| task.pid == pid)
    }

    fn new(line: u64, time: &Time) -> Self {
        Self { line, last_line: line, time: time.clone(), last_time: time.clone(), ..Self::default() }
    }

    fn saw(&mut self, scope: Scope) {
        // 5.0 to 5.2 say CONSTRAINT_NONE for a cgroup, so what is more exact wins.
        let better = matches!(self.scope, Scope::Unknown | Scope::Global) || scope == Scope::Memcg;
        if better && scope != Scope::Unknown {
            self.scope = scope;
        }
    }

    fn has_body(&self) -> bool {
        !self.tasks.is_empty()
            || self.pages != Counters::default()
            || !self.usages.is_empty()
            || self.columns.is_some()
    }
}

/// Assembles records into reports.
#[derive(Debug, Default)]
pub struct Assembler {
    current: Option<OomReport>,
}

/// A message with its place.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The line, counted from 1.
    pub line: u64,
    /// When.
    pub time: &'a Time,
    /// What was said.
    pub text: &'a [u8],
}

impl Assembler {
    /// The report that is being read.
    #[must_use]
    pub fn current(&self) -> Option<&OomReport> {
        self.current.as_ref().filter(|report| report.confirmed)
    }

    /// The report that was being read.
    pub fn finish(&mut self) -> Option<OomReport> {
        let mut report = self.current.take().filter(|report| report.confirmed)?;
        report.settle();
        Some(report)
    }

    /// Adds a record; returns the report that ended before it. Ignores records that are not the kernel's.
    pub fn take(&mut self, record: &Record, place: Place<'_>) -> Option<OomReport> {
        let ended = if self.starts_new(record, place.line) { self.finish() } else { None };
        let report = self.current.get_or_insert_with(|| OomReport::new(place.line, place.time));
        report.last_line = place.line;
        if !place.time.is_unknown() {
            if report.time.is_unknown() {
                report.time = place.time.clone();
            }
            report.last_time = place.time.clone();
        }
        report.take(record, place);
        ended
    }

    fn starts_new(&mut self, record: &Record, line: u64) -> bool {
        let Some(report) = &self.current else { return false };
        if !report.confirmed && line.saturating_sub(report.last_line) > PATIENCE {
            self.current = None;
            return false;
        }
        let ended = !report.kills.is_empty() || report.nothing_to_kill;
        match record {
            Record::Invoked(_) => report.confirmed || report.has_body() || report.trigger.is_some(),
            Record::Cpu(_) => ended || (report.trigger.is_some() && report.invoked.is_none()),
            Record::TaskIn(_) => ended || report.task_memcg.is_some(),
            Record::MemInfo | Record::TableHead(_) => ended,
            Record::Row => ended && !report.tasks.is_empty(),
            Record::Usage(usage) => ended || report.usages.iter().any(|known| known.of == usage.of),
            Record::OomKill(_) => ended || report.summary.is_some(),
            Record::Selected(_) => ended || report.selected.is_some(),
            Record::Killed(killed) => !report.expects(killed),
            _ => false,
        }
    }
}

impl OomReport {
    /// Whether a kill line belongs to this report.
    fn expects(&self, killed: &Killed) -> bool {
        let announced = self.summary.as_ref().and_then(|summary| summary.pid);
        if self.kills.is_empty() {
            // After the summary of another victim the kill line of the first one is lost, unless the whole cgroup goes.
            return announced.is_none_or(|pid| pid == killed.pid) || self.group;
        }
        let again = self.kills.iter().any(|known| known.killed.pid == killed.pid);
        // Children, and processes that share memory, follow without a prefix of their own.
        self.group || again || killed.limit == Limit::Unknown && self.selected.is_none()
    }

    fn take(&mut self, record: &Record, place: Place<'_>) {
        let stats = matches!(record, Record::Stat(..) | Record::MemcgStats(..));
        self.in_stats = stats && (self.in_stats || matches!(record, Record::MemcgStats(..)));
        match record {
            Record::Invoked(_) | Record::Cpu(_) | Record::Trace { .. } => self.take_head(record, place),
            Record::TaskIn(_) | Record::Usage(_) | Record::MemcgStats(..) | Record::Stat(..) => {
                self.take_cgroup(record, place);
            }
            Record::MemInfo
            | Record::Pages(_)
            | Record::Zone(_)
            | Record::PageSize(_)
            | Record::SwapFree(_)
            | Record::SwapTotal(_)
            | Record::Ram(_) => self.take_host_memory(record, place),
            Record::TableHead(columns) => {
                self.columns = Some(columns.clone());
                self.tasks.clear();
            }
            Record::Row => {
                if self.tasks.len() < MAX_TASKS {
                    self.tasks.extend(row(place.text, self.columns.as_ref()));
                }
            }
            Record::OomKill(_)
            | Record::Selected(_)
            | Record::Killed(_)
            | Record::Reaped(_)
            | Record::Group(_)
            | Record::NothingToKill => self.take_kill(record, place),
            Record::ProgramKill(_)
            | Record::Unit(_)
            | Record::SessionEnded(_)
            | Record::Boot
            | Record::Lost(_)
            | Record::Cut => {}
        }
    }

    /// The allocating process and the kernel.
    fn take_head(&mut self, record: &Record, place: Place<'_>) {
        match record {
            Record::Invoked(invoked) => {
                self.confirmed = true;
                self.trigger = Some((invoked.comm.clone(), None));
                self.invoked = Some(invoked.clone());
                self.prove(place);
            }
            Record::Cpu(cpu) => {
                self.release = cpu.release.clone();
                match &mut self.trigger {
                    Some((comm, pid)) if *comm == cpu.comm => *pid = pid.or(Some(cpu.pid)),
                    Some(_) => {}
                    None => self.trigger = Some((cpu.comm.clone(), Some(cpu.pid))),
                }
            }
            Record::Trace { memcg } if self.scope == Scope::Unknown && self.invoked.is_some() => {
                self.scope = if *memcg { Scope::Memcg } else { Scope::Global };
            }
            _ => {}
        }
    }

    /// The cgroup whose limit was hit, and those below it.
    fn take_cgroup(&mut self, record: &Record, place: Place<'_>) {
        match record {
            Record::TaskIn(task) => {
                self.confirmed = true;
                self.saw(Scope::Memcg);
                self.task_memcg = Some(task.task_memcg.clone());
                self.oom_memcg = task.oom_memcg.clone().or(self.oom_memcg.take());
                self.prove(place);
            }
            Record::Usage(usage) => {
                self.saw(Scope::Memcg);
                self.usages.push(*usage);
                self.prove(place);
            }
            Record::MemcgStats(path, counters) => {
                self.saw(Scope::Memcg);
                // The first is that of the limit, those after it are of cgroups below.
                self.memcg.merge(counters);
                let cut = path.ends_with(b"...");
                if self.oom_memcg.is_none() && !cut && !self.usages.is_empty() {
                    self.oom_memcg = Some(path.clone());
                }
                if counters.anon.is_some_and(|anon| anon > 0) && !cut && self.holders.len() < 3 {
                    self.holders.push(path.clone());
                }
            }
            Record::Stat(key, bytes) => self.stat(key, *bytes),
            _ => {}
        }
    }

    /// Counters of the whole host.
    fn take_host_memory(&mut self, record: &Record, place: Place<'_>) {
        match record {
            Record::MemInfo => self.saw(Scope::Global),
            Record::Pages(counters) => {
                self.pages.merge(counters);
                if counters.shmem.is_some()
                    || counters.anon.is_some()
                    || counters.slab_unreclaimable.is_some()
                {
                    self.prove(place);
                }
            }
            Record::Zone(zone) => {
                self.saw(Scope::Global);
                if self.zones.len() < 64 {
                    self.zones.push(zone.clone());
                    self.prove(place);
                }
            }
            Record::PageSize(size) => self.page_kib = self.page_kib.or(Some(*size)),
            Record::SwapFree(kib) => {
                self.swap_free = Some(*kib);
                self.prove(place);
            }
            Record::SwapTotal(kib) => {
                self.swap_total = Some(*kib);
                self.prove(place);
            }
            Record::Ram(pages) => self.ram_pages = Some(*pages),
            _ => {}
        }
    }

    /// The process that the kernel selected, and those it killed.
    fn take_kill(&mut self, record: &Record, place: Place<'_>) {
        self.confirmed = true;
        match record {
            Record::OomKill(summary) => self.summarised(summary, place),
            Record::Selected(selected) => {
                self.saw(scope_of(selected.limit));
                self.selected = Some(selected.clone());
                self.prove(place);
            }
            Record::Killed(killed) => self.killed(killed, place),
            Record::Reaped(reaped) if self.reaped.len() < MAX_KILLS => {
                self.reaped.push((reaped.pid, reaped.comm.clone()));
            }
            Record::Group(path) => {
                self.group = true;
                self.task_memcg.get_or_insert_with(|| path.clone());
                self.prove(place);
            }
            Record::NothingToKill => {
                self.nothing_to_kill = true;
                self.prove(place);
            }
            _ => {}
        }
    }

    fn stat(&mut self, key: &str, bytes: u64) {
        if !self.in_stats {
            return;
        }
        let place = match key {
            "anon" => &mut self.memcg.anon,
            "file" => &mut self.memcg.file,
            "shmem" => &mut self.memcg.shmem,
            "slab_reclaimable" => &mut self.memcg.slab_reclaimable,
            "slab_unreclaimable" => &mut self.memcg.slab_unreclaimable,
            "pagetables" => &mut self.memcg.page_tables,
            "unevictable" => &mut self.memcg.unevictable,
            _ => return,
        };
        *place = place.or(Some(bytes / 1024));
    }

    fn summarised(&mut self, summary: &OomKill, place: Place<'_>) {
        if summary.oom_memcg.is_some() {
            self.saw(Scope::Memcg);
        } else {
            match summary.constraint.as_deref() {
                Some(b"CPUSET" | b"MEMORY_POLICY") => self.saw(Scope::Cpuset),
                Some(b"MEMCG") => self.saw(Scope::Memcg),
                _ if summary.global => self.saw(Scope::Global),
                _ => {}
            }
        }
        self.oom_memcg = summary.oom_memcg.clone().or(self.oom_memcg.take());
        self.task_memcg = summary.task_memcg.clone().or(self.task_memcg.take());
        self.summary = Some(summary.clone());
        self.prove(place);
        // Until its kill line comes, which says more.
        if let Some(pid) = summary.pid {
            let killed = Killed {
                limit: Limit::Unknown,
                pid,
                comm: summary.comm.clone(),
                uid: summary.uid,
                total_vm_kib: None,
                anon_rss_kib: None,
                file_rss_kib: None,
                shmem_rss_kib: None,
                pgtables_kib: None,
                oom_score_adj: None,
            };
            self.announced = Some(Victim { killed, time: place.time.clone(), line: place.line });
        }
    }

    fn killed(&mut self, killed: &Killed, place: Place<'_>) {
        self.saw(scope_of(killed.limit));
        let mut killed = killed.clone();
        if let Some(announced) = self.announced.take_if(|victim| victim.killed.pid == killed.pid) {
            killed.comm = killed.comm.or(announced.killed.comm);
            killed.uid = killed.uid.or(announced.killed.uid);
        }
        if let Some(known) = self.kills.iter_mut().find(|known| known.killed.pid == killed.pid) {
            // memory.oom.group prints the first victim twice; a log may have everything twice.
            known.killed.fill(&killed);
            return;
        }
        if self.kills.len() >= MAX_KILLS {
            self.kills_left_out += 1;
            return;
        }
        self.prove(place);
        self.kills.push(Victim { killed, time: place.time.clone(), line: place.line });
    }

    fn prove(&mut self, place: Place<'_>) {
        if self.proof.len() < MAX_EVIDENCE {
            self.proof.push(Evidence { line: place.line, text: shown::line(place.text) });
        }
    }

    /// What only is known at the end.
    fn settle(&mut self) {
        if let Some(victim) = self.announced.take()
            && !self.kills.iter().any(|known| known.killed.pid == victim.killed.pid)
        {
            self.kills.push(victim);
        }
        // Without a line that says so, the victim was in the only cgroup that holds anything.
        if self.task_memcg.is_none()
            && let [only] = self.holders.as_slice()
        {
            self.task_memcg = Some(only.clone());
        }
        if self.page_kib.is_none() {
            // The address space of the victim is in the table in pages and on the kill line in KiB.
            self.page_kib = self.kills.iter().find_map(|victim| {
                let pages = self.task(victim.killed.pid)?.total_vm.filter(|pages| *pages > 0)?;
                let kib = victim.killed.total_vm_kib?;
                (kib % pages == 0)
                    .then_some(kib / pages)
                    .filter(|size| [4, 8, 16, 32, 64, 256].contains(size))
            });
        }
    }
}

impl Killed {
    /// Fills missing values from another line about the same kill.
    pub fn fill(&mut self, other: &Self) {
        self.comm = self.comm.take().or_else(|| other.comm.clone());
        self.uid = self.uid.or(other.uid);
        self.total_vm_kib = self.total_vm_kib.or(other.total_vm_kib);
        self.anon_rss_kib = self.anon_rss_kib.or(other.anon_rss_kib);
        self.file_rss_kib = self.file_rss_kib.or(other.file_rss_kib);
        self.shmem_rss_kib = self.shmem_rss_kib.or(other.shmem_rss_kib);
        self.pgtables_kib = self.pgtables_kib.or(other.pgtables_kib);
        self.oom_score_adj = self.oom_score_adj.or(other.oom_score_adj);
    }
}

fn scope_of(limit: Limit) -> Scope {
    match limit {
        Limit::Host => Scope::Global,
        Limit::Cgroup => Scope::Memcg,
        Limit::Unknown => Scope::Unknown,
    }
}
