//! `oomguard drill`: runs out of memory on purpose and checks what survives.

use std::path::Path;
use std::sync::atomic::Ordering;

use clap::{Args, ValueEnum};
use oomguard_converge::Facts;
use oomguard_converge::apply::ApplyError;
use oomguard_converge::layout;
use oomguard_drill::{Drill, DrillError, Order, Scene, Scope, Told, Work, default_limit, refusals};
use oomguard_host::{Host, signals};
use oomguard_spec::size::Bytes;

use super::recorder::duration;
use crate::args::{Format, HUMAN_JSON, PolicyArgs, formats};
use crate::failure::{Failure, code};
use crate::output::{Terminal, drill as output};
use crate::policy_source::{self, PolicySource};

impl From<DrillError> for Failure {
    fn from(error: DrillError) -> Self {
        match error {
            DrillError::Refused(refusals) => {
                let Self::Message { code, what, hints } = Self::from(ApplyError::Refused(refusals)) else {
                    return Self::error("no drill was started");
                };
                Self::Message {
                    code,
                    what: what.replacen("nothing was changed", "no drill was started", 1),
                    hints,
                }
            }
            error => Self::error(error),
        }
    }
}

/// Test protection by running a small cgroup out of memory
///
/// Starts a tmux server (a shell where tmux is not installed) with a load in its pane, in a unit with a memory limit of
/// its own and no swap. The kernel kills in that unit; the drill reports which processes survived and which were killed,
/// in order. The host itself does not run out of memory. The kills are real: the agent reports them, and alerts on OOM
/// kills fire. Needs root. Exit status: 0 when protection held, 2 when it did not, 1 when no drill took place.
#[derive(Debug, Args)]
pub struct DrillArgs {
    /// Built-in load
    #[arg(long, value_name = "SCENE", default_value = "compile", conflicts_with = "command")]
    scene: SceneName,
    /// Whose memory runs out
    #[arg(long, value_name = "SCOPE", default_value = "cgroup", hide_short_help = true)]
    scope: DrillScope,
    /// With --scope host: accept that any process of this host may be killed
    #[arg(long, hide_short_help = true)]
    may_lose_processes: bool,
    /// Run a shell command as the load
    ///
    /// In the current directory.
    #[arg(long, value_name = "COMMAND")]
    command: Option<String>,
    /// Run the keeper and --command as this user
    #[arg(long, value_name = "USER", requires = "command")]
    user: Option<String>,
    /// Memory limit of the drill
    ///
    /// At most an eighth of the available memory, which is also the default, up to 256 MiB.
    #[arg(long, value_name = "SIZE")]
    memory: Option<String>,
    /// Stop the load after this time
    #[arg(long = "for", value_name = "DURATION", default_value = "5m")]
    length: String,
    /// Start the keeper at this oom_score_adj
    ///
    /// For example -800, as a script does that protects tmux by hand.
    #[arg(long, value_name = "SCORE", allow_hyphen_values = true, value_parser = clap::value_parser!(i32).range(-1000..=1000))]
    keeper_score: Option<i32>,
    /// Do not ask for confirmation
    #[arg(short, long)]
    yes: bool,
    /// Output format
    #[arg(long, default_value = "human", value_parser = formats(HUMAN_JSON))]
    format: Format,
    #[command(flatten)]
    policy: PolicyArgs,
}

/// Whose memory runs out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DrillScope {
    /// That of a small cgroup of its own
    Cgroup,
    /// The host's, for a lab or a maintenance window
    Host,
}

/// A built-in load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SceneName {
    /// Eight large processes
    Compile,
    /// One process that leaks
    Leak,
    /// Twenty-four small processes
    Swarm,
}

impl DrillArgs {
    pub fn run(&self, terminal: &mut Terminal) -> Result<u8, Failure> {
        run(self, &Host::live(), terminal)
    }
}

fn run(args: &DrillArgs, host: &Host, terminal: &mut Terminal) -> Result<u8, Failure> {
    let scope = scope(args)?;
    if !host.may_change() {
        return Err(
            Failure::error("a drill starts a systemd unit, which needs root").hint("run it with sudo")
        );
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
    // A closed terminal must not leave a load behind.
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
        Format::Json => crate::output::pretty(&report),
        _ => output::text(&report, terminal),
    })?;
    Ok(if report.proved { code::SUCCESS } else { code::DIFFERS })
}

/// Taking the host's own memory needs two options, so that it cannot happen by mistake.
fn scope(args: &DrillArgs) -> Result<Scope, Failure> {
    match (args.scope, args.may_lose_processes) {
        (DrillScope::Cgroup, false) => Ok(Scope::Cgroup),
        (DrillScope::Cgroup, true) => Err(Failure::usage("--may-lose-processes is only for --scope host")),
        (DrillScope::Host, false) => Err(Failure::usage(
            "--scope host uses up the host's whole memory, and the kernel may kill any of its processes",
        )
        .hint("on a lab host or in a maintenance window, add --may-lose-processes")
        .hint("without --scope host, the drill runs in a small cgroup of its own")),
        (DrillScope::Host, true) if args.memory.is_some() => {
            Err(Failure::usage("--memory cannot be used with --scope host, which has no limit"))
        }
        (DrillScope::Host, true) => Ok(Scope::Host),
    }
}

/// The policy of the command line, else the agent's, else the built-in default.
fn policy(args: &DrillArgs, terminal: &mut Terminal) -> Result<PolicySource, Failure> {
    let saved = Path::new(layout::AGENT_POLICY);
    if args.policy.spec.is_none() && args.policy.role.is_none() && saved.is_file() {
        let kept = PolicyArgs { role: None, spec: Some(saved.to_owned()) };
        return policy_source::policy(&kept, terminal);
    }
    policy_source::policy(&args.policy, terminal)
}

fn order(args: &DrillArgs, scope: Scope, facts: &Facts) -> Result<Order, Failure> {
    let limit = match &args.memory {
        Some(text) => text
            .parse::<Bytes>()
            .map_err(|error| Failure::usage(format!("--memory: {error}")).hint("write a size such as 128MB"))?
            .round_down_to_mib(),
        None => Bytes(default_limit(facts.memory.mem_available.unwrap_or(0))),
    };
    let program = std::env::current_exe()
        .ok()
        .and_then(|path| path.to_str().map(str::to_owned))
        .filter(|path| Path::new(path).is_file())
        .ok_or_else(|| {
            Failure::error("this program's file was deleted, and a drill needs to start it again")
        })?;
    Ok(Order {
        work: work(args)?,
        scope,
        limit,
        time: duration(&args.length)?,
        keeper_score: args.keeper_score,
        program,
    })
}

fn work(args: &DrillArgs) -> Result<Work, Failure> {
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
        return Err(Failure::usage("--user: not a valid user name"));
    }
    let folder =
        std::env::current_dir().map_err(|error| Failure::error(format!("current directory: {error}")))?;
    let folder = folder
        .to_str()
        .ok_or_else(|| Failure::error("the path of the current directory is not valid UTF-8"))?
        .to_owned();
    Ok(Work::Command { line: line.clone(), folder, user: args.user.clone() })
}

fn agreed(terminal: &mut Terminal) -> Result<bool, Failure> {
    match terminal.ask("Start the drill?")? {
        Some(true) => Ok(true),
        Some(false) => {
            terminal.note("Nothing was started.\n");
            Ok(false)
        }
        None => Err(Failure::usage("no terminal to ask on; nothing was started")
            .hint("use --yes to skip the question")),
    }
}
