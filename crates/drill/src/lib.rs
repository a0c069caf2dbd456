//! A drill: memory runs out on purpose, within a limit of its own, and it is watched who is killed and who lives on.
//!
//! A drill is one transient unit of systemd under user.slice with a memory limit: a keeper (a tmux server), a shell in its
//! pane, a load that the shell starts, and a bystander, a small process that is neither. What the guard and the policy do for
//! a user's session they do for it.

mod ballast;
mod error;
mod killed;
mod order;
mod people;
mod refusal;
mod report;
mod run;
mod stage;
mod verdict;
mod watch;

pub use ballast::Ballast;
pub use error::DrillError;
pub use order::{MIN_LIMIT, Order, Scene, Scope, Sizes, Work, default_limit, max_limit};
pub use refusal::refusals;
pub use report::{
    Ending, Kill, Outcome, Pressure, Process, Protected, Protection, Report, Role, SCHEMA, Swap, Tried,
};
pub use run::{Drill, Told};
