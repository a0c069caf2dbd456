//! Drills.

use clap::{Args, Subcommand, ValueEnum};

use super::{PolicyArgs, TextFormat};

/// Prove protection on this host.
///
/// It starts a tmux server (a shell, where tmux is not installed) with a load in its pane, in a unit with a memory limit of its
/// own and without swap, lets the kernel kill, and says who lived and who was killed, in which order. The host itself does not
/// run out of memory. The kills are real: the agent tells of them, and alerts on OOM kills come.
#[derive(Debug, Args)]
pub struct Drill {
    /// The load: several large processes, one that leaks, or many small ones
    #[arg(long, value_name = "SCENE", default_value = "compile", conflicts_with = "command")]
    pub scene: SceneName,
    /// Whose memory runs out: that of a cgroup of its own, or the host's
    #[arg(long, value_name = "SCOPE", default_value = "cgroup")]
    pub scope: DrillScope,
    /// With --scope host: yes, the kernel may kill any process of this host
    #[arg(long)]
    pub may_lose_processes: bool,
    /// Run this command of a shell as the load, in this folder, for example 'cargo build'
    #[arg(long, value_name = "COMMAND")]
    pub command: Option<String>,
    /// Run keeper and command as this user, instead of root
    #[arg(long, value_name = "USER", requires = "command")]
    pub user: Option<String>,
    /// The memory limit, at most an eighth of what is available [default: that, up to 256 MiB]
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<String>,
    /// End the load after this time: 90s, 10m
    #[arg(long = "for", value_name = "DURATION", default_value = "5m")]
    pub length: String,
    /// Start the keeper at this score, as a script would that protects tmux by hand
    #[arg(long, value_name = "SCORE", allow_hyphen_values = true, value_parser = clap::value_parser!(i32).range(-1000..=1000))]
    pub keeper_score: Option<i32>,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// How to print what came of it
    #[arg(long, default_value = "text")]
    pub format: TextFormat,
    #[command(flatten)]
    pub policy: PolicyArgs,
}

/// Whose memory runs out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DrillScope {
    /// That of a cgroup of its own
    Cgroup,
    /// The host's: for a lab or a maintenance window
    Host,
}

/// A built-in load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SceneName {
    /// Eight large processes
    Compile,
    /// One that leaks
    Leak,
    /// Twenty-four small ones
    Swarm,
}

/// What runs inside a drill.
#[derive(Debug, Subcommand)]
pub enum DrillPart {
    /// Holds memory, and does nothing
    Bystander {
        /// So many bytes
        bytes: u64,
    },
    /// Starts so many growers, and ends when each has grown or was killed
    Load {
        /// So many
        count: u32,
        /// To so many bytes each
        bytes: u64,
    },
    /// Grows, says so, and waits for the end of its input
    Grow {
        /// To so many bytes
        bytes: u64,
    },
}
