//! `check`, `plan`, `apply`, `status`, `rollback` and `incident` on other hosts.

use std::path::{Path, PathBuf};

use oomguard_fleet::fleet_run::{self, Proposal, TargetError, Verdict};
use oomguard_fleet::inventory::{Form, InventoryError, Target};
use oomguard_fleet::job::{NamedPolicy, Task};
use oomguard_fleet::outcome::Outcome;
use oomguard_fleet::program::Programs;
use oomguard_fleet::rollout::{Rollout, RolloutError};
use oomguard_fleet::run::{Member, RunError, Runs, StoredRun};
use oomguard_fleet::session::{Limits, Means};
use oomguard_fleet::ssh::Ssh;
use oomguard_fleet::wave::Waves;
use oomguard_host::{Host, limits, signals};

use crate::args::{FleetArgs, PolicyArgs, ReachArgs, WaveArgs};
use crate::failure::{Failure, code};
use crate::output::fleet::{self, Progress};
use crate::output::{Terminal, counted};
use crate::policy_source;

/// Architectures whose programs are looked for beside this one, as `oomguard-NAME` and `oomguard-agent-NAME`; as `uname -m`
/// says them.
const ARCHITECTURES: [&str; 6] = ["aarch64", "armv7l", "ppc64le", "riscv64", "s390x", "x86_64"];

/// What is to be done on other hosts.
pub struct Order<'a> {
    pub task: Task,
    pub fleet: &'a FleetArgs,
    pub policy: &'a PolicyArgs,
    pub waves: Option<&'a WaveArgs>,
    pub yes: bool,
    pub json: bool,
}

impl From<RolloutError> for Failure {
    fn from(error: RolloutError) -> Self {
        Self::error(error)
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Unknown { .. } => Self::usage(error),
            error => Self::error(error),
        }
    }
}

/// Whether other hosts are meant.
pub fn asked(fleet: &FleetArgs) -> Result<bool, Failure> {
    let asked = !fleet.host.is_empty() || fleet.inventory.is_some();
    if !asked && fleet.limit.is_some() {
        return Err(Failure::usage("--limit needs --inventory or --host"));
    }
    Ok(asked)
}

/// Says no to what is for one host only.
pub fn only_here(what: &str) -> Failure {
    Failure::usage(format!("{what} works only on this host"))
        .hint("leave it out, or leave out --host and --inventory")
}

/// Runs it and prints the results; returns the exit code.
pub fn run(order: &Order<'_>, host: &Host, terminal: &mut Terminal) -> Result<u8, Failure> {
    let kept = begin(order, host, terminal)?;
    let members = kept.run.hosts.clone();
    finish(&kept, &members, &order.fleet.reach, order.yes, order.json, terminal)
}

/// Stores a run of it.
pub fn begin(order: &Order<'_>, host: &Host, terminal: &mut Terminal) -> Result<StoredRun, Failure> {
    if !host.is_live() {
        return Err(only_here("--root"));
    }
    let policy = with_inventory(order.policy, order.fleet);
    let run = fleet_run::Order {
        task: order.task.clone(),
        targets: targets(order.fleet, terminal)?,
        role: policy.role.clone(),
        waves: match order.waves {
            Some(waves) => waves.wave.parse().map_err(Failure::usage)?,
            None => Waves::default(),
        },
        max_failures: order.waves.map_or(0, |waves| waves.max_failures),
        root: order.fleet.reach.sudo,
    };
    let runs = runs(order.fleet.reach.runs.as_deref())?;
    fleet_run::begin(&runs, run, host.now(), |role| {
        let source = policy_source::policy(&PolicyArgs { role, spec: policy.spec.clone() }, terminal)?;
        Ok(NamedPolicy { name: source.name, policy: source.policy })
    })
}

/// Runs it on some of its hosts and prints the results of all hosts.
pub fn finish(
    kept: &StoredRun,
    members: &[Member],
    reach: &ReachArgs,
    yes: bool,
    json: bool,
    terminal: &mut Terminal,
) -> Result<u8, Failure> {
    if !work(kept, members, reach, Asking { yes, json }, terminal)? {
        terminal.note("Nothing was changed.\n");
        return Ok(code::ERROR);
    }
    let outcomes = kept.outcomes();
    let text = if json { fleet::json(kept, &outcomes) } else { fleet::text(kept, &outcomes, terminal) };
    terminal.print(&text)?;
    Ok(exit_code(&kept.run.task, &outcomes))
}

/// How the person is spoken with.
#[derive(Clone, Copy)]
pub struct Asking {
    /// Nothing is asked.
    pub yes: bool,
    /// Standard output is for JSON alone.
    pub json: bool,
}

/// Asks the hosts; whether it was done.
pub fn work(
    kept: &StoredRun,
    members: &[Member],
    reach: &ReachArgs,
    asking: Asking,
    terminal: &mut Terminal,
) -> Result<bool, Failure> {
    let rollout = rollout(reach, kept.run.root)?;
    let mut progress = Progress::new(members.len(), asking.json);
    fleet_run::carry_out(&rollout, kept, members, &mut progress, &mut |proposal| {
        agreed(&words(proposal), asking.yes, terminal)
    })
}

fn words(proposal: &Proposal) -> String {
    let hosts = |number: usize| counted(number, "host");
    match proposal {
        Proposal::Change { changes, hosts: todo, waves, unchanged, failed } => {
            let mut text = format!(
                "{} on {}, in waves of {waves}; {unchanged} unchanged, {} left out:\n",
                counted(*changes, "change"),
                hosts(*todo),
                failed.len()
            );
            for outcome in failed {
                text.push_str(&format!("  {}: {}\n", outcome.target.name, outcome.summary));
            }
            text
        }
        Proposal::Rollback { hosts: number, to } => {
            let what = match to {
                Some(id) => format!("the apply {} and all after it", oomguard_text::shown(id, 80)),
                None => "the last apply".to_owned(),
            };
            format!("Roll back {what} on {}.\n", hosts(*number))
        }
    }
}

fn agreed(what: &str, yes: bool, terminal: &mut Terminal) -> Result<bool, Failure> {
    terminal.note(what);
    if yes {
        return Ok(true);
    }
    match terminal.ask("Apply these changes to these hosts?")? {
        Some(agreed) => Ok(agreed),
        None => Err(Failure::usage("no terminal to ask on; nothing was changed")
            .hint("use --yes to skip the question")),
    }
}

pub fn exit_code(task: &Task, outcomes: &[Outcome]) -> u8 {
    match Verdict::of(task, outcomes) {
        Verdict::Failed => code::SOME_FAILED,
        Verdict::Differs => code::DIFFERS,
        Verdict::Fine => code::SUCCESS,
    }
}

fn rollout(reach: &ReachArgs, root: bool) -> Result<Rollout, Failure> {
    let stop = signals::stop_flag().map_err(|e| Failure::error(format!("cannot catch Ctrl-C: {e}")))?;
    Ok(Rollout::new(means(reach, root)?, reach.forks.into(), stop))
}

/// How hosts are reached.
pub fn means(reach: &ReachArgs, root: bool) -> Result<Means, Failure> {
    limits::raise_open_files();
    let ssh = Ssh::new("ssh", reach.ssh_config.clone(), Path::new("/tmp"), std::env::vars_os())
        .map_err(|e| Failure::error(format!("cannot make a folder for connections in /tmp: {e}")))?;
    Ok(Means { ssh, programs: programs()?, limits: Limits::default(), root })
}

/// This program, and those of other architectures beside it.
fn programs() -> Result<Programs, Failure> {
    let failed =
        |e: std::io::Error| Failure::error(format!("cannot read this program, to send it to hosts: {e}"));
    let mut programs = Programs::default();
    let own = std::env::current_exe().map_err(failed)?;
    for arch in ARCHITECTURES {
        if let Ok(bytes) = std::fs::read(own.with_file_name(format!("oomguard-{arch}"))) {
            let agent = std::fs::read(own.with_file_name(format!("oomguard-agent-{arch}"))).ok();
            programs.add(arch, bytes, agent);
        }
    }
    let agent =
        Host::live().agent_file().map(|file| std::fs::read(file.path())).transpose().map_err(failed)?;
    programs.add(std::env::consts::ARCH, std::fs::read("/proc/self/exe").map_err(failed)?, agent);
    Ok(programs)
}

/// Where runs are kept.
pub fn runs(folder: Option<&Path>) -> Result<Runs, Failure> {
    if let Some(folder) = folder {
        return Ok(Runs::new(folder.to_owned()));
    }
    Ok(Runs::new(state_folder("runs", "--runs DIR")?))
}

/// A folder of what this user's oomguard remembers.
pub fn state_folder(name: &str, option: &str) -> Result<PathBuf, Failure> {
    if rustix::process::geteuid().is_root() {
        return Ok(PathBuf::from("/var/lib/oomguard").join(name));
    }
    let variable = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = variable("XDG_STATE_HOME").or_else(|| Some(variable("HOME")?.join(".local/state")));
    state.map(|state| state.join("oomguard").join(name)).ok_or_else(|| {
        Failure::error(format!("no directory for {name}: neither $XDG_STATE_HOME nor $HOME is set"))
            .hint(format!("give {option}"))
    })
}

pub fn targets(fleet: &FleetArgs, terminal: &Terminal) -> Result<Vec<Target>, Failure> {
    let targets = fleet_run::targets(fleet.inventory.as_deref(), &fleet.host, fleet.limit.as_deref());
    targets.map_err(|error| match error {
        TargetError::Inventory(InventoryError::Document(rejected)) => {
            Failure::Document(rejected.render(terminal.error_style()))
        }
        error @ (TargetError::File { .. } | TargetError::Inventory(_)) => Failure::error(error),
        error => Failure::usage(error),
    })
}

/// A document that lists the hosts often has their policies, too.
fn with_inventory(policy: &PolicyArgs, fleet: &FleetArgs) -> PolicyArgs {
    let mut policy = policy.clone();
    if let (None, Some(path)) = (&policy.spec, &fleet.inventory)
        && let Ok(bytes) = std::fs::read(path)
        && Form::guess(&path.display().to_string(), &bytes) == Form::Document
        && oomguard_spec::read("", &bytes).is_ok_and(|document| !document.roles().is_empty())
    {
        policy.spec = Some(path.clone());
    }
    policy
}
