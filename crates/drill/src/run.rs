//! One drill from its beginning to its end.

use std::os::fd::AsFd;
use std::time::Duration;

use oomguard_agent::protected::ProtectedProcess;
use oomguard_converge::Facts;
use oomguard_converge::facts::process_reader::{ProcessReader, Relevance};
use oomguard_converge::layout::AGENT_UNIT_NAME;
use oomguard_converge::target_score::{Bound, target_score};
use oomguard_host::Host;
use oomguard_host::kmsg::{Kmsg, KmsgRead, Start};
use oomguard_host::processes::ProcDir;
use oomguard_host::wait::{Interest, wait};
use oomguard_spec::policy::Policy;
use oomguard_text::DisplayText;

use crate::error::DrillError;
use crate::killed::Killed;
use crate::order::{Order, Scene, Scope, Sizes, Work};
use crate::people::{Cast, People, look};
use crate::refusal::refusals;
use crate::report::{Ending, Kill, Outcome, Protected, Protection, Report, Role, SCHEMA};
use crate::stage::Stage;
use crate::verdict;
use crate::watch::Watch;

/// How often it is looked.
const TURN: Duration = Duration::from_millis(200);
/// How long the keeper may take to come up.
const UP: Duration = Duration::from_secs(60);
/// How long the agent may take to see the keeper. It takes less than 100 ms on a host with time to spare.
const SETTLE: Duration = Duration::from_secs(10);

/// A drill to be run.
#[derive(Debug)]
pub struct Drill<'a> {
    /// The machine.
    pub host: &'a Host,
    /// What it calls itself.
    pub host_name: &'a str,
    /// What should hold.
    pub policy: &'a Policy,
    /// Where that comes from, in words.
    pub policy_name: &'a str,
    /// What to do.
    pub order: &'a Order,
}

/// What is told while a drill runs.
#[derive(Debug)]
pub enum Told<'a> {
    /// The keeper is up, and the limit is in force.
    Ready {
        /// The unit.
        unit: &'a str,
        /// Whether the keeper is a tmux server; else it is a shell, since tmux is not installed.
        has_tmux: bool,
        /// What protection is in force.
        protection: &'a Protection,
    },
    /// The kernel killed a process.
    Killed(&'a Kill),
}

/// The open sources of a drill that runs.
struct Running<'a, 's> {
    drill: &'s Drill<'a>,
    stage: &'s Stage<'a>,
    cast: Cast,
    /// The start times of keeper and shell.
    started: [u64; 2],
    dir: ProcDir,
    kmsg: Kmsg,
    heard: Killed,
    people: People,
    killed: Vec<Kill>,
    buffer: Vec<u8>,
}

impl Drill<'_> {
    /// Runs it. `id` is a number that no other drill of the host has; `stop` is asked several times a second.
    ///
    /// # Errors
    /// When the host is not one for a drill, or something cannot be had. What was started is ended then.
    pub fn run(
        &self,
        id: u32,
        stop: &dyn Fn() -> bool,
        tell: &mut dyn FnMut(Told<'_>),
    ) -> Result<Report, DrillError> {
        let facts = Facts::read(self.host, self.policy)?;
        let refused = refusals(self.host, &facts, self.order);
        if !refused.is_empty() {
            return Err(DrillError::Refused(refused));
        }
        let (began, start) = (self.host.now(), self.host.monotonic());
        // Before anything is started, so that no kill is missed.
        let kmsg = Kmsg::open(self.host, Start::Now)?;
        let before = protected(&facts, self.policy);
        let stage = Stage::set(self.host, self.order, self.sizes(&facts), id)?;
        let mut watch = Watch::begin(self.host, stage.cgroup());
        let has_agent = facts.agent.running.is_some();
        let mut running = self.up(&stage, kmsg, stop)?;
        let mut protection = running.settle(has_agent, stop)?;
        stage.prove_limit(self.order, watch.swap.total > 0)?;
        tell(Told::Ready { unit: &stage.unit(), has_tmux: stage.has_tmux(), protection: &protection });
        stage.go()?;
        let ending = running.until_the_end(&mut watch, stop, tell)?;
        protection.load = running.people.lowest_load(&running.cast);
        let known = running.killed.iter().filter(|kill| kill.role != Role::Elsewhere).count() as u64;
        let mut report = Report {
            schema: SCHEMA.to_owned(),
            host: self.host_name.to_owned(),
            policy: self.policy_name.to_owned(),
            began,
            seconds: (self.host.monotonic().saturating_sub(start)).as_secs_f64(),
            scene: self.scene(),
            command: match &self.order.work {
                Work::Scene(_) => None,
                Work::Command { line, .. } => Some(line.clone()),
            },
            scope: self.order.scope,
            limit_bytes: (self.order.scope == Scope::Cgroup).then_some(self.order.limit.0),
            proved: false,
            tried: Vec::new(),
            ending,
            protection,
            unnamed_kills: watch.kills().unwrap_or(0).saturating_sub(known),
            protected: running.outcomes(before),
            killed: std::mem::take(&mut running.killed),
            swap: watch.swap,
            pressure: watch.pressure(),
            pressure_of_drill: watch.pressure_of_drill(),
            peak_bytes: watch.peak,
        };
        verdict::judge(&mut report);
        Ok(report)
    }

    fn scene(&self) -> Option<Scene> {
        match &self.order.work {
            Work::Scene(scene) => Some(*scene),
            Work::Command { .. } => None,
        }
    }

    fn sizes(&self, facts: &Facts) -> Sizes {
        let memory = match self.order.scope {
            Scope::Cgroup => self.order.limit.0,
            Scope::Host => facts.memory.mem_available.unwrap_or(0).saturating_add(facts.memory.swap_free),
        };
        self.scene().unwrap_or(Scene::Compile).sizes(memory)
    }

    /// Waits until keeper, shell and bystander are there.
    fn up<'s>(
        &'s self,
        stage: &'s Stage<'s>,
        kmsg: Kmsg,
        stop: &dyn Fn() -> bool,
    ) -> Result<Running<'s, 's>, DrillError> {
        let (dir, mut buffer) = (self.host.proc_dir()?, Vec::with_capacity(4096));
        let end = self.host.monotonic() + UP;
        while self.host.monotonic() < end {
            if stop() {
                return Err(DrillError::Interrupted);
            }
            let people = stage.cast().and_then(|cast| {
                let keeper = look(&dir, cast.keeper, &mut buffer)?;
                let shell = look(&dir, cast.shell, &mut buffer)?;
                look(&dir, cast.bystander, &mut buffer)?;
                Some((cast, [keeper.start_time, shell.start_time]))
            });
            if let Some((cast, started)) = people {
                return Ok(Running {
                    drill: self,
                    stage,
                    cast,
                    started,
                    dir,
                    kmsg,
                    heard: Killed::default(),
                    people: People::default(),
                    killed: Vec::new(),
                    buffer,
                });
            }
            wait(&[], Some(TURN)).map_err(DrillError::Wait)?;
        }
        Err(DrillError::NoKeeper(UP.as_secs()))
    }
}

impl Running<'_, '_> {
    /// Waits until the agent has given keeper and shell their scores, where there is one; then says what they have.
    fn settle(&mut self, has_agent: bool, stop: &dyn Fn() -> bool) -> Result<Protection, DrillError> {
        let (host, policy) = (self.drill.host, self.drill.policy);
        let looking = ProcessReader::open(host, policy)?;
        let end = host.monotonic() + SETTLE;
        loop {
            let keeper = self.should(&looking, self.cast.keeper);
            let shell = self.should(&looking, self.cast.shell);
            let is_settled = [keeper, shell].iter().all(|(bound, score)| bound.correction(*score).is_none());
            if is_settled || !has_agent || host.monotonic() >= end {
                let seen = look(&self.dir, self.cast.keeper, &mut self.buffer)
                    .ok_or(DrillError::NoKeeper(UP.as_secs()))?;
                return Ok(Protection {
                    agent: has_agent,
                    keeper: seen.process,
                    keeper_should: if let Bound::Exactly(score) = keeper.0 { Some(score) } else { None },
                    keeper_given: self.drill.order.keeper_score,
                    load: None,
                    load_should: policy.oom_protection.as_ref().map_or(0, |protection| protection.load.get()),
                });
            }
            if stop() {
                return Err(DrillError::Interrupted);
            }
            wait(&[], Some(TURN)).map_err(DrillError::Wait)?;
        }
    }

    /// What the score of a process should be, and what it is.
    fn should(&mut self, looking: &ProcessReader, pid: i32) -> (Bound, i32) {
        match looking.process(pid, &mut self.buffer, &mut Vec::new()) {
            Relevance::Relevant(process) => (target_score(&process, looking.policy()).bound, process.score),
            Relevance::Irrelevant | Relevance::Unreadable => (Bound::Any, 0),
        }
    }

    fn until_the_end(
        &mut self,
        watch: &mut Watch<'_>,
        stop: &dyn Fn() -> bool,
        tell: &mut dyn FnMut(Told<'_>),
    ) -> Result<Ending, DrillError> {
        let host = self.drill.host;
        let end = host.monotonic() + self.drill.order.time;
        loop {
            // First whether it is over: what is read after that is all that there will be.
            let ending = self.ending(host.monotonic() >= end);
            self.people.look(host, &self.dir, &self.stage.cgroup(), &mut self.buffer);
            watch.look();
            self.hear(tell)?;
            if let Some(ending) = ending {
                return Ok(ending);
            }
            if stop() {
                return Err(DrillError::Interrupted);
            }
            wait(&[(self.kmsg.as_fd(), Interest::Readable)], Some(TURN)).map_err(DrillError::Wait)?;
        }
    }

    fn ending(&mut self, time_over: bool) -> Option<Ending> {
        let [keeper, shell] = self.started;
        if !self.lives(self.cast.keeper, keeper) {
            return Some(Ending::KeeperDied);
        }
        if !self.lives(self.cast.shell, shell) {
            return Some(Ending::ShellDied);
        }
        if self.stage.load_ended() {
            return Some(Ending::LoadEnded);
        }
        time_over.then_some(Ending::TimeOver)
    }

    fn lives(&mut self, pid: i32, start_time: u64) -> bool {
        look(&self.dir, pid, &mut self.buffer).is_some_and(|seen| seen.start_time == start_time)
    }

    fn hear(&mut self, tell: &mut dyn FnMut(Told<'_>)) -> Result<(), DrillError> {
        let cgroup = self.stage.cgroup();
        loop {
            match self.kmsg.read()? {
                KmsgRead::Record(record) => {
                    let kill = self.heard.line(&record.text, &cgroup, &self.cast, &self.people);
                    if let Some(kill) = kill {
                        tell(Told::Killed(&kill));
                        self.killed.push(kill);
                    }
                }
                // The kernel's count tells in the end whether a kill was among them.
                KmsgRead::Lost(_) | KmsgRead::Unreadable(_) => {}
                KmsgRead::Empty => return Ok(()),
            }
        }
    }

    fn outcomes(&mut self, before: Vec<Protected>) -> Vec<Protected> {
        let mut after = before;
        for process in &mut after {
            process.outcome = if self.lives(process.pid, process.start_time) {
                Outcome::Lives
            } else if self.killed.iter().any(|kill| kill.pid == process.pid) {
                Outcome::Killed
            } else {
                Outcome::Gone
            };
        }
        after
    }
}

/// Every process of the host that is protected, by the policy or by its own unit. What a daemon starts comes and goes.
fn protected(facts: &Facts, policy: &Policy) -> Vec<Protected> {
    let of = |process: &oomguard_converge::facts::Process| {
        let by_policy = ProtectedProcess::of(process, policy).map(|found| found.score);
        let bound = target_score(process, policy).bound;
        let by_unit =
            process.score < 0 && process.ppid <= 1 && bound == Bound::Any && !process.in_user_slice();
        let is_agent = process.unit.as_deref() == Some(AGENT_UNIT_NAME);
        let score = by_policy.or((by_unit || is_agent).then_some(process.score))?;
        Some(Protected {
            pid: process.pid,
            start_time: process.start_time,
            name: DisplayText::new(&process.comm),
            unit: process.unit.as_deref().map(DisplayText::new),
            score,
            outcome: Outcome::Lives,
        })
    };
    facts.processes.list.iter().filter_map(of).collect()
}
