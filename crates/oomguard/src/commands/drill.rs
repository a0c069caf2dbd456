//! `oomguard drill`: memory runs out on purpose, and it is seen who lives.

use std::path::Path;
use std::sync::atomic::Ordering;

use oomguard_converge::Facts;
use oomguard_converge::apply::ApplyError;
use oomguard_converge::layout;
use oomguard_drill::{Drill, DrillError, Order, Scene, Scope, Told, Work, default_limit, refusals};
use oomguard_host::{Host, signals};
use oomguard_spec::size::Bytes;

use super::recorder::duration;
use crate::args::{self, DrillScope, SceneName, TextFormat};
use crate::failure::{Failure, code};
use crate::output::{Terminal, drill as output};
use crate::policy_source::{self, PolicySource};

impl From<DrillError> for Failure {
    fn from(error: DrillError) -> Self {
        match error {
            DrillError::Refused(refusals) => {
                let Self::Message { code, what, hints } = Self::from(ApplyError::Refused(refusals)) else {
                    return Self::error("no drill was begun");
                };
                Self::Message {
                    code,
                    what: what.replacen("nothing was changed", "no drill was begun", 1),
                    hints,
                }
            }
            error => Self::error(error),
        }
    }
}

pub fn run(args: &args::Drill, host: &Host, terminal: &mut Terminal) -> Result<u8, Failure> {
    let scope = scope(args)?;
    if !host.may_change() {
        return Err(Failure::error("a drill starts a unit of systemd, which only root may do")
            .hint("run it with sudo"));
    }
    let source = policy(args, terminal)?;
    let facts = Facts::read(host, &source.policy)?;
    let order = order(args, scope, &facts)?;
    let refused = refusals(host, &facts, &order);
    if !refused.is_empty() {
        return Err(DrillError::Refused(refused).into());
    }
    terminal.note(&output::announcement(&order, &facts, &source.name));
    if !args.yes && !agreed(terminal)? {
        return Ok(code::ERROR);
    }
    // Who leaves must not leave a load behind.
    signals::ignore_sighup().map_err(Failure::error)?;
    let stop = signals::stop_flag().map_err(Failure::error)?;
    let host_name = super::host_name(host);
    let drill = Drill {
        host,
        host_name: &host_name,
        policy: &source.policy,
        policy_name: &source.name,
        order: &order,
    };
    let mut tell = |told: Told<'_>| terminal.note(&output::progress(&told));
    let report = drill.run(std::process::id(), &|| stop.load(Ordering::Relaxed), &mut tell)?;
    terminal.print(&match args.format {
        TextFormat::Text => output::text(&report, terminal),
        TextFormat::Json => serde_json::to_string_pretty(&report).unwrap_or_default() + "\n",
    })?;
    Ok(if report.proved { code::AS_IT_SHOULD_BE } else { code::DIFFERS })
}

/// The host's own memory is never taken by a slip of the finger.
fn scope(args: &args::Drill) -> Result<Scope, Failure> {
    match (args.scope, args.may_lose_processes) {
        (DrillScope::Cgroup, false) => Ok(Scope::Cgroup),
        (DrillScope::Cgroup, true) => Err(Failure::usage("--may-lose-processes is for --scope host alone")),
        (DrillScope::Host, false) => Err(Failure::usage(
            "--scope host takes the host's whole memory, and the kernel may kill any process of it",
        )
        .hint("on a lab host, or with nobody on it, add --may-lose-processes")
        .hint("without --scope host, a drill has a small memory of its own")),
        (DrillScope::Host, true) if args.memory.is_some() => {
            Err(Failure::usage("--scope host has no limit, so it takes no --memory"))
        }
        (DrillScope::Host, true) => Ok(Scope::Host),
    }
}

/// The policy that was asked for; else the one that the agent keeps; else the built-in one.
fn policy(args: &args::Drill, terminal: &mut Terminal) -> Result<PolicySource, Failure> {
    let saved = Path::new(layout::AGENT_POLICY);
    if args.policy.spec.is_none() && args.policy.role.is_none() && saved.is_file() {
        let kept = args::PolicyArgs { role: None, spec: Some(saved.to_owned()) };
        return policy_source::policy(&kept, terminal);
    }
    policy_source::policy(&args.policy, terminal)
}

fn order(args: &args::Drill, scope: Scope, facts: &Facts) -> Result<Order, Failure> {
    let limit = match &args.memory {
        Some(text) => text
            .parse::<Bytes>()
            .map_err(|error| Failure::usage(format!("--memory: {error}")).hint("write for example 128MB"))?
            .round_down_to_mib(),
        None => Bytes(default_limit(facts.memory.mem_available.unwrap_or(0))),
    };
    let program = std::env::current_exe()
        .ok()
        .and_then(|path| path.to_str().map(str::to_owned))
        .filter(|path| Path::new(path).is_file())
        .ok_or_else(|| Failure::error("the file of this program is gone, and a drill starts it again"))?;
    Ok(Order {
        work: work(args)?,
        scope,
        limit,
        time: duration(&args.length)?,
        keeper_score: args.keeper_score,
        program,
    })
}

fn work(args: &args::Drill) -> Result<Work, Failure> {
    let Some(line) = &args.command else {
        return Ok(Work::Scene(match args.scene {
            SceneName::Compile => Scene::Compile,
            SceneName::Leak => Scene::Leak,
            SceneName::Swarm => Scene::Swarm,
        }));
    };
    if args
        .user
        .as_deref()
        .is_some_and(|user| user.is_empty() || user.starts_with('-') || user.contains(char::is_whitespace))
    {
        return Err(Failure::usage("--user: this is no name of a user"));
    }
    let folder = std::env::current_dir().map_err(|error| Failure::error(format!("this folder: {error}")))?;
    let folder =
        folder.to_str().ok_or_else(|| Failure::error("the path of this folder is no UTF-8"))?.to_owned();
    Ok(Work::Command { line: line.clone(), folder, user: args.user.clone() })
}

fn agreed(terminal: &mut Terminal) -> Result<bool, Failure> {
    match terminal.ask("Begin the drill?")? {
        Some(true) => Ok(true),
        Some(false) => {
            terminal.note("Nothing was started.\n");
            Ok(false)
        }
        None => Err(Failure::usage("there is no terminal to ask on, and nothing was started")
            .hint("give --yes to begin without being asked")),
    }
}
